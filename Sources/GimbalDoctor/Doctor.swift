/// Says why a run goes wrong, or would: from one batch, before it is trained.
///
/// ```swift
/// let diagnosis = try Doctor().examine(model, on: batch, optimizer: optimizer) { batch in
///     crossEntropy(model(batch.inputs), batch.targets)
/// }
/// print(diagnosis)
/// ```
/// A diagnosis lists causes, the first in the chain of effects first, each with the layers it lies in, what shows it and
/// what helps; the signs that a cause explains are listed under it.
public struct Doctor: Sendable {
    /// From where on something counts as a sign or a cause.
    public var thresholds: Thresholds
    /// What is looked for, in the order in which causes work.
    public var rules: [Rule]

    /// A doctor who knows all that Gimbal knows, unless told otherwise.
    public init(thresholds: Thresholds = Thresholds(), rules: [Rule] = Rule.standard) {
        self.thresholds = thresholds
        self.rules = rules
    }

    /// Looks at one pass of `loss` over `batch`, forward and backward, and at the first steps of `optimizer`. The model, the
    /// optimizer and random numbers are afterwards what they were.
    /// - Parameters:
    ///   - model: what is looked at, in the mode that it is in.
    ///   - batch: what `loss` is called with. Its tensors that are no inputs of the model are taken for targets.
    ///   - optimizer: what the model is to be trained by; without one, nothing is said of rates.
    ///   - steps: how many steps the training is to have; nil where that is not known.
    ///   - loss: the mean loss of a batch, as in training.
    /// - Throws: the first failure of the device; what `loss` throws.
    public func examine<Batch>(
        _ model: Module, on batch: Batch, optimizer: (any Optimizer)? = nil, steps: Int? = nil,
        loss: (Batch) throws -> Tensor
    ) throws -> Diagnosis {
        diagnose(try Examination(of: model, on: batch, optimizer: optimizer, steps: steps, loss: loss))
    }

    /// Says what an examination means.
    public func diagnose(_ examination: Examination) -> Diagnosis {
        Diagnosis(examination, thresholds: thresholds, rules: rules)
    }
}
