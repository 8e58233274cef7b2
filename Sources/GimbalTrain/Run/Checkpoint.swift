import Foundation

/// What a run must know, beside weights and moments, to go on as if never stopped.
public struct CheckpointManifest: Codable, Sendable, Equatable {
    /// Version of the layout of the checkpoint's files; this version of Gimbal reads 3.
    public var formatVersion = Self.currentFormat
    /// How the run went on when this was saved.
    public var settings: TrainerSettings
    /// How far the run has come.
    public var progress: TrainingProgress
    /// Where the run's stream of random numbers stands.
    public var random: RandomState
    /// Steps taken by each parameter, by phase and name, for the optimizers' bias corrections.
    public var optimizerSteps: [String: [String: Int]] = [:]
    /// The file of each kind of weights that there are, by `WeightChoice`.
    public var weightFiles: [String: String] = [:]

    static let currentFormat = 3

    /// A manifest of this version, to be saved by a `Trainer`.
    init(settings: TrainerSettings, progress: TrainingProgress, random: RandomState) {
        self.settings = settings
        self.progress = progress
        self.random = random
    }
}

extension CheckpointManifest {
    /// Checks what may have come from a file.
    /// - Throws: `GimbalError.invalidSetting` for what no run can have saved.
    func validate() throws {
        try settings.validate()
        let counts = 0...1_000_000_000_000
        func check(_ name: String, _ values: [Int]) throws {
            guard let value = values.first(where: { !counts.contains($0) }) else { return }
            throw GimbalError.invalidSetting(name: name, reason: "must lie in 0...1000000000000, not \(value)")
        }
        try check("optimizerSteps", optimizerSteps.values.flatMap(\.values))
        try check("progress", [progress.epoch, progress.batch, progress.step, progress.averageUpdates ?? 0])
        try check("progress.history", progress.history.flatMap { [$0.epoch, $0.step, $0.leftOutBatches] })
        try check("progress.discountedSteps", [Int](progress.discountedSteps.values))
        for loss in progress.losses.values {
            try checkSetting(
                (0...1e15).contains(loss.count) && counts.contains(loss.leftOut) && loss.leftOut <= progress.batch,
                "progress.losses", "the loss of \(loss.count) samples without \(loss.leftOut) batches")
        }
        for file in weightFiles.values {
            try checkSetting(
                !file.isEmpty && !file.hasPrefix(".") && !file.contains("/"), "weightFiles",
                "'\(shown(file))' is no file of a checkpoint")
        }
    }

    /// JSON has no infinities; the order of a norm may be one, and the loss on validation data.
    package static var encoder: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        return encoder
    }

    package static var decoder: JSONDecoder {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        return decoder
    }
}

/// A saved state of a run: a folder with the chosen weights in `model.safetensors`, other kinds of weights that differ from
/// them in files of their own, `optimizer.safetensors`, `manifest.json`, where a run keeps norms or a loss scale
/// `extras.safetensors`, and the checksums of all of them in `checksums.sfv`, by which each is checked before it is used.
///
/// A checkpoint is written beside its place, synced to disk and renamed, so that it is there whole or not at all.
public struct Checkpoint: Sendable {
    /// The checkpoint's folder.
    public let path: String
    /// What was read from `manifest.json`.
    public let manifest: CheckpointManifest

    /// Opens a checkpoint and reads its manifest; `restore(model:weights:)` reads the tensors.
    /// - Throws: `GimbalError.fileSystem` for a folder that is not there, `GimbalError.invalidFile` for one that is no
    ///   checkpoint.
    public init(path: String) throws {
        self.path = path
        guard try isThere(path) else {
            throw GimbalError.fileSystem(operation: "open", path: path, reason: "no such checkpoint")
        }
        guard try Self.exists(at: path) else {
            throw GimbalError.invalidFile(path: path, reason: "is not a checkpoint: it has no \(Self.manifestFile)")
        }
        let file = Self.manifestPath(in: path)
        manifest = try decoded(file, format: CheckpointManifest.currentFormat) { (manifest: CheckpointManifest) in
            try manifest.validate()
            try Checksums.requireIntact(Self.manifestFile, in: path)
        }
    }

    private static let manifestFile = "manifest.json"
    private static let optimizerFile = "optimizer.safetensors"
    private static let extrasFile = "extras.safetensors"
    private var hasExtras: Bool { get throws { try isThere("\(path)/\(Self.extrasFile)") } }
    private static func manifestPath(in folder: String) -> String { "\(folder)/\(manifestFile)" }

    /// Whether the folder at `path` is a checkpoint.
    /// - Throws: `GimbalError.fileSystem` where the system does not tell.
    package static func exists(at path: String) throws -> Bool { try isThere(manifestPath(in: path)) }

    /// A file in the folder of a checkpoint that no save has made; nil where there is none.
    /// - Throws: `GimbalError.fileSystem` where the system does not tell.
    static func foreignFile(in folder: String) throws -> String? {
        let always: Set = [
            manifestFile, optimizerFile, extrasFile, ModelWeights.modelFile, RunRecord.fileName, Checksums.fileName,
        ]
        let saved = try Checksums.names(in: folder)
        return try fileNames(in: folder).sorted().first { name in
            // Without checksums an older version has saved it, and nobody has written down what.
            !always.contains(name) && !(saved?.contains(name) ?? name.hasSuffix(".safetensors"))
        }
    }

    /// Loads weights into `model`: those that the run chose, or `weights`.
    /// - Throws: `GimbalError.weightMismatch` where they are another model's, `GimbalError.invalidSetting` for a choice that
    ///   the run kept none of, `GimbalError.invalidFile`, `GimbalError.fileSystem`.
    public func restore(model: Module, weights: WeightChoice? = nil) throws {
        try model.load(from: try weights.map(chosenPath) ?? intactPath(ModelWeights.modelFile))
    }

    /// The path of a file of the checkpoint, which holds what was saved.
    /// - Throws: `GimbalError.invalidFile`, `GimbalError.fileSystem`.
    func intactPath(_ file: String) throws -> String {
        let place = "\(path)/\(file)"
        do { try Checksums.requireIntact(file, in: path) } catch {
            // What is wrong with the form of a file says more than that its bytes have changed.
            if file.hasSuffix(".safetensors") { _ = try SafeTensors(path: place) }
            throw error
        }
        return place
    }

    /// The path of a text that the trainer was given to be saved along; nil where there is none of this name.
    /// - Throws: `GimbalError.fileSystem` where the system does not tell.
    public func attachment(_ name: String) throws -> String? {
        let path = "\(path)/\(name)"
        return try isThere(path) ? path : nil
    }

    /// By the rule of `WeightChoice`, but an average that was not kept is not made up for.
    private func chosenPath(_ choice: WeightChoice) throws -> String {
        guard choice != .averaged || manifest.weightFiles[choice.rawValue] != nil else {
            throw GimbalError.invalidSetting(
                name: "weights",
                reason: "the run of \(path) kept no average; there are "
                    + manifest.weightFiles.keys.sorted().joined(separator: ", "))
        }
        return try weightsPath(manifest.chosenWeights(choice).kind)
    }

    /// Where the weights of this kind are.
    func weightsPath(_ kind: WeightChoice) throws -> String {
        guard let file = manifest.weightFiles[kind.rawValue] else {
            throw GimbalError.invalidFile(
                path: Self.manifestPath(in: path), reason: "names no file of the \(kind) weights")
        }
        return try intactPath(file)
    }

    /// Makes sure that the files that a run goes on from are there and whole.
    /// - Throws: `GimbalError.invalidFile`, `GimbalError.fileSystem`.
    package func requireFiles() throws {
        for file in try Set(manifest.weightFiles.values).sorted() + [ModelWeights.modelFile, Self.optimizerFile]
            + (hasExtras ? [Self.extrasFile] : [])
        {
            _ = try SafeTensors(path: intactPath(file))
        }
    }

    /// Loads the moments of each phase's optimizer.
    func restore(optimizers: [(phase: String, optimizer: any Optimizer)]) throws {
        let names = optimizers.map(\.phase)
        guard Set(names) == Set(manifest.optimizerSteps.keys) else {
            throw GimbalError.invalidFile(
                path: path,
                reason: "was saved by a training of the phases "
                    + "\(manifest.optimizerSteps.keys.sorted().joined(separator: ", ")), not of "
                    + names.joined(separator: ", "))
        }
        let file = try SafeTensors(path: intactPath(Self.optimizerFile))
        for (phase, optimizer) in optimizers {
            let device = optimizer.parameters.first?.device ?? .current
            let model = Tensor.zeros([], device: device)
            let prefix = phase + "/"
            let tensors = try file.entries.filter { $0.name.hasPrefix(prefix) }.map {
                (name: String($0.name.dropFirst(prefix.count)), value: try file.tensor($0, like: model))
            }
            try optimizer.restore(
                OptimizerState(tensors: tensors, steps: manifest.optimizerSteps[phase] ?? [:]), readFrom: file.path)
        }
    }

    /// The tensors saved beside weights and moments; none where there were none.
    func extras(device: Device) throws -> [(name: String, value: Tensor)] {
        guard try hasExtras else { return [] }
        let file = try SafeTensors(path: intactPath(Self.extrasFile))
        let model = Tensor.zeros([], device: device)
        return try file.entries.map { ($0.name, try file.tensor($0, like: model)) }
    }

    /// Writes a checkpoint to `path`, in place of one that is there.
    /// - Throws: `GimbalError.fileSystem`, such as for a full disk; what was saved before is then untouched.
    static func save(
        _ manifest: CheckpointManifest, weights: ModelWeights, optimizers: [(phase: String, optimizer: any Optimizer)],
        extras: [(name: String, value: Tensor)], attachments: [String: String], to path: String
    ) throws {
        var manifest = manifest
        var moments: [SafeTensors.Item] = []
        for (phase, optimizer) in optimizers {
            let state = optimizer.state
            manifest.optimizerSteps[phase] = state.steps
            moments += state.tensors.map { SafeTensors.Item(name: "\(phase)/\($0.name)", $0.value) }
        }
        try AtomicFile.writeFolder(at: path) { folder in
            let files = try weights.save(to: folder, choice: manifest.settings.weights, step: manifest.progress.step)
            manifest.weightFiles = Dictionary(uniqueKeysWithValues: files.map { ($0.key.rawValue, $0.value) })
            try SafeTensors.write(moments, to: "\(folder)/\(Self.optimizerFile)")
            if !extras.isEmpty {
                try SafeTensors.write(
                    extras.map { SafeTensors.Item(name: $0.name, $0.value) }, to: "\(folder)/\(Self.extrasFile)")
            }
            for (name, text) in attachments { try AtomicFile.write(text, to: "\(folder)/\(name)") }
            let text = String(decoding: try CheckpointManifest.encoder.encode(manifest), as: UTF8.self)
            try AtomicFile.write(text + "\n", to: Self.manifestPath(in: folder))
            try Checksums.write(in: folder)
        }
    }
}

/// What is said of a file that this version of Gimbal is too old to read.
let newerFormat = "was written by a newer Gimbal"

/// What is known of a file of any version.
private struct FormatVersion: Decodable { var formatVersion: Int }

/// The value in the file at `path`, JSON that tells the version of its layout, as `check` lets it pass.
/// - Parameter format: the version that is read.
/// - Throws: `GimbalError.invalidFile`, `GimbalError.fileSystem`.
func decoded<Value: Decodable>(
    _ path: String, format: Int, check: (Value) throws -> Void = { _ in }
) throws -> Value {
    // A checkpoint after a hundred thousand epochs has 40 MB.
    let data = try contents(of: path, limit: min(256 << 20, HostMemory.mostReadBytes))
    let decoder = CheckpointManifest.decoder
    let version = try decoding(path) { try decoder.decode(FormatVersion.self, from: data).formatVersion }
    guard version == format else {
        throw GimbalError.invalidFile(
            path: path,
            reason: version > format
                ? "\(newerFormat): it has format version \(version), and this one reads \(format)"
                : "has format version \(version); this version of Gimbal reads \(format)")
    }
    return try decoding(path) {
        let value = try decoder.decode(Value.self, from: data)
        try check(value)
        return value
    }
}

/// Runs `body`, which decodes the file at `path`, and says in a few words what is wrong with it: the decoder quotes a name or a
/// value of the file whole, however long it is.
/// - Throws: `GimbalError.invalidFile`.
package func decoding<Value>(_ path: String, _ body: () throws -> Value) throws -> Value {
    do { return try body() } catch {
        let reason =
            switch error {
            case DecodingError.keyNotFound(let key, _): "'\(key.stringValue)' is missing"
            case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
                "'\(shown(context.codingPath.map(\.stringValue).joined(separator: "."), limit: 200))' has another type"
            case DecodingError.dataCorrupted(let context):
                context.codingPath.isEmpty ? "it is no JSON, or damaged" : shown(context.debugDescription, limit: 300)
            default: "\(error)"
            }
        throw GimbalError.invalidFile(path: path, reason: "is not what a run saves there: \(reason)")
    }
}
