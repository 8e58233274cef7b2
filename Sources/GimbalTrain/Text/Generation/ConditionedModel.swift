import Gimbal
import GimbalNN

/// A model that makes a sequence of another, with one source: an autoregressive model of its target, for `TokenGenerator`.
///
/// ```swift
/// let model = RecurrentSequenceToSequence(sourceVocabulary: 4000, targetVocabulary: 4000, size: 256, layers: 1)
/// let writer = try TokenGenerator(
///     ConditionedModel(model, source: [5, 7, 3]), prompt: [1], sampling: Sampling(temperature: 0.7), maximumCount: 60,
///     stopTokens: [2])
/// ```
/// A prompt begins with the token that begins targets; more tokens of a target may follow. Its parts are those of the model,
/// whose parameters keep their names.
public final class ConditionedModel<Model: SequenceToSequenceModel>: Module, AutoregressiveModel {
    private let model: Model
    /// int32 [1, S].
    private let source: Tensor

    /// A model that writes the target of `source`, which may be empty.
    /// - Throws: `GimbalError.invalidSetting` for a source that is longer than the model can look at, or with a token that
    ///   it does not know, or that is its padding.
    public init(_ model: Model, source: [Int32]) throws {
        try model.check([source])
        self.model = model
        self.source = model.padded([source])
    }

    public override var parts: [ModulePart] { model.parts }
    public var vocabulary: Int { model.targetVocabulary }
    public var maximumLength: Int? { model.maximumLength }

    public func makeState(batch: Int) -> Model.State {
        var state = model.evaluating { withoutGradients { model.makeState(source: source) } }
        if batch != 1 { state.select([Int](repeating: 0, count: batch)) }
        return state
    }

    public func nextLogits(_ tokens: Tensor, _ state: inout Model.State) -> Tensor {
        model.evaluating { model.nextLogits(tokens, &state) }
    }
}

extension SequenceToSequenceModel {
    /// Where its parameters are.
    var device: Device { parameters.first?.device ?? .current }

    /// The sources side by side, int32 [sources, S], shorter ones filled up.
    func padded(_ sources: [[Int32]]) -> Tensor {
        let width = max(sources.map(\.count).max() ?? 0, 1)
        return Tensor(
            sources.flatMap { $0 + [Int32](repeating: padding, count: width - $0.count) }, [sources.count, width],
            device: device)
    }

    /// - Throws: `GimbalError.invalidSetting` for a token to begin with that the model does not know.
    func check(begin: Int32) throws {
        guard (0..<targetVocabulary).contains(Int(begin)) else {
            throw GimbalError.invalidSetting(
                name: "begin", reason: "the token \(begin), where the model has \(targetVocabulary)")
        }
    }

    /// - Throws: `GimbalError.invalidSetting` for sources that the model cannot read.
    func check(_ sources: [[Int32]]) throws {
        for (number, source) in sources.enumerated() {
            let name = sources.count == 1 ? "source" : "source \(number)"
            if let maximumLength, source.count > maximumLength {
                throw GimbalError.invalidSetting(
                    name: name,
                    reason: "\(source.count) tokens, where the model looks at \(maximumLength) at most")
            }
            for (place, token) in source.enumerated() {
                guard (0..<sourceVocabulary).contains(Int(token)) else {
                    throw GimbalError.invalidSetting(
                        name: name, reason: "the token \(token), where the model has \(sourceVocabulary)")
                }
                guard token != padding else {
                    throw GimbalError.invalidSetting(
                        name: name, reason: "the token \(token) at place \(place), which is padding to the model")
                }
            }
        }
    }
}
