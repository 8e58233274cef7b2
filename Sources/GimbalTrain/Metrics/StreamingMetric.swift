/// A quantity over a whole data set, taken in batch by batch.
///
/// ```swift
/// var accuracy = Accuracy()
/// for batch in loader.batches(epoch: 0, on: .current) { accuracy.update(model(batch.inputs), batch.targets) }
/// print(try accuracy.value)
/// ```
/// A metric is a value: a copy goes on counting for itself.
public protocol StreamingMetric {
    /// What the metric comes to: a number, or several.
    associatedtype Value

    /// Takes in a batch. Does not wait for the device: what it has to tell is thrown by `value`.
    mutating func update(_ outputs: Tensor, _ targets: Tensor)
    /// The quantity over everything taken in so far. Waits for the device.
    var value: Value { get throws }
    /// Forgets everything taken in.
    mutating func reset()
}

/// Share of rows whose largest output, the first of equals, is that of the right class; NaN over none.
///
/// Takes outputs of [batch, classes] and int32 targets of [batch]. Counts on the device.
public struct Accuracy: StreamingMetric {
    private var counts = DeviceCounts(binCount: 2)

    /// A metric that has taken in nothing yet.
    public init() {}

    public mutating func update(_ outputs: Tensor, _ targets: Tensor) {
        requireClasses("Accuracy", outputs, targets)
        counts.add(outputs.detached().argMax().equals(targets))
    }

    public var value: Double {
        get throws {
            let counts = try counts.values
            return share(counts[1], counts[0] + counts[1]) ?? .nan
        }
    }

    public mutating func reset() { counts.reset() }
}

/// Share of rows in which the right class is among the k with the largest outputs; NaN over none.
///
/// Of equal outputs, that of the later class counts as larger, as in scikit-learn's `top_k_accuracy_score`. A NaN
/// counts as larger than any number; a right class whose output is NaN is a miss. Takes outputs of [batch, classes] and
/// int32 targets of [batch]. Counts on the device.
public struct TopKAccuracy: StreamingMetric {
    /// How many of the largest outputs may hold that of the right class.
    public let k: Int
    private var counts = DeviceCounts(binCount: 2)

    /// A metric over the `k` > 0 largest outputs of each row.
    public init(_ k: Int) {
        require(k > 0, "TopKAccuracy", "k = \(k)")
        self.k = k
    }

    public mutating func update(_ outputs: Tensor, _ targets: Tensor) {
        requireClasses("TopKAccuracy", outputs, targets)
        let scores = outputs.detached().contiguous()
        let (rows, classes, device) = (scores.shape[0], scores.shape[1], scores.device)
        guard rows > 0 else { return }
        let column = Tensor((0..<Int32(classes)).map { $0 }, [1, classes], device: device)
        let targets = targets.detached().contiguous().reshaped([rows, 1])
        let rowStart = Tensor((0..<Int32(rows)).map { $0 * Int32(classes) }, [rows, 1], device: device)
        let right = scores.reshaped([rows * classes, 1]).gathered((rowStart + targets).reshaped([rows]))
        // Places behind the right class; itself among them, so that a NaN, which is behind nothing, ranks first.
        let isBehind = scores.isLess(than: right).cast(to: scores.dtype)
        let isEqual = scores.equals(right).cast(to: scores.dtype)
        let isNotLater = column.isLess(than: targets + Tensor([1] as [Int32], [1, 1], device: device))
        let behind = (isBehind + isEqual * isNotLater.cast(to: scores.dtype)).sum([1])
        let needed = Tensor(Double(classes - k) + 0.5, device: device)
        counts.add(behind.isGreater(than: needed))
    }

    public var value: Double {
        get throws {
            let counts = try counts.values
            return share(counts[1], counts[0] + counts[1]) ?? .nan
        }
    }

    public mutating func reset() { counts.reset() }
}

/// A confusion matrix that is counted on the device; of more than 1,000 classes, of which a table would be large, the
/// classes of each sample are kept there until the value is asked for.
///
/// Takes outputs of [batch, classes], whose largest is the prediction, or int32 predictions of [batch]; and int32
/// targets of [batch], where one out of range, such as -1 for padding, is passed over.
public struct ConfusionCounts: StreamingMetric {
    /// Number of classes, and of the matrix's rows and columns.
    public let classCount: Int
    private var counts: DeviceCounts?
    private var samples: [(truths: Tensor, predictions: Tensor)] = []

    /// A matrix of zeros for targets and predictions in 0..<classCount.
    public init(classCount: Int) {
        require(classCount > 0, "ConfusionCounts", "\(classCount) classes")
        self.classCount = classCount
        counts = classCount > 1000 ? nil : DeviceCounts(binCount: classCount * classCount)
    }

    public mutating func update(_ outputs: Tensor, _ targets: Tensor) {
        let predictions = outputs.rank == 2 ? outputs.detached().argMax() : outputs.detached()
        require(
            predictions.dtype == .int32 && targets.dtype == .int32 && predictions.shape == targets.shape
                && predictions.rank == 1, "ConfusionCounts",
            "outputs of \(outputs.shape) do not go with \(targets.dtype) targets of \(targets.shape)")
        guard counts != nil else {
            samples.append((targets.detached(), predictions))
            return
        }
        let width = Tensor([Int32(classCount)], [1], device: targets.device)
        let cell = targets.detached() * width + predictions
        // A negative truth times the width stays negative, and one too large lies beyond the table; but a prediction
        // that is no class would count as another's.
        let limit = Tensor([Int32(classCount)], [1], device: targets.device)
        let nothing = Tensor([-1] as [Int32], [1], device: targets.device)
        let isClass = Tensor.select(predictions.isLess(than: limit), cell, nothing)
        counts?.add(Tensor.select(predictions.isGreater(than: nothing), isClass, nothing))
    }

    public var value: ConfusionMatrix {
        get throws {
            if let counts { return ConfusionMatrix(classCount: classCount, counts: try counts.values) }
            let classes = 0..<Int32(classCount)
            var matrix = ConfusionMatrix(classCount: classCount)
            for (truths, predictions) in samples {
                let pairs = zip(try truths.integers(), try predictions.integers()).filter {
                    classes.contains($0) && classes.contains($1)
                }
                matrix.add(truths: pairs.map(\.0), predictions: pairs.map(\.1))
            }
            return matrix
        }
    }

    public mutating func reset() {
        counts?.reset()
        samples = []
    }
}

/// A metric over everything at once, for what needs all rows together: outputs and targets stay on the device until the
/// value is asked for.
///
/// ```swift
/// var scores = Collected { RegressionScores(predictions: $0.outputs, targets: $0.targets, width: $0.width) }
/// ```
public struct Collected<Value>: StreamingMetric {
    private let evaluate: (CollectedOutputs) throws -> Value
    private var batches: [(outputs: Tensor, targets: Tensor)] = []

    /// A metric whose value `evaluate` works out from all rows taken in.
    public init(_ evaluate: @escaping (CollectedOutputs) throws -> Value) { self.evaluate = evaluate }

    public mutating func update(_ outputs: Tensor, _ targets: Tensor) {
        require(
            outputs.rank > 0 && targets.rank > 0 && outputs.shape[0] == targets.shape[0], "Collected",
            "outputs of \(outputs.shape) do not go with targets of \(targets.shape)")
        batches.append((outputs.detached(), targets.detached()))
    }

    public var value: Value {
        get throws {
            var all = CollectedOutputs()
            for (outputs, targets) in batches {
                all.width = outputs.elementCount / max(outputs.shape[0], 1)
                all.outputs += try outputs.doubles()
                if targets.dtype == .int32 {
                    all.classes += try targets.integers()
                } else {
                    all.targets += try targets.doubles()
                }
            }
            return try evaluate(all)
        }
    }

    public mutating func reset() { batches = [] }
}

/// The rows that a `Collected` metric has taken in, on the host.
public struct CollectedOutputs: Sendable {
    /// What the model gave out, row-major [rows, width].
    public var outputs: [Double] = []
    /// Elements in a row of `outputs`.
    public var width = 1
    /// Targets that are numbers, row-major; empty where they are classes.
    public var targets: [Double] = []
    /// Targets that are classes, one for each row; empty where they are numbers.
    public var classes: [Int32] = []
}

/// Numbers of cases by kind, added up on one device.
struct DeviceCounts {
    let binCount: Int
    private var totals: Tensor?

    init(binCount: Int) { self.binCount = binCount }

    /// Counts one case for each element of `bins`; those that are no bin are passed over.
    mutating func add(_ bins: Tensor) {
        let bins = bins.cast(to: .int32).contiguous()
        guard bins.elementCount > 0 else { return }
        let ones = Tensor(repeating: 1, [bins.elementCount, 1], dtype: .int32, device: bins.device)
        let counts = Tensor.make([binCount, 1], .int32, bins.device, inputs: [bins, ones]) { backend, out in
            backend.fill(out, with: 0)
            backend.scatterAdd(ones.view, indices: bins.view, into: out)
        }
        totals = totals.map { $0 + counts } ?? counts
    }

    /// Waits for the device.
    var values: [Int] {
        get throws { try totals?.integers().map(Int.init) ?? [Int](repeating: 0, count: binCount) }
    }

    mutating func reset() { totals = nil }
}

func requireClasses(_ name: StaticString, _ outputs: Tensor, _ targets: Tensor) {
    require(
        outputs.rank == 2 && targets.shape == [outputs.shape[0]] && targets.dtype == .int32, "\(name)",
        "outputs of \(outputs.shape) need int32 targets of [\(outputs.shape.first ?? 0)], not \(targets.dtype) "
            + "\(targets.shape)")
}
