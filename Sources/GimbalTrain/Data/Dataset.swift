import Gimbal

/// Examples in the memory of the host: inputs of one shape, and for each a class or numbers to predict.
///
/// ```swift
/// let (train, test) = Dataset.digits().split(trainFraction: 0.8, seed: 0)
/// for batch in DataLoader(train, batchSize: 64).batches(epoch: 0) { print(batch.count) }
/// ```
public struct Dataset: Sendable {
    /// All inputs, one after another, row-major.
    public enum Inputs: Sendable {
        /// Bytes as images have them; each stands for byte / divisor. Takes a quarter of the memory of floats.
        case bytes([UInt8], divisor: Float)
        /// The numbers themselves.
        case floats([Float])
        /// The numbers of tokens, which a model looks up and does not compute with.
        case tokens([Int32])

        var elementCount: Int {
            switch self {
            case .bytes(let bytes, _): bytes.count
            case .floats(let floats): floats.count
            case .tokens(let tokens): tokens.count
            }
        }
    }

    /// What is to be predicted.
    public enum Targets: Sendable {
        /// One class for each example, an index into `names`.
        case classes([Int32], names: [String])
        /// `width` numbers for each example, one example after another.
        case values([Float], width: Int)
        /// `width` tokens of a vocabulary for each example, one example after another; `HostBatch.ignoredToken` where there
        /// is none to predict.
        case tokens([Int32], width: Int, vocabulary: Int)
    }

    /// What messages and reports call the data.
    public let name: String
    /// Number of examples.
    public let count: Int
    /// The shape of one input, such as [1, 28, 28] or [4].
    public let inputShape: Shape
    /// The inputs of all examples.
    public let inputs: Inputs
    /// What is to be predicted for each example.
    public let targets: Targets

    /// Where the targets are changes, what they are of: the numbers themselves are predicted, and judged.
    struct Changes {
        /// For each example what its targets are changes from, in the data's units.
        var origins: [Double]
        /// What the targets come to, in the data's units, as the file has it.
        var values: [Double]
    }

    /// Nil where the targets are what is predicted.
    var changes: Changes?

    /// - Parameters:
    ///   - name: what messages and reports call the data.
    ///   - inputShape: the shape of one input. An empty shape, or a size of 0 in it, is not allowed.
    ///   - inputs: elements of a whole number of inputs; none is allowed.
    ///   - targets: as many as there are inputs; classes lie in 0..<names.count.
    public init(name: String, inputShape: Shape, inputs: Inputs, targets: Targets) {
        let size = inputShape.elementCount
        require(size > 0, "data set '\(name)'", "inputs of shape \(inputShape) hold nothing")
        require(
            inputs.elementCount % size == 0, "data set '\(name)'",
            "\(inputs.elementCount) elements are no whole number of inputs of shape \(inputShape)")
        count = inputs.elementCount / size
        let targetCount: Int
        switch targets {
        case .classes(let classes, let names):
            targetCount = classes.count
            let known = 0..<Int32(names.count)
            require(
                classes.allSatisfy(known.contains), "data set '\(name)'", "a class is outside 0..<\(names.count)")
        case .values(let values, let width):
            require(width > 0 && values.count % width == 0, "data set '\(name)'", "\(values.count) values of \(width)")
            targetCount = values.count / width
        case .tokens(let tokens, let width, let vocabulary):
            require(width > 0 && tokens.count % width == 0, "data set '\(name)'", "\(tokens.count) tokens of \(width)")
            let known = HostBatch.ignoredToken..<Int32(vocabulary)
            require(
                tokens.allSatisfy(known.contains), "data set '\(name)'", "a token is outside 0..<\(vocabulary)")
            targetCount = tokens.count / width
        }
        require(targetCount == count, "data set '\(name)'", "\(count) inputs, but \(targetCount) targets")
        self.name = name
        self.inputShape = inputShape
        self.inputs = inputs
        self.targets = targets
    }

    /// Elements of one input.
    public var featureCount: Int { inputShape.elementCount }

    /// What the classes are called; empty where numbers are predicted.
    public var classNames: [String] {
        if case .classes(_, let names) = targets { names } else { [] }
    }

    /// How many classes there are; `nil` where numbers are predicted.
    public var classCount: Int? {
        if case .classes(_, let names) = targets { names.count } else { nil }
    }

    /// How many numbers a model has to give for each example: one per class, or one per value.
    public var outputCount: Int {
        switch targets {
        case .classes(_, let names): names.count
        case .values(_, let width): width
        case .tokens(_, _, let vocabulary): vocabulary
        }
    }

    // MARK: Parts

    /// The examples at `indices`, in that order.
    public func subset(_ indices: [Int]) -> Dataset {
        let inputs: Inputs =
            switch self.inputs {
            case .bytes(let bytes, let divisor):
                .bytes(gatherRows(bytes, indices, width: featureCount), divisor: divisor)
            case .floats(let floats): .floats(gatherRows(floats, indices, width: featureCount))
            case .tokens(let tokens): .tokens(gatherRows(tokens, indices, width: featureCount))
            }
        let targets: Targets =
            switch self.targets {
            case .classes(let classes, let names): .classes(gatherRows(classes, indices, width: 1), names: names)
            case .values(let values, let width): .values(gatherRows(values, indices, width: width), width: width)
            case .tokens(let tokens, let width, let vocabulary):
                .tokens(gatherRows(tokens, indices, width: width), width: width, vocabulary: vocabulary)
            }
        var part = Dataset(name: name, inputShape: inputShape, inputs: inputs, targets: targets)
        part.changes = changes.map {
            Changes(
                origins: gatherRows($0.origins, indices, width: 1),
                values: gatherRows($0.values, indices, width: outputCount))
        }
        return part
    }

    /// The examples of the classes that `isIncluded` holds for; data without classes has none to ask about. All classes
    /// keep their numbers.
    public func subset(ofClasses isIncluded: (Int) -> Bool) -> Dataset {
        guard case .classes(let classes, _) = targets else {
            stop("subset(ofClasses:)", "'\(name)' has no classes to predict")
        }
        return subset(classes.indices.filter { isIncluded(Int(classes[$0])) })
    }

    /// The first `count` examples, or all where there are fewer.
    public func prefix(_ count: Int) -> Dataset { subset(Array(0..<min(max(count, 0), self.count))) }

    /// Two parts that share no example, drawn at random. The same seed gives the same parts.
    /// - Parameters:
    ///   - trainFraction: the share of the first part, in 0...1. Strictly between, neither part is empty if `count` >
    ///     1.
    ///   - seed: the seed of the draw.
    public func split(trainFraction: Double, seed: UInt64 = 0) -> (train: Dataset, test: Dataset) {
        require((0...1).contains(trainFraction), "splitting '\(name)'", "a fraction of \(trainFraction)")
        var size = Int((Double(count) * trainFraction).rounded())
        if count > 1, trainFraction > 0, trainFraction < 1 { size = min(max(size, 1), count - 1) }
        var random = Philox(seed: seed, stream: .split)
        let order = random.permutation(of: count)
        return (subset(Array(order[..<size])), subset(Array(order[size...])))
    }

    /// The same inputs seen in another shape: `[28, 28]` for a recurrent net, `[784]` for a dense one.
    public func reshaped(_ shape: Shape) -> Dataset {
        require(shape.elementCount == featureCount, "reshaping '\(name)'", "inputs \(inputShape) do not fit \(shape)")
        var seen = Dataset(name: name, inputShape: shape, inputs: inputs, targets: targets)
        seen.changes = changes
        return seen
    }

    /// The inputs as plain vectors.
    public var flattened: Dataset { reshaped([featureCount]) }

    // MARK: Reading

    /// Copies the examples at `indices` into one batch, inputs widened to `Float`.
    public func batch(_ indices: [Int], number: Int = 0) -> HostBatch {
        var (inputs, tokens): ([Float], [Int32]) = ([], [])
        switch self.inputs {
        case .bytes(let bytes, let divisor):
            inputs = gatherRows(bytes, indices, width: featureCount, divisor: divisor)
        case .floats(let floats): inputs = gatherRows(floats, indices, width: featureCount)
        case .tokens(let all): tokens = gatherRows(all, indices, width: featureCount)
        }
        let targets: HostBatch.Targets =
            switch self.targets {
            case .classes(let classes, _): .classes(gatherRows(classes, indices, width: 1))
            case .values(let values, let width):
                .values(gatherRows(values, indices, width: width), shape: [indices.count, width])
            case .tokens(let tokens, let width, _):
                .tokens(gatherRows(tokens, indices, width: width), shape: [indices.count, width])
            }
        return HostBatch(
            number: number, indices: indices, inputs: inputs, tokens: tokens,
            inputShape: Shape([indices.count] + inputShape.sizes), targets: targets)
    }
}

extension Dataset: CustomStringConvertible {
    /// `MNIST: 60000 examples of [1, 28, 28], 10 classes`, and no example of them.
    public var description: String {
        let targets =
            switch targets {
            case .classes(_, let names): counted(names.count, "class", "classes")
            case .values(_, let width): width == 1 ? "a number to predict" : "\(width) numbers to predict"
            case .tokens(_, let width, let vocabulary): "\(width) tokens to predict of \(vocabulary)"
            }
        return "\(name): \(counted(count, "example")) of \(inputShape), \(targets)"
    }
}

/// A batch in the memory of the host, contiguous and ready to be uploaded.
public struct HostBatch: Sendable, Equatable {
    /// What is to be predicted for the examples of a batch.
    public enum Targets: Sendable, Equatable {
        /// The class of each example, [count].
        case classes([Int32])
        /// Numbers for each example, [count, width], row-major.
        case values([Float], shape: Shape)
        /// Tokens for each example, [count, width], row-major; `ignoredToken` where there is none to predict.
        case tokens([Int32], shape: Shape)

        /// How many predictions are judged.
        var judgedCount: Int {
            switch self {
            case .classes(let classes): classes.count
            case .values(_, let shape): shape.sizes[0]
            case .tokens(let tokens, _): tokens.count { $0 != ignoredToken }
            }
        }
    }

    /// Stands where there is no token to predict; losses and scores leave it out.
    public static let ignoredToken: Int32 = -1

    /// The batch's place in its epoch, from 0.
    public let number: Int
    /// The examples in it, as places in the data set.
    public let indices: [Int]
    /// The inputs, row-major; empty where they are tokens.
    public let inputs: [Float]
    /// Inputs that are the numbers of tokens, row-major; empty where they are not.
    public let tokens: [Int32]
    /// The shape of the inputs: [count, …the shape of one input].
    public let inputShape: Shape
    /// What is to be predicted.
    public let targets: Targets

    init(
        number: Int, indices: [Int], inputs: [Float] = [], tokens: [Int32] = [], inputShape: Shape, targets: Targets
    ) {
        self.number = number
        self.indices = indices
        self.inputs = inputs
        self.tokens = tokens
        self.inputShape = inputShape
        self.targets = targets
    }

    /// Number of examples.
    public var count: Int { indices.count }

    /// Some of its examples, as a batch of the same number.
    /// - Parameter rows: places in the batch, in 0..<count.
    public func rows(_ rows: Range<Int>) -> HostBatch {
        require(
            rows.lowerBound >= 0 && rows.upperBound <= count, "HostBatch",
            "rows \(rows) of \(counted(count, "example"))")
        func cut<Element>(_ elements: [Element]) -> [Element] {
            let width = elements.count / max(count, 1)
            return Array(elements[rows.lowerBound * width..<rows.upperBound * width])
        }
        func cut(_ shape: Shape) -> Shape { Shape([rows.count] + shape.sizes.dropFirst()) }
        let targets: Targets =
            switch targets {
            case .classes(let classes): .classes(cut(classes))
            case .values(let values, let shape): .values(cut(values), shape: cut(shape))
            case .tokens(let tokens, let shape): .tokens(cut(tokens), shape: cut(shape))
            }
        return HostBatch(
            number: number, indices: cut(indices), inputs: cut(inputs), tokens: cut(tokens),
            inputShape: cut(inputShape),
            targets: targets)
    }
}

/// The rows of a matrix at `indices`.
private func gatherRows<Element: BitwiseCopyable>(_ rows: [Element], _ indices: [Int], width: Int) -> [Element] {
    requireRows(indices, below: rows.count / width)
    return rows.withUnsafeBufferPointer { rows in
        [Element](count: indices.count * width) { result in
            guard let source = rows.baseAddress, let target = result.baseAddress else { return }
            for (row, index) in indices.enumerated() {
                (target + row * width).initialize(from: source + index * width, count: width)
            }
        }
    }
}

/// The rows of a matrix of bytes at `indices`, divided by `divisor`.
private func gatherRows(_ rows: [UInt8], _ indices: [Int], width: Int, divisor: Float) -> [Float] {
    requireRows(indices, below: rows.count / width)
    return rows.withUnsafeBufferPointer { rows in
        [Float](count: indices.count * width) { result in
            guard let source = rows.baseAddress, let target = result.baseAddress else { return }
            for (row, index) in indices.enumerated() {
                let source = source + index * width
                let target = target + row * width
                // Swift's loop over plain pointers is vectorised; the compiler needs no more than this.
                for column in 0..<width { target[column] = Float(source[column]) / divisor }
            }
        }
    }
}

private func requireRows(_ indices: [Int], below count: Int) {
    for index in indices where index < 0 || index >= count {
        stop("reading a data set", "there is no example \(index) among \(count)")
    }
}
