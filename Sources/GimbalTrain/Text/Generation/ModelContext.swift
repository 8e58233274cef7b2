import Gimbal
import GimbalNN

/// A model and what it keeps of sequences that grow by a token at a time.
struct ModelContext<Model: AutoregressiveModel> {
    private let model: Model
    private let device: Device
    private var state: Model.State
    /// Where the part of the sequences begins that the model sees.
    private var start = 0

    /// - Throws: `GimbalError.invalidSetting` for a prompt without tokens, or with one that the model does not know.
    init(_ model: Model, prompt: [Int32]) throws {
        guard !prompt.isEmpty else {
            throw GimbalError.invalidSetting(
                name: "prompt", reason: "empty, where a model goes on from one token or more")
        }
        if let other = prompt.first(where: { !(0..<model.vocabulary).contains(Int($0)) }) {
            throw GimbalError.invalidSetting(
                name: "prompt", reason: "the token \(other), where the model has \(model.vocabulary)")
        }
        self.model = model
        device = model.parameters.first?.device ?? .current
        state = model.makeState(batch: 1)
    }

    /// Where the part that a model sees of `count` tokens begins.
    static func start(of count: Int, maximumLength: Int?) -> Int {
        guard let maximumLength, count > maximumLength else { return 0 }
        let half = max(maximumLength / 2, 1)
        return (count - maximumLength + half - 1) / half * half
    }

    /// The logits of the token after each sequence.
    /// - Parameter sequences: of the same length, and beginning as at the last call, after which some have come.
    /// - Throws: `GimbalError.nonFinite` where one is NaN or infinite, and what the device throws.
    mutating func nextLogits(_ sequences: [[Int32]]) throws -> [[Float]] {
        let count = sequences[0].count
        let start = Self.start(of: count, maximumLength: model.maximumLength)
        if start != self.start {
            self.start = start
            state = model.makeState(batch: sequences.count)
        }
        let new = sequences.flatMap { $0[(start + state.length)...] }
        let logits = try model.evaluating {
            try withoutGradients {
                try model.nextLogits(
                    Tensor(new, [sequences.count, new.count / sequences.count], device: device), &state
                )
                .cast(to: .float32).floats()
            }
        }
        if let place = logits.firstIndex(where: { $0.isNaN || $0 == .infinity }) {
            throw GimbalError.nonFinite(
                quantity: "the logit of token \(place % model.vocabulary)", value: Double(logits[place]),
                place: "place \(count) of the sequence that is written: the model's weights may not be finite")
        }
        return (0..<sequences.count).map { Array(logits[$0 * model.vocabulary..<($0 + 1) * model.vocabulary]) }
    }

    /// Goes on with other sequences in the place of those that there are: for each, the one that it begins as.
    mutating func select(_ rows: [Int]) { state.select(rows) }
}
