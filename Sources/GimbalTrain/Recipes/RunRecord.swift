import Foundation
import Gimbal

/// What a run of a recipe is: written to `run.json` in its folder when it begins, and saved in each of its checkpoints.
///
/// Whatever goes on with a run, judges it, predicts with it or reports on it needs nothing else to know what the model is,
/// how its data becomes numbers, and which of it was held back.
public struct RunRecord: Codable, Sendable, Equatable {
    /// A time at which a run began, or was gone on with.
    public struct Start: Codable, Sendable, Equatable {
        /// When.
        public var date: Date
        /// The version of Gimbal.
        public var version: String
        /// The command line.
        public var command: [String]
        /// The device, such as `opencl:0`.
        public var device: String
        /// What the device is called.
        public var deviceName: String

        /// Now, on a device.
        /// - Parameters:
        ///   - device: where the run trains.
        ///   - command: the command line; that of the process unless given.
        public init(on device: Device, command: [String] = CommandLine.arguments) {
            // Whole seconds: what is read is what was written.
            date = Date(timeIntervalSince1970: Date().timeIntervalSince1970.rounded(.down))
            version = gimbalVersion
            self.command = command
            (self.device, deviceName) = (device.id, device.description.name)
        }
    }

    /// Version of the layout of `run.json`; this version of Gimbal reads 1.
    public private(set) var formatVersion = Self.currentFormat
    /// The model, how it is trained, and the data.
    public var recipe: Recipe
    /// When the run began, and each time that it was gone on with.
    public var starts: [Start]

    static let currentFormat = 1
    /// The name of the file.
    static let fileName = "run.json"

    /// A record of a run that begins.
    public init(_ recipe: Recipe, starts: [Start]) {
        self.recipe = recipe
        self.starts = starts
    }

    /// The record of the run that saved a checkpoint.
    /// - Throws: `GimbalError.invalidFile` where it was no run of a recipe, or the file is damaged.
    public init(of checkpoint: Checkpoint) throws {
        guard let path = try checkpoint.attachment(Self.fileName) else {
            throw GimbalError.invalidFile(
                path: checkpoint.path,
                reason: "has no \(Self.fileName): it was saved by a program of its own, which alone knows its model")
        }
        try self.init(file: path)
        _ = try checkpoint.intactPath(Self.fileName)
    }

    /// The record in the folder of a run, or in one of its checkpoints. Of a folder it is that of the newest checkpoint,
    /// or, before there is one, what was written when the run began.
    /// - Throws: `GimbalError.fileSystem` for a folder that is not there, `GimbalError.invalidFile` for one that no run
    ///   of a recipe has made.
    public init(path: String) throws {
        self = try RunFolder.withNewestCheckpoint(at: path) { newest in
            try newest == path && Self.exists(in: path)
                ? try RunRecord(file: "\(path)/\(Self.fileName)") : try RunRecord(of: Checkpoint(path: newest))
        }
    }

    /// Whether a run has written its record to this folder.
    /// - Throws: `GimbalError.fileSystem` where the system does not tell.
    public static func exists(in folder: String) throws -> Bool { try isThere("\(folder)/\(fileName)") }

    private init(file path: String) throws {
        self = try decoded(path, format: Self.currentFormat) { (record: RunRecord) in
            try record.recipe.validate()
        }
    }

    /// As `run.json` has it.
    func json() throws -> String {
        String(decoding: try CheckpointManifest.encoder.encode(self), as: UTF8.self) + "\n"
    }
}
