/// What may stand between the brackets of a tensor: an `Int`, any range of them, `.every(_:from:to:)`, `...`, `.newAxis`,
/// a tensor of int32 indices or a uint8 mask.
public protocol TensorIndex {
    /// What the index does with the next axis.
    var indexStep: TensorIndexStep { get }
}

/// What one index does with the next axis. Negative places count from the axis's end.
public enum TensorIndexStep {
    /// Takes one element; the axis goes.
    case element(Int)
    /// Takes every `step`-th element from `lower` to below `upper`; nil is the axis's end on that side. A negative step
    /// goes backwards, from `lower` to above `upper`.
    case range(lower: Int?, upper: Int?, step: Int)
    /// Takes as many axes as the other indices leave, whole.
    case otherAxes
    /// Adds an axis of size 1.
    case insertedAxis
    /// Takes the elements whose numbers (int32, negative ones counted from the end) or places (uint8, a mask) the tensor
    /// holds.
    case tensor(Tensor)
}

extension TensorIndexStep: TensorIndex {
    public var indexStep: TensorIndexStep { self }
}

extension TensorIndex where Self == TensorIndexStep {
    /// A new axis of size 1.
    public static var newAxis: TensorIndexStep { .insertedAxis }
    /// As many whole axes as the other indices leave; `...` among the first four indices says the same.
    public static var ellipsis: TensorIndexStep { .otherAxes }
    /// Every `step`-th element from `lower` to below `upper`. A negative step goes backwards, from the last element unless
    /// `lower` is given, and to above `upper`.
    public static func every(_ step: Int, from lower: Int? = nil, to upper: Int? = nil) -> TensorIndexStep {
        .range(lower: lower, upper: upper, step: step)
    }
}

extension Int: TensorIndex {
    public var indexStep: TensorIndexStep { .element(self) }
}
extension Range<Int>: TensorIndex {
    public var indexStep: TensorIndexStep { .range(lower: lowerBound, upper: upperBound, step: 1) }
}
extension ClosedRange<Int>: TensorIndex {
    public var indexStep: TensorIndexStep { .range(lower: lowerBound, upper: past(upperBound), step: 1) }
}
extension PartialRangeFrom<Int>: TensorIndex {
    public var indexStep: TensorIndexStep { .range(lower: lowerBound, upper: nil, step: 1) }
}
extension PartialRangeUpTo<Int>: TensorIndex {
    public var indexStep: TensorIndexStep { .range(lower: nil, upper: upperBound, step: 1) }
}
extension PartialRangeThrough<Int>: TensorIndex {
    public var indexStep: TensorIndexStep { .range(lower: nil, upper: past(upperBound), step: 1) }
}
extension Tensor: TensorIndex {
    public var indexStep: TensorIndexStep { .tensor(self) }
}

/// The place behind `last`, nil for the end of the axis.
private func past(_ last: Int) -> Int? { last == -1 ? nil : last + 1 }

/// Indices worked out for a tensor of some shape: a change of its view, and then tensors that choose along axes of it.
struct ResolvedIndices {
    private enum Entry {
        case element(axis: Int, index: Int)
        case span(axis: Int, start: Int, count: Int, step: Int)
        case newAxis
    }
    private var entries: [Entry] = []
    /// Index tensors and masks, each with the first axis of the changed view that it chooses from.
    private(set) var choices: [(axis: Int, tensor: Tensor)] = []
    /// Whether the view stays as it is.
    private(set) var isWhole = true

    init(_ indices: [any TensorIndex], for shape: Shape) {
        let steps = indices.map(\.indexStep)
        let used = steps.reduce(0) { $0 + $1.axisCount }
        require(
            used <= shape.rank && steps.count(where: \.isEllipsis) <= 1, "subscript",
            used > shape.rank ? "\(used) indices for the axes of \(shape)" : "more than one ...")
        var axis = 0
        var outputAxis = 0
        func takeWhole(_ count: Int) {
            for _ in 0..<count {
                entries.append(.span(axis: axis, start: 0, count: shape[axis], step: 1))
                axis += 1
                outputAxis += 1
            }
        }
        for step in steps {
            switch step {
            case .element(let index):
                let size = shape[axis]
                require(
                    index >= -size && index < size, "subscript", "index \(index) exceeds axis \(axis) of \(shape)")
                entries.append(.element(axis: axis, index: index < 0 ? index + size : index))
                axis += 1
                isWhole = false
            case .range(let lower, let upper, let step):
                let (start, count) = resolve(lower, upper, step, axis, shape)
                entries.append(.span(axis: axis, start: start, count: count, step: step))
                if count != shape[axis] || step != 1 { isWhole = false }
                axis += 1
                outputAxis += 1
            case .otherAxes:
                takeWhole(shape.rank - used)
            case .insertedAxis:
                entries.append(.newAxis)
                outputAxis += 1
                isWhole = false
            case .tensor(let tensor):
                choices.append((outputAxis, tensor))
                require(
                    tensor.dtype == .int32 || tensor.dtype == .uint8 && tensor.rank > 0, "subscript",
                    "an index tensor must be int32, or uint8 as a mask, not \(tensor.dtype) \(tensor.shape)")
                if tensor.dtype == .uint8 {
                    require(
                        tensor.shape.sizes == [Int](shape.sizes[axis..<axis + tensor.rank]), "subscript",
                        "a mask of \(tensor.shape) does not fit axes \(axis)... of \(shape)")
                }
                takeWhole(step.axisCount)
            }
        }
        takeWhole(shape.rank - axis)
        require(
            choices.count < 2 || choices.allSatisfy { $0.tensor.dtype == .int32 }, "subscript",
            "a mask stands alone among index tensors; join masks with .&")
    }

    /// What is done to the view, for who watches.
    var parts: [AxisPart] {
        entries.compactMap { entry in
            switch entry {
            case .element(let axis, let index): AxisPart(axis: axis, start: index, count: 1)
            case .span(let axis, let start, let count, let step):
                AxisPart(axis: axis, start: start, count: count, step: step)
            case .newAxis: nil
            }
        }
    }

    /// The elements of `view` that all indices but the tensors choose.
    func callAsFunction(_ view: TensorView) -> TensorView {
        var result = view
        var (sizes, strides): ([Int], [Int]) = ([], [])
        sizes.reserveCapacity(entries.count)
        strides.reserveCapacity(entries.count)
        for entry in entries {
            switch entry {
            case .element(let axis, let index):
                result.offset += index * view.strides[axis]
            case .span(let axis, let start, let count, let step):
                if count > 0 { result.offset += start * view.strides[axis] }
                sizes.append(count)
                strides.append(step * view.strides[axis])
            case .newAxis:
                sizes.append(1)
                strides.append(1)
            }
        }
        result.shape = Shape(sizes)
        result.strides = strides
        return result
    }
}

/// The first element and the number of elements of a range of an axis.
private func resolve(_ lower: Int?, _ upper: Int?, _ step: Int, _ axis: Int, _ shape: Shape) -> (start: Int, count: Int)
{
    let size = shape[axis]
    require(step != 0, "subscript", "a step of 0 leads nowhere")
    func fromStart(_ place: Int) -> Int { place < 0 ? place + size : place }
    let isForward = step > 0
    let start = lower.map(fromStart) ?? (isForward ? 0 : size - 1)
    let end = upper.map(fromStart) ?? (isForward ? size : -1)
    require(
        isForward ? start >= 0 && start <= end && end <= size : start < size && end <= start && end >= -1, "subscript",
        "\(lower.map(String.init) ?? "start") to \(upper.map(String.init) ?? "end") exceeds axis \(axis) of \(shape)")
    return (start, (abs(end - start) + abs(step) - 1) / abs(step))
}

extension TensorIndexStep {
    /// How many axes the index takes up, `...` aside.
    fileprivate var axisCount: Int {
        switch self {
        case .element, .range: 1
        case .tensor(let tensor): tensor.dtype == .uint8 ? tensor.rank : 1
        case .otherAxes, .insertedAxis: 0
        }
    }

    fileprivate var isEllipsis: Bool {
        if case .otherAxes = self { true } else { false }
    }
}
