/// What a model, or several, predict of one sample.
public struct Prediction: Sendable {
    /// A class and how probable it is.
    public struct ClassProbability: Sendable, Equatable {
        /// The class's number.
        public var number: Int
        /// The class's name.
        public var name: String
        /// From 0 to 1.
        public var probability: Double
    }

    /// The sample's place in the data, from 0.
    public let place: Int
    /// What the columns of a table hold that only tell rows apart.
    public let ids: [(name: String, text: String)]
    /// The names of the classes; empty where numbers are predicted.
    public let classNames: [String]
    /// The probability of each class, a distribution; empty where numbers are predicted, or nothing is.
    public let probabilities: [Double]
    /// The predicted numbers in the units of the data; empty where classes are predicted, or nothing is.
    public let values: [Double]

    init(
        place: Int, ids: [(name: String, text: String)] = [], classNames: [String], probabilities: [Double] = [],
        values: [Double] = []
    ) {
        self.place = place
        self.ids = ids
        self.classNames = classNames
        // What is not finite predicts nothing.
        self.probabilities = probabilities.allSatisfy(\.isFinite) ? probabilities : []
        self.values = values.allSatisfy(\.isFinite) ? values : []
    }

    /// Whether anything is predicted: not of a row in which an input is missing, where the run left out such rows, nor
    /// where the model gives out NaN.
    public var isKnown: Bool { !probabilities.isEmpty || !values.isEmpty }

    /// The most probable class; nil where numbers are predicted, or nothing is.
    public var best: ClassProbability? { top(1).first }

    /// The most probable classes, in falling order; equal ones in the order of the classes.
    /// - Parameter count: at most how many.
    public func top(_ count: Int) -> [ClassProbability] {
        guard count != 1 else {
            // Of equal ones the first, as `argMax` has it.
            return probabilities.indices.max {
                probabilities[$0] < probabilities[$1] || (probabilities[$0] == probabilities[$1] && $0 > $1)
            }
            .map { [classProbability($0)] } ?? []
        }
        return probabilities.indices.sorted { (probabilities[$1], $0) < (probabilities[$0], $1) }
            .prefix(max(count, 0)).map(classProbability)
    }

    private func classProbability(_ number: Int) -> ClassProbability {
        ClassProbability(number: number, name: classNames[number], probability: probabilities[number])
    }
}
