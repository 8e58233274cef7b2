import Foundation
import GimbalTrain

/// Makes sure that a file which a command is told to write takes the place of nothing that it reads, and of nothing that a run
/// keeps but its page, nor of a file of another kind than what is written.
/// - Parameters:
///   - path: of the file.
///   - name: of the option or argument that says so, such as `--report`.
///   - inputs: files and folders that the command reads, or that the runs which it reads were trained on.
///   - kind: what is written; nil where the command looks itself at what it replaces.
/// - Throws: `GimbalError.invalidSetting`, which says what is there.
func requireOutput(_ path: String, _ name: String, inputs: [String], kind: OutputKind? = nil) throws {
    func refuse(_ reason: String) -> GimbalError {
        .invalidSetting(name: name, reason: "\(shown(path, limit: 200)) \(reason); name another")
    }
    for input in inputs {
        if isSameFile(path, input) { throw refuse("is the file that is read") }
        if isPicture(path, in: input) { throw refuse("is one of the pictures in \(shown(input, limit: 200))") }
    }
    if let (folder, what) = try RunFolder.keeper(ofFileAt: path) {
        throw refuse("is a file that \(what) keeps in \(shown(folder, limit: 200))")
    }
    if let kind, let bytes = byteCountOfFile(path), bytes > 0, !kind.isOne(path) {
        throw GimbalError.invalidSetting(
            name: name,
            reason:
                "\(shown(path, limit: 200)) is there already, and is not \(kind.rawValue) by Gimbal; name another, or "
                + "remove it first")
    }
}

/// What a command writes to a file that it is told.
enum OutputKind: String {
    case page = "a page"
    case predictions = "a table of predictions"
    case parts = "a list of parts"
    case model = "an ONNX model"

    /// Whether a file is one, by how it begins.
    fileprivate func isOne(_ path: String) -> Bool {
        guard let head = try? FileReader(path: path, format: rawValue).start(1 << 16) else { return false }
        let line = String(decoding: head.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
        return switch self {
        case .page: Page.isOwn(path)
        case .parts: TableSplit.Part(rawValue: line) != nil
        // A row of what could not be predicted has no prediction.
        case .predictions:
            line.hasPrefix("{\"")
                ? line.contains("\"row\":") : line.split(separator: ",").contains { $0.hasPrefix("prediction") }
        // The version of the format, of one byte, and the producer.
        case .model: head.first == 0x08 && head.dropFirst(2).starts(with: [0x12, 6] + Array("Gimbal".utf8))
        }
    }
}

/// The length of a regular file; nil where there is none.
private func byteCountOfFile(_ path: String) -> Int? {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG ? Int(status.st_size) : nil
}

/// The files and folders that the run at `path`, or that of a checkpoint, was trained on; none where that is not known.
func filesTrainedOn(_ path: String) -> [String] { (try? RunRecord(path: path))?.recipe.data.files ?? [] }

/// Whether two paths, links or not, lead to one file.
private func isSameFile(_ first: String, _ second: String) -> Bool {
    var (one, other) = (stat(), stat())
    return stat(first, &one) == 0 && stat(second, &other) == 0 && one.st_dev == other.st_dev
        && one.st_ino == other.st_ino && one.st_mode & S_IFMT == S_IFREG
}

/// Whether a file is there, and among the images of a folder.
private func isPicture(_ path: String, in folder: String) -> Bool {
    guard isFolder(folder), FileManager.default.fileExists(atPath: path), isWithin(path, folder) else { return false }
    return DataSource.isPicture(path) || DataSource.isImageFile(path)
}

/// Whether something that is there is a folder, or lies in it, however deep; links are followed.
func isWithin(_ path: String, _ folder: String) -> Bool {
    guard let inner = realpath(path, nil), let outer = realpath(folder, nil) else { return false }
    defer {
        free(inner)
        free(outer)
    }
    let (place, parent) = (String(cString: inner), String(cString: outer))
    return place == parent || place.hasPrefix(parent == "/" ? parent : parent + "/")
}
