import Foundation

/// Whether something is at `path`.
/// - Throws: `GimbalError.fileSystem` where the system does not tell, as of what lies in a folder that may not be entered: who took
///   that for a no would begin anew what is there.
package func isThere(_ path: String) throws -> Bool { try status(of: path) != nil }

/// The names of all that the folder at `path` holds, in no order; none where there is no such folder.
/// - Throws: `GimbalError.fileSystem` where it is there and cannot be listed.
package func fileNames(in path: String) throws -> [String] {
    guard let mode = try status(of: path)?.st_mode, mode & S_IFMT == S_IFDIR else { return [] }
    do { return try FileManager.default.contentsOfDirectory(atPath: path) } catch {
        throw GimbalError.fileSystem(operation: "list", path: path, reason: (error as NSError).reason)
    }
}

/// What the system knows of what is at `path`; nil where nothing is.
private func status(of path: String) throws -> stat? {
    var status = stat()
    if stat(path, &status) == 0 { return status }
    if errno == ENOENT || errno == ENOTDIR { return nil }
    throw systemError("examine", path)
}

extension NSError {
    /// The cause that the system names, such as "No space left on device".
    package var reason: String {
        let cause = (userInfo[NSUnderlyingErrorKey] as? any Error).map { $0 as NSError } ?? self
        return cause.domain == NSPOSIXErrorDomain
            ? String(cString: strerror(Int32(cause.code))) : cause.localizedDescription
    }
}
