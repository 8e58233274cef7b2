import Foundation

/// A folder that is not there yet, called by the data and the time.
/// - Parameters:
///   - parent: the folder that it is to be in.
///   - data: what the data is called, or its path.
func newPath(in parent: String, data: String) -> String {
    let formatter = DateFormatter()
    formatter.locale = Locale(identifier: "en_US_POSIX")
    formatter.dateFormat = "yyyyMMdd-HHmmss"
    let name = URL(fileURLWithPath: data).deletingPathExtension().lastPathComponent
    let path = "\(parent)/\(name)-\(formatter.string(from: Date()))"
    // Two may start in one second.
    let taken = (2...).lazy.map { "\(path)-\($0)" }.first { !FileManager.default.fileExists(atPath: $0) }
    return FileManager.default.fileExists(atPath: path) ? taken ?? path : path
}
