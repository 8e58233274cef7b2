import Foundation
import Gimbal

/// What libFuzzer made up.
struct Input {
    /// The bytes, which stay where they are until the next input.
    let bytes: UnsafeBufferPointer<UInt8>

    init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    var array: [UInt8] { Array(bytes) }

    /// The bytes as text, as a file that is no UTF-8 would be shown.
    var text: String { String(decoding: bytes, as: UTF8.self) }

    /// The path of a file that holds the input.
    var path: String { file("input") }

    /// The path of the folder called `folder` once its file `name` holds the input.
    func folder(_ folder: String = "run", with name: String) -> String {
        Folder.make(folder)
        _ = file(folder + "/" + name)
        return Folder.path + "/" + folder
    }

    /// The bytes from `start` on.
    func from(_ start: Int) -> Input { Input(UnsafeBufferPointer(rebasing: bytes[min(start, bytes.count)...])) }

    private func file(_ name: String) -> String { Folder.write(UnsafeRawBufferPointer(bytes), to: name) }
}

/// Files for readers that take a path, in `GIMBAL_FUZZ_FOLDER`, which is best in memory. Each is opened once and then
/// overwritten.
enum Folder {
    static let path: String = {
        let folder =
            ProcessInfo.processInfo.environment["GIMBAL_FUZZ_FOLDER"] ?? NSTemporaryDirectory() + "gimbal-fuzz"
        mkdir(folder, 0o700)
        return folder
    }()

    static func make(_ name: String) { mkdir(path + "/" + name, 0o700) }

    /// Descriptors by name; inputs come one after another.
    nonisolated(unsafe) private static var opened: [String: Int32] = [:]

    /// - Returns: the file's path.
    static func write(_ bytes: UnsafeRawBufferPointer, to name: String) -> String {
        let path = path + "/" + name
        let descriptor = opened[name] ?? open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        opened[name] = descriptor
        guard pwrite(descriptor, bytes.baseAddress, bytes.count, 0) == bytes.count,
            ftruncate(descriptor, bytes.count) == 0
        else { fail("\(path) cannot be written: \(String(cString: strerror(errno)))") }
        return path
    }
}
