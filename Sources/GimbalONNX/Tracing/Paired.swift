import Gimbal

/// The same tensor of two traces, at the smaller and the larger batch size.
struct Paired {
    let small: Tensor
    let large: Tensor

    var dtype: DType { small.dtype }
    var rank: Int { small.rank }
    var sizes: [Size] { zip(small.shape.sizes, large.shape.sizes).map { Size($0, $1) } }
}

/// A number that was seen at both batch sizes, such as the size of an axis.
struct Size: Equatable {
    let small: Int
    let large: Int

    init(_ small: Int, _ large: Int) { (self.small, self.large) = (small, large) }
    init(_ fixed: Int) { self.init(fixed, fixed) }

    /// The number, if it is the same whatever the batch size.
    var fixed: Int? { small == large ? small : nil }

    /// How many times the batch size it is; nil where it is no multiple.
    func multiple(of batch: Size) -> Int? {
        guard fixed == nil, small % batch.small == 0, small / batch.small * batch.large == large else { return nil }
        return small / batch.small
    }
}

/// One operation of two traces.
struct PairedStep {
    let small: Trace.Step
    let large: Trace.Step
    var operands: [Paired] { zip(small.operands, large.operands).map { Paired(small: $0, large: $1) } }
    var outputs: [Paired] { zip(small.outputs, large.outputs).map { Paired(small: $0, large: $1) } }
    var place: String { small.place }

    /// What is thrown where the operation cannot be written in ONNX.
    func refused(_ reason: String) -> GimbalError {
        .invalidSetting(name: "model", reason: "\(place) has no counterpart in ONNX: \(reason)")
    }
}

/// Two traces of one model, at two batch sizes and with other numbers. What differs follows the batch size; tensors that
/// no operation computed must not.
struct PairedTrace {
    let inputs: [Paired]
    let outputs: [Paired]
    let steps: [PairedStep]

    /// - Throws: `GimbalError.invalidSetting` where the two did not compute the same operations.
    init(_ small: Trace, _ large: Trace) throws {
        for (first, second) in zip(small.steps, large.steps) {
            guard first.name == second.name, first.layer == second.layer, first.reads.count == second.reads.count,
                first.outputs.count == second.outputs.count
            else { throw Self.differing("\(first.place) at one input is \(second.place) at another") }
        }
        guard small.steps.count == large.steps.count, small.outputs.count == large.outputs.count else {
            let longer = small.steps.count > large.steps.count ? small : large
            let place = longer.steps.dropFirst(min(small.steps.count, large.steps.count)).first?.place
            throw Self.differing("\(place ?? "an output") is there at one input, and not at another")
        }
        inputs = zip(small.inputs, large.inputs).map { Paired(small: $0, large: $1) }
        outputs = zip(small.outputs, large.outputs).map { Paired(small: $0, large: $1) }
        steps = zip(small.steps, large.steps).map { PairedStep(small: $0, large: $1) }
        for pair in inputs + outputs + steps.flatMap({ $0.operands + $0.outputs })
        where pair.small.rank != pair.large.rank || pair.small.dtype != pair.large.dtype {
            throw Self.differing("\(pair.small.shape) at one input is \(pair.large.shape) at another")
        }
    }

    private static func differing(_ what: String) -> GimbalError {
        .invalidSetting(
            name: "model",
            reason: "what it computes depends on the size or the numbers of its input, which a graph cannot: \(what)")
    }
}
