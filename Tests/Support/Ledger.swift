import Foundation
import GimbalBackend

/// One public piece of Gimbal: a layer, an optimizer, a metric, …
public struct Piece: Sendable, CustomStringConvertible {
    public enum Family: String, Sendable, CaseIterable, Codable {
        case layer, activation, initializer, loss, optimizer, schedule, clipping, regularization, metric
    }

    public let family: Family
    /// As the source spells it, such as `LSTM` or `crossEntropy`.
    public let name: String

    public init(_ family: Family, _ name: String) {
        self.family = family
        self.name = name
    }

    public static func layer(_ name: String) -> Piece { Piece(.layer, name) }
    public static func activation(_ name: String) -> Piece { Piece(.activation, name) }
    public static func initializer(_ name: String) -> Piece { Piece(.initializer, name) }
    public static func loss(_ name: String) -> Piece { Piece(.loss, name) }
    public static func optimizer(_ name: String) -> Piece { Piece(.optimizer, name) }
    public static func schedule(_ name: String) -> Piece { Piece(.schedule, name) }
    public static func clipping(_ name: String) -> Piece { Piece(.clipping, name) }
    public static func regularization(_ name: String) -> Piece { Piece(.regularization, name) }
    public static func metric(_ name: String) -> Piece { Piece(.metric, name) }

    public var description: String { "\(family.rawValue) \(name)" }
}

/// What tests found about each piece, for the table in `Documentation/Gimbal.docc/Equality.md`.
///
/// Where the environment variable `GIMBAL_LEDGER` names a file, every comparison adds a line of JSON to it;
/// `Scripts/equality-table` makes the table from them.
public enum Ledger {
    /// What was compared.
    public enum Check: String, Sendable, Codable {
        /// Gradients with central differences, in Double.
        case differences
        /// Results of a forward pass, or a value, with PyTorch's or scikit-learn's.
        case outputs
        /// Gradients with PyTorch's.
        case gradients
        /// Losses or weights over many optimizer steps with PyTorch's.
        case steps
        /// A property that the piece is defined by, such as a variance or orthogonality.
        case property
    }

    private struct Entry: Codable {
        var family: Piece.Family
        var piece: String
        var check: Check
        var device: String
        var error: Double
        var tolerance: Double
    }

    /// - Parameters:
    ///   - device: `cpu`, `opencl:0`, `reference`, or `host` for what runs on no device.
    ///   - error: as `tolerance` measures it.
    public static func record(
        _ piece: Piece, _ check: Check, on device: String, error: Double, tolerance: Double
    ) {
        guard let file else { return }
        let entry = Entry(
            family: piece.family, piece: piece.name, check: check, device: device, error: error, tolerance: tolerance)
        guard var line = try? JSONEncoder().encode(entry) else { return }
        line.append(0x0A)
        file.withLock { $0.write(line) }
    }

    private static let file: Lock<FileHandle>? = {
        guard let path = ProcessInfo.processInfo.environment["GIMBAL_LEDGER"] else { return nil }
        if !FileManager.default.fileExists(atPath: path) {
            _ = FileManager.default.createFile(atPath: path, contents: nil)
        }
        guard let handle = FileHandle(forWritingAtPath: path) else { return nil }
        handle.seekToEndOfFile()
        return Lock(handle)
    }()
}
