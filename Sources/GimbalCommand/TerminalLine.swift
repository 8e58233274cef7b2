import Foundation
import GimbalMPI
import GimbalTrain

/// A line on a terminal that is written over while something goes on; nothing where nobody would see it.
final class TerminalLine {
    private let terminal: FileHandle?
    private var isOpen = false

    /// - Parameter isJSON: whether standard output is for JSON, so that the line goes to standard error.
    init(isJSON: Bool) {
        let output = isJSON ? FileHandle.standardError : FileHandle.standardOutput
        // A launcher of MPI gives its processes terminals of their own, whatever it writes to itself.
        terminal = isatty(output.fileDescriptor) == 1 && !MPIExchange.isLaunched ? output : nil
    }

    /// Whether there is somebody to see it.
    var isSeen: Bool { terminal != nil }

    /// Takes the place of what stood there.
    func show(_ text: String) {
        write(text)
        isOpen = isSeen
    }

    /// Leaves nothing of it, so that other lines can follow.
    func end() {
        if isOpen { write("") }
        isOpen = false
    }

    private func write(_ text: String) { try? terminal?.write(contentsOf: Data("\r\u{1B}[2K\(text)".utf8)) }
}
