import Foundation
import Gimbal

/// The files below a folder whose names say that they are pictures.
///
/// Links are followed, hidden names passed over. Below each folder of the first level, which is a class, a folder is entered
/// once: a link to one that was met, such as one above, would give the same pictures again, or have no end.
struct PictureWalk {
    enum Kind {
        case read
        /// Of a kind that is not read.
        case other(ending: String)
    }

    /// Links to folders that were met before, which are not entered.
    private(set) var repeated: [String] = []

    private let root: String

    init(_ root: String) { self.root = root }

    private static let readEndings = ["png", "jpg", "jpeg", "jpe", "jfif"]
    private static let otherEndings = [
        "gif", "bmp", "webp", "tif", "tiff", "heic", "heif", "avif", "ppm", "pgm", "jp2",
    ]

    /// Whether a text speaks of a file that is read, whatever else is in it.
    static func mayName(_ text: String) -> Bool { readEndings.contains { text.contains(".\($0)") } }

    /// What a file's name says that it is; nil for no picture.
    static func kind(of name: String) -> Kind? {
        guard let dot = name.lastIndex(of: "."), !name.hasPrefix(".") else { return nil }
        let ending = name[name.index(after: dot)...].lowercased()
        if readEndings.contains(ending) { return .read }
        return otherEndings.contains(ending) ? .other(ending: ending) : nil
    }

    /// Goes through the files, those of a folder before those of the folders in it, until `body` says no.
    /// - Parameter body: is given a path from the root, and what the name says.
    /// - Throws: `GimbalError.fileSystem`, also for a name that is no UTF-8, and what `body` throws.
    mutating func run(_ body: (_ path: String, _ kind: Kind) throws -> Bool) throws {
        var open = [""][...]
        // The folders met below each class, which is the first part of a path.
        var met: [Substring: Set<FolderIdentity>] = [:]
        let top = FolderIdentity(root)
        while let path = open.popFirst() {
            for name in try folderNames("\(root)\(path.isEmpty ? "" : "/\(path)")") where name != "__MACOSX" {
                let inner = path.isEmpty ? name : "\(path)/\(name)"
                if let folder = FolderIdentity("\(root)/\(inner)") {
                    let part = inner.prefix { $0 != "/" }
                    if folder == top || !met[part, default: []].insert(folder).inserted {
                        repeated.append(inner)
                    } else {
                        open.append(inner)
                    }
                } else if let kind = Self.kind(of: name) {
                    guard try body(inner, kind) else { return }
                }
            }
        }
    }
}

/// Which folder a path leads to, whatever links it goes by.
private struct FolderIdentity: Hashable {
    private let device: dev_t
    private let inode: ino_t

    /// Nil for what is no folder, or not there.
    init?(_ path: String) {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { return nil }
        (device, inode) = (status.st_dev, status.st_ino)
    }
}

/// The names in a folder in order, hidden ones left out.
/// - Throws: `GimbalError.fileSystem`, also for a name that is no UTF-8, such as older archives hold: no path leads there.
private func folderNames(_ path: String) throws -> [String] {
    func failure(_ reason: String) -> GimbalError { .fileSystem(operation: "list", path: path, reason: reason) }
    guard let folder = opendir(path) else { throw failure(String(cString: strerror(errno))) }
    defer { closedir(folder) }
    var names: [ExactText] = []
    while let entry = readdir(folder) {
        let bytes = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
        guard bytes.first != UInt8(ascii: ".") else { continue }
        guard let name = String(validating: bytes, as: UTF8.self) else {
            throw failure(
                "the name '\(shown(bytes))' is not UTF-8, by which files are found; rename it, as by convmv")
        }
        names.append(ExactText(name))
    }
    return names.sorted().map(\.text)
}

/// Bytes as a person may read them: those beyond ASCII as \x and two digits.
private func shown(_ bytes: [UInt8]) -> String {
    bytes.map { byte in
        (0x20..<0x7F).contains(byte) ? String(UnicodeScalar(byte)) : "\\x" + hexadecimal(UInt64(byte), digits: 2)
    }.joined()
}
