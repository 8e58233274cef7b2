import Foundation
import Gimbal
internal import SwiftProtobuf

/// Writes what TensorBoard shows, into an event file in a folder.
///
/// ```swift
/// let writer = try EventWriter(folder: "runs/mine")
/// try writer.scalar("loss/validation", 0.25, step: 100)
/// try writer.histogram("weights/first", .normal([64, 10]), step: 100)
/// ```
/// `tensorboard --logdir runs` shows the folder as one run. Tags up to a slash stand together. Each call's event is in the
/// file when it returns.
public final class EventWriter {
    /// The value of a hyperparameter.
    public enum Hyperparameter: Sendable, Equatable {
        /// A number.
        case number(Double)
        /// One of two.
        case flag(Bool)
        /// A word.
        case text(String)
    }

    /// The folder that the file is in.
    public let folder: String
    /// The file, `events.out.tfevents.SECONDS.gimbal`.
    public let path: String
    private let file: FileHandle

    /// Opens the event file of a folder, made where it is not there.
    /// - Parameters:
    ///   - folder: one run's.
    ///   - step: events up to this step that an `EventWriter` has written there stay, later ones are removed, as they will
    ///     be written again. Nil begins anew. Event files of other programs are left alone.
    /// - Throws: `GimbalError.fileSystem`.
    public convenience init(folder: String, resumingAt step: Int? = nil) throws {
        try AtomicFile.makeFolder(at: folder)
        try self.init(existingFolder: folder, resumingAt: step)
    }

    /// Opens the event file of a folder that is there: where it is gone, as one that was renamed, it is not made again.
    init(existingFolder folder: String, resumingAt step: Int?) throws {
        self.folder = folder
        let old = try Self.files(in: folder)
        // TensorBoard follows a file to its end and then goes on to the next by name: what changes is a file of its own.
        let newest = old.last.flatMap(Self.seconds) ?? 0
        let name = Self.name(seconds: max(Int(Date().timeIntervalSince1970), newest + 1))
        path = "\(folder)/\(name)"
        try AtomicFile.write(to: path) { writer in
            try writer.write(
                EventRecord.framed(
                    TensorBoardEvent.with { ($0.wallTime, $0.fileVersion) = (Self.now, "brain.Event:2") }))
            guard let step, let last = old.last else { return }
            // The newest is whole: it is removed only when its successor is.
            try EventRecord.forEach(in: "\(folder)/\(last)") { event, record in
                if event.step <= step, case .summary = event.what { try writer.write(record) }
            }
        }
        for name in old { unlink("\(folder)/\(name)") }
        guard let file = FileHandle(forWritingAtPath: path) else {
            throw GimbalError.fileSystem(operation: "open", path: path, reason: String(cString: strerror(errno)))
        }
        self.file = file
        _ = try? file.seekToEnd()
    }

    deinit { try? file.close() }

    /// Writes a number.
    /// - Parameters:
    ///   - tag: what it is, such as `loss/validation`.
    ///   - value: of float32's range and precision in the file; may be NaN or infinite.
    ///   - step: after how many optimizer steps.
    /// - Throws: `GimbalError.fileSystem`, such as for a full disk.
    public func scalar(_ tag: String, _ value: Double, step: Int) throws { try scalars([(tag, value)], step: step) }

    /// Writes several numbers of one step.
    /// - Throws: `GimbalError.fileSystem`.
    public func scalars(_ values: [(tag: String, value: Double)], step: Int) throws {
        try write(
            values.map { tag, value in .with { ($0.tag, $0.simpleValue) = (tag, Float(value)) } }, step: step)
    }

    /// Writes how the elements of a tensor are spread, those that are NaN or infinite left out. Waits for the device.
    /// - Throws: `GimbalError.fileSystem`, and what the device reports.
    public func histogram(_ tag: String, _ values: Tensor, step: Int) throws {
        let histogram = Histogram(try values.doubles())
        try write([.with { ($0.tag, $0.histo) = (tag, histogram.message) }], step: step)
    }

    /// Writes an image. Waits for the device.
    /// - Parameters:
    ///   - tag: what it shows.
    ///   - pixels: [height, width], or [channels, height, width] with 1 (grey), 3 (RGB) or 4 (RGBA) channels; whole numbers
    ///     from 0 to 255, or real ones from 0 to 1. What lies beyond is cut, NaN is black.
    ///   - step: after how many optimizer steps.
    /// - Throws: `GimbalError.fileSystem`, and what the device reports.
    public func image(_ tag: String, _ pixels: Tensor, step: Int) throws {
        let sizes = Array(pixels.shape)
        require(
            (sizes.count == 2 || (sizes.count == 3 && [1, 3, 4].contains(sizes[0]))) && pixels.elementCount > 0,
            "EventWriter.image",
            "pixels of \(pixels.shape); they are [height, width] or [channels, height, width] of 1, 3 or 4 channels")
        let scale = pixels.dtype.isFloatingPoint ? 255.0 : 1
        let bytes = try pixels.doubles().map { value -> UInt8 in
            value.isNaN ? 0 : UInt8(min(max((value * scale).rounded(), 0), 255))
        }
        let (height, width) = (sizes[sizes.count - 2], sizes[sizes.count - 1])
        let channels = sizes.count == 3 ? sizes[0] : 1
        // A picture file has the channels of a pixel side by side.
        let interleaved = (0..<height * width).flatMap { place in
            (0..<channels).map { bytes[$0 * height * width + place] }
        }
        let png = try PNG.encoded(interleaved, width: width, height: height, channels: channels)
        let image = TensorBoardSummary.Image.with {
            ($0.height, $0.width, $0.colorspace) = (Int32(height), Int32(width), Int32(channels))
            $0.encodedImageString = Data(png)
        }
        try write([.with { ($0.tag, $0.image) = (tag, image) }], step: step)
    }

    /// Writes a text, which TensorBoard shows as Markdown.
    /// - Throws: `GimbalError.fileSystem`.
    public func text(_ tag: String, _ text: String, step: Int = 0) throws {
        let tensor = TensorBoardTensor.with {
            $0.dtype = .dtString
            $0.tensorShape.dim = [.with { $0.size = 1 }]
            $0.stringVal = [Data(text.utf8)]
        }
        try write(
            [.with { ($0.tag, $0.metadata, $0.tensor) = (tag, Self.metadata(of: "text"), tensor) }], step: step)
    }

    /// Writes what the run was set to, for the table of hyperparameters. TensorBoard puts it beside the last scalars of
    /// the run.
    /// - Throws: `GimbalError.fileSystem`.
    public func hyperparameters(_ values: [String: Hyperparameter]) throws {
        let session = TensorBoardSessionStartInfo.with {
            $0.startTimeSecs = Self.now
            $0.hparams = values.mapValues { value in
                switch value {
                case .number(let number): .with { $0.numberValue = number }
                case .flag(let flag): .with { $0.boolValue = flag }
                case .text(let text): .with { $0.stringValue = text }
                }
            }
        }
        let content: Data = try TensorBoardHParamsPluginData.with { $0.sessionStartInfo = session }.serializedBytes()
        let value = TensorBoardSummary.Value.with {
            ($0.tag, $0.metadata) = ("_hparams_/session_start_info", Self.metadata(of: "hparams", content))
            $0.tensor = .with {
                ($0.dtype, $0.floatVal) = (.dtFloat, [0])
                $0.tensorShape.dim = [.with { $0.size = 1 }]
            }
        }
        try write([value], step: 0)
    }

    // MARK: The file

    private static var now: Double { Date().timeIntervalSince1970 }

    private func write(_ values: [TensorBoardSummary.Value], step: Int) throws {
        let event = TensorBoardEvent.with {
            ($0.wallTime, $0.step) = (Self.now, Int64(step))
            $0.summary.value = values
        }
        var status = stat()
        // The system takes what is written to a file that is in no folder any more, and forgets it.
        guard fstat(file.fileDescriptor, &status) == 0, status.st_nlink > 0 else {
            throw GimbalError.fileSystem(
                operation: "write", path: path, reason: "the file, or its folder, was removed meanwhile")
        }
        do { try file.write(contentsOf: EventRecord.framed(event)) } catch let error as GimbalError {
            throw error
        } catch {
            throw GimbalError.fileSystem(operation: "write", path: path, reason: (error as NSError).reason)
        }
    }

    private static func metadata(of plugin: String, _ content: Data = Data()) -> TensorBoardSummaryMetadata {
        .with { ($0.pluginData.pluginName, $0.pluginData.content) = (plugin, content) }
    }

    private static let (prefix, suffix) = ("events.out.tfevents.", ".gimbal")

    private static func name(seconds: Int) -> String { "\(prefix)\(seconds)\(suffix)" }

    private static func seconds(_ name: String) -> Int? {
        guard name.hasPrefix(prefix), name.hasSuffix(suffix) else { return nil }
        return Int(name.dropFirst(prefix.count).dropLast(suffix.count))
    }

    /// Whether a file of this name is one that an `EventWriter` writes.
    static func isOwn(_ name: String) -> Bool { seconds(name).map { Self.name(seconds: $0) == name } ?? false }

    /// The names of the event files that an `EventWriter` has written to a folder, oldest first.
    /// - Throws: `GimbalError.fileSystem` for a folder that cannot be listed.
    static func files(in folder: String) throws -> [String] {
        try fileNames(in: folder).filter(isOwn)
            .sorted { seconds($0) ?? 0 < seconds($1) ?? 0 }
    }
}
