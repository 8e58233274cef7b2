import Gimbal

/// Inputs of one shape, each with a class or with numbers to be predicted: a `Dataset` in memory, or the part of a table
/// that is read from its file whenever it is needed (`TablePart`).
///
/// A `Recipe` trains on either, and an `Evaluation` measures either:
/// ```swift
/// let data = try Table(path: "trips.csv").data()
/// let recipe = Recipe(model: ModelSettings(for: data.training), training: TrainingSettings())
/// let run = try recipe.makeRun(train: data.training, validation: data.validation)
/// ```
public protocol SupervisedData: Sendable {
    /// What messages and reports call the data.
    var name: String { get }
    /// Number of examples; about as many where `isCountExact` is false.
    var count: Int { get }
    /// Whether `count` is exact, not an estimate.
    var isCountExact: Bool { get }
    /// The shape of one input.
    var inputShape: Shape { get }
    /// What the classes are called; empty where numbers are predicted.
    var classNames: [String] { get }
    /// Numbers that a model has to give for each example: one per class, or one per value; for tokens, at each place one per
    /// token of the vocabulary.
    var outputCount: Int { get }
    /// What is known of inputs that are tokens; nil for other data, as it is unless given.
    var tokens: TokenFacts? { get }

    /// Examples of each class; of data whose count is an estimate, of a sample of it. Empty where numbers are predicted.
    /// - Throws: what reading them throws.
    func classCounts() throws -> [Int]
    /// Some examples in memory: all, or `limit` of them where there are more.
    /// - Throws: what reading them throws.
    func examples(limit: Int) throws -> Dataset
    /// The batches that a training run goes through, in a new random order every epoch.
    /// - Parameters:
    ///   - size: examples in a batch, at least 1.
    ///   - leastSize: a last batch of fewer examples is left out.
    ///   - seed: of the order.
    ///   - augmentation: changes each batch after it was read; nil leaves it as it is.
    func trainingBatches(
        of size: Int, leastSize: Int, seed: UInt64, augmentation: Augmentation?
    ) throws -> any TrainingData<Batch>
    /// Calls `body` with all examples in batches of `size`, in an order that is the same each time. No more of them than
    /// a few batches need be in memory at once.
    /// - Throws: what reading them throws, and what `body` does.
    func forEachBatch(of size: Int, _ body: (HostBatch) throws -> Void) throws
}

/// What is known of data whose inputs are the numbers of tokens.
public struct TokenFacts: Sendable, Equatable {
    /// Characters, Unicode scalars, that the tokens to be predicted spell; nil where that is not asked, or some of them stand
    /// for what has no number, so that a text of other characters has the same tokens.
    public var characterCount: Int?
    /// The token that fills up sequences which are shorter than others; nil where none are.
    public var padding: Int32?

    /// Facts of which those that are not given are not known.
    public init(characterCount: Int? = nil, padding: Int32? = nil) {
        (self.characterCount, self.padding) = (characterCount, padding)
    }
}

/// Up to `limit` of `count` places, in even steps: all where there are no more.
func evenPlaces(_ limit: Int, of count: Int) -> [Int] {
    count <= limit ? Array(0..<count) : (0..<max(limit, 0)).map { $0 * count / limit }
}

extension SupervisedData {
    /// No tokens.
    public var tokens: TokenFacts? { nil }
    /// What a model is to tell of the examples.
    public var task: ModelSettings.Task {
        tokens != nil ? .tokens : classNames.isEmpty ? .regression : .classification
    }
    /// How many classes there are; nil where numbers are predicted.
    public var classCount: Int? { classNames.isEmpty ? nil : classNames.count }
    /// Elements of one input.
    public var featureCount: Int { inputShape.elementCount }

    /// Whether the last batch of `size` is to be left out, as it has fewer than `leastSize` examples and is not the only one.
    func dropsLast(of size: Int, leastSize: Int) -> Bool {
        let rest = count % size
        return rest > 0 && rest < leastSize && count > size
    }
}

extension Dataset: SupervisedData {
    /// Always: all examples are in memory.
    public var isCountExact: Bool { true }

    public var tokens: TokenFacts? {
        if case .tokens = targets { TokenFacts() } else { nil }
    }

    /// Examples of each class.
    public func classCounts() -> [Int] {
        guard case .classes(let classes, let names) = targets else { return [] }
        var counts = [Int](repeating: 0, count: names.count)
        for number in classes { counts[Int(number)] += 1 }
        return counts
    }

    /// The first examples.
    public func examples(limit: Int) -> Dataset { limit < count ? prefix(limit) : self }

    /// Batches of a `DataLoader`.
    public func trainingBatches(
        of size: Int, leastSize: Int, seed: UInt64, augmentation: Augmentation?
    ) -> any TrainingData<Batch> {
        DataLoader(
            self, batchSize: size, dropsLast: dropsLast(of: size, leastSize: leastSize), seed: seed,
            augmentation: augmentation)
    }

    /// The batches of an unshuffled `DataLoader`.
    public func forEachBatch(of size: Int, _ body: (HostBatch) throws -> Void) throws {
        for batch in DataLoader(self, batchSize: size, shuffles: false).batches(epoch: 0) { try body(batch) }
    }
}
