/// What one look at a model in training shows: a row for each place.
public struct HealthLook: Codable, Sendable, Equatable {
    /// The optimizer step that was looked at, counted from 1.
    public var step: Int
    /// Activations in the order in which they were computed, then parameters in the model's.
    public var rows: [HealthRow]
    /// The sum over all weights of gradient times update, relative to the product of their norms: -1 for a step straight down
    /// the gradient, 1 for one straight up; nil where no step was taken.
    public var descent: Double?
    /// The norm of the gradients that the parameters still held of an earlier step when this one's were added; nil where they
    /// held none, as they should.
    public var oldGradientNorm: Double?

    /// A look at a step.
    public init(step: Int, rows: [HealthRow], descent: Double? = nil) {
        self.step = step
        self.rows = rows
        self.descent = descent
    }

    /// The rows of one kind.
    public func rows(_ kind: HealthRow.Kind) -> [HealthRow] { rows.filter { $0.kind == kind } }

    /// The norm of all rows of one kind together.
    func norm(of kind: HealthRow.Kind) -> Double { rows(kind).reduce(0) { $0 + $1.norm * $1.norm }.squareRoot() }

    /// The norm of each row of one kind, by name; of several with one name, that of the first.
    func norms(_ kind: HealthRow.Kind) -> [String: Double] {
        Dictionary(rows(kind).map { ($0.name, $0.norm) }) { first, _ in first }
    }
}

/// What one tensor of a model was like in one step.
public struct HealthRow: Codable, Sendable, Equatable {
    /// Which of the tensors of a place.
    public enum Kind: String, Codable, Sendable, CaseIterable {
        /// What a layer gives out.
        case activation
        /// The gradient that arrives there.
        case activationGradient = "activation gradient"
        /// The values of a parameter before the step.
        case parameter
        /// Its gradient, before it is limited.
        case gradient
        /// What the step has added to the parameter.
        case update
    }

    /// Which of the tensors of the place.
    public var kind: Kind
    /// The path of the layer, or the name of the parameter.
    public var name: String
    /// Of an activation: the operation that gave it, such as `linear`.
    public var function: String?
    /// Root of the sum of squares of the finite elements.
    public var norm: Double
    /// Root of the mean of squares of the finite elements.
    public var rootMeanSquare: Double
    /// Of the finite elements.
    public var mean: Double
    /// Population standard deviation of the finite elements.
    public var standardDeviation: Double
    /// The share of elements that are 0.
    public var zeroShare: Double
    /// How many elements are NaN or infinite.
    public var nonFiniteCount: Int
    /// Of a function with two flat sides: the share of elements whose slope is next to nothing.
    public var saturatedShare: Double?
    /// Of a rectifier: the share of units that no sample switched on.
    public var deadShare: Double?
    /// Of an update of weights: its norm over that of the weights before it; nil where that was 0, and for parameters of one
    /// axis, which begin at 0 as a rule.
    public var updateRatio: Double?

    /// A row of a tensor of which little is known: of mean 0 and without zeros.
    package init(_ kind: Kind, _ name: String, rootMeanSquare: Double, count: Int) {
        self.kind = kind
        self.name = name
        norm = rootMeanSquare * Double(count).squareRoot()
        self.rootMeanSquare = rootMeanSquare
        (mean, standardDeviation, zeroShare, nonFiniteCount) = (0, rootMeanSquare, 0, 0)
    }

    /// - Parameters:
    ///   - statistics: `Statistic` columns of the tensor.
    ///   - count: its elements.
    init(_ kind: Kind, _ name: String, _ statistics: ArraySlice<Double>, count: Int) {
        func value(_ column: Statistic) -> Double { statistics[statistics.startIndex + column.rawValue] }
        self.kind = kind
        self.name = name
        nonFiniteCount = Int(value(.nanCount) + value(.infinityCount))
        norm = value(.norm)
        let finite = count - nonFiniteCount
        rootMeanSquare = finite > 0 ? norm / Double(finite).squareRoot() : 0
        mean = value(.mean)
        standardDeviation = value(.standardDeviation)
        zeroShare = count > 0 ? value(.zeroCount) / Double(count) : 0
    }
}
