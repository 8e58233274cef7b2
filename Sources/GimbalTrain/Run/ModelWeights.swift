import Foundation

/// Which weights a run ends with, saves as its model's, and is evaluated with.
public enum WeightChoice: String, Codable, Sendable, CaseIterable {
    /// Those of the epoch that did best on the validation data; where none was measured, as `averaged`.
    case best
    /// The moving average, where one is kept; else as `last`.
    case averaged
    /// Those that training left off with.
    case last
}

/// The weights of a run: those that are trained, their moving average where one is kept, and the best that were measured.
///
/// One rule for all of them. The *tested* weights are the average where one is kept, else the live ones. They are
/// measured at the end of each epoch, and copied where they are the best so far. The *chosen* weights are what a run
/// ends with: see `WeightChoice`.
///
/// ```swift
/// let weights = ModelWeights(model)
/// for epoch in 0..<10 {
///     // … the epoch's steps …
///     let loss = try Evaluation(of: model, on: test).loss
///     weights.keepIfBest(loss, epoch: epoch)
/// }
/// try weights.choose(.best)  // the model now holds the best weights
/// ```
public final class ModelWeights {
    /// Where a value of the monitored figure was the best so far.
    public struct Best: Codable, Sendable, Equatable {
        /// The epoch, counted from 1.
        public var epoch: Int
        /// Optimizer steps taken until then.
        public var step: Int
        /// The value.
        public var value: Double
    }

    /// The model whose weights these are.
    public let model: Module
    /// The moving average, which a trainer updates after each step; nil where none is kept.
    public let average: ExponentialMovingAverage?
    /// Whether small or large values are good.
    public let mode: MetricMode
    /// Where the best weights were found; nil before the first.
    public private(set) var best: Best?
    private var bestState: StateDictionary?
    /// The live weights, while the model holds the chosen ones.
    private var liveState: StateDictionary?

    /// - Parameters:
    ///   - model: whose weights are kept; the same modules for as long as this lives.
    ///   - averageDecay: decay of a moving average of the weights, in [0, 1); nil keeps none.
    ///   - mode: whether small or large values of what `keepIfBest` is told are good.
    public init(_ model: Module, averageDecay: Double? = nil, mode: MetricMode = .minimum) {
        self.model = model
        self.mode = mode
        average = averageDecay.map { ExponentialMovingAverage(model, decay: $0, warmsUp: true) }
    }

    /// Runs `body` with the tested weights in the model: the average where one is kept, else the live ones.
    /// - Throws: what `body` throws, and what the device reports.
    public func whileTested<Result>(_ body: () throws -> Result) throws -> Result {
        guard let average, average.updates > 0 else { return try body() }
        return try average.whileSwappedIn(body)
    }

    /// Copies the weights that the model holds where `value` is better than all before; NaN and nil are not.
    /// - Parameters:
    ///   - value: of the monitored figure; nil where it was not measured.
    ///   - epoch: counted from 1.
    ///   - step: optimizer steps taken.
    /// - Returns: whether it was.
    @discardableResult
    public func keepIfBest(_ value: Double?, epoch: Int, step: Int = 0) -> Bool {
        guard let value, mode.isBetter(value, than: best?.value) else { return false }
        best = Best(epoch: epoch, step: step, value: value)
        bestState = model.stateDictionary()
        return true
    }

    /// Puts the chosen weights into the model. The live ones are kept aside, for `resumeLive()`.
    /// - Throws: what the device reports.
    public func choose(_ choice: WeightChoice) throws {
        try resumeLive()
        switch kind(for: choice) {
        case .last: break
        case .averaged:
            liveState = model.stateDictionary()
            try average?.assign()
        case .best:
            liveState = model.stateDictionary()
            if let bestState { try model.load(bestState) }
        }
    }

    /// Puts the live weights back into the model, where they were set aside.
    /// - Throws: what the device reports.
    public func resumeLive() throws {
        guard let liveState else { return }
        try model.load(liveState)
        self.liveState = nil
    }

    /// What `choice` comes to with what there is.
    public func kind(for choice: WeightChoice) -> WeightChoice {
        switch choice {
        case .best where bestState != nil: .best
        case .best, .averaged: (average?.updates ?? 0) > 0 ? .averaged : .last
        case .last: .last
        }
    }

    // MARK: Files

    /// Writes the weights into the folder of a checkpoint: the chosen ones as `model.safetensors`, and each other kind that
    /// differs from all before to a file of its name. The model must hold the live weights.
    /// - Parameters:
    ///   - folder: of the checkpoint.
    ///   - choice: what `model.safetensors` is to hold.
    ///   - step: optimizer steps taken.
    /// - Returns: the name of the file of each kind.
    func save(to folder: String, choice: WeightChoice, step: Int) throws -> [WeightChoice: String] {
        let isAveraged = (average?.updates ?? 0) > 0
        let chosen = kind(for: choice)
        // What was measured at this very step is the same as what was copied.
        let testedIsBest = bestState != nil && best?.step == step
        func isSame(_ first: WeightChoice, _ second: WeightChoice) -> Bool {
            let tested: WeightChoice = isAveraged ? .averaged : .last
            return first == second || (testedIsBest && Set([first, second]) == [.best, tested])
        }
        var kinds: [WeightChoice] = [.last]
        if isAveraged { kinds.append(.averaged) }
        if bestState != nil { kinds.append(.best) }
        var files = [chosen: Self.modelFile]
        for kind in [chosen] + kinds.filter({ $0 != chosen }) {
            if let same = kinds.first(where: { files[$0] != nil && $0 != kind && isSame($0, kind) }) {
                files[kind] = files[same]
                continue
            }
            files[kind] = files[kind] ?? "\(kind.rawValue).safetensors"
            let path = "\(folder)/\(files[kind]!)"
            switch kind {
            case .last: try model.save(to: path)
            case .averaged: try whileTested { try model.save(to: path) }
            case .best: try bestState?.save(to: path)
            }
        }
        return files
    }

    /// The name of the file that holds the chosen weights.
    static let modelFile = "model.safetensors"

    /// The file of the chosen weights in the folder of a checkpoint, or in the newest checkpoint of a run; nil for a folder
    /// that is neither.
    /// - Throws: `GimbalError.fileSystem` where the system does not tell.
    package static func file(in folder: String) throws -> String? {
        let path = "\(try RunFolder.newestCheckpoint(at: folder))/\(modelFile)"
        return try isThere(path) ? path : nil
    }

    /// As `file(in:)`, after a look at its bytes: where those of the newest checkpoint are not what was saved, the file of
    /// the one before it, with a warning.
    /// - Throws: `GimbalError.invalidFile`, `GimbalError.fileSystem`.
    package static func intactFile(in folder: String) throws -> String? {
        guard try file(in: folder) != nil else { return nil }
        return try RunFolder.withNewestCheckpoint(at: folder) { checkpoint in
            try Checksums.requireIntact(modelFile, in: checkpoint)
            return "\(checkpoint)/\(modelFile)"
        }
    }

    /// Takes up what a checkpoint holds; the model has the live weights afterwards.
    /// - Throws: `GimbalError.weightMismatch`, `GimbalError.invalidFile`, `GimbalError.fileSystem`.
    func restore(from checkpoint: Checkpoint, averageUpdates: Int?, best: Best?) throws {
        liveState = nil
        func load(_ kind: WeightChoice) throws { try model.load(from: try checkpoint.weightsPath(kind)) }
        if let average {
            // The average's own names are those in the largest model; the file's, those in this one.
            var tensors: [(name: String, value: Tensor)] = average.state.tensors
            if let averageUpdates, averageUpdates > 0 {
                try load(.averaged)
                let held = model.parameters.map { $0.value.detached() } + Self.averagedBuffers(of: model).map(\.value)
                tensors = zip(tensors, held).map { ($0.name, $1.copy()) }
            }
            try average.restore(OptimizerState(tensors: tensors, steps: ["updates": averageUpdates ?? 0]))
        }
        self.best = best
        bestState = nil
        if best != nil {
            try load(.best)
            bestState = model.stateDictionary()
        }
        try load(.last)
    }

    /// The buffers that a moving average of `model` takes in.
    static func averagedBuffers(of model: Module) -> [(name: String, value: Tensor)] {
        model.stateParts.compactMap { path, part in
            guard case .buffer(_, let buffer) = part, buffer.value.dtype.isFloatingPoint else { return nil }
            return (path, buffer.value)
        }
    }
}

extension ExponentialMovingAverage {
    /// An average of all parameters and all buffers of real numbers of a model.
    public convenience init(_ model: Module, decay: Double = 0.999, warmsUp: Bool = false) {
        self.init(
            model.parameters, buffers: ModelWeights.averagedBuffers(of: model), decay: decay, warmsUp: warmsUp)
    }
}

extension StateDictionary {
    /// Writes the state as `Module.save(to:)` writes that of a model.
    fileprivate func save(to path: String) throws {
        try SafeTensors.write(
            names.map { name in
                if let tensor = self[name] { return SafeTensors.Item(name: name, tensor) }
                return SafeTensors.Item(name: name, counter: self[counter: name] ?? 0)
            }, to: path)
    }
}
