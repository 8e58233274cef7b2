/// Something that may cure an illness, and the exact change.
public struct Remedy: Codable, Sendable, Equatable {
    /// What is done, as an order, such as "draw first weights by He's rule".
    public var title: String
    /// What changes; nil where it is for the user to do.
    public var change: Change?
    /// The line of code that does it.
    public var code: String?
    /// Why it should help: who has shown it.
    public var evidence: String?

    /// A remedy in words, and what it changes.
    public init(_ title: String, _ change: Change? = nil, code: String? = nil, evidence: String? = nil) {
        self.title = title
        self.change = change
        self.code = code
        self.evidence = evidence
    }

    /// A change of what a run is made from, that a program can make by itself.
    public enum Change: Codable, Sendable, Equatable {
        /// Another activation function in the hidden layers.
        case activation(Activation)
        /// Other first weights.
        case initialization(Initialization)
        /// A normalisation in each hidden layer.
        case normalization(Normalization)
        /// Shortcuts past the hidden layers.
        case residualConnections
        /// Branches of a residual net that begin as nothing.
        case zeroInitializedBranches
        /// Units in each hidden layer.
        case width(Int)
        /// Biases of the forget gates of an LSTM.
        case forgetGateBias(Double)
        /// A recurrent net of another kind.
        case gatedCell
        /// Inputs, and targets of a regression, of mean 0 and deviation 1.
        case standardization
        /// Another learning rate, as a factor of what it is.
        case learningRate(factor: Double)
        /// A limit on the norm of all gradients together.
        case clipping(norm: Double)

        /// Functions that keep a gradient.
        public enum Activation: String, Codable, Sendable { case relu, leakyReLU, gelu, selu, tanh }
        /// Rules for first weights.
        public enum Initialization: String, Codable, Sendable { case he, xavier, orthogonal, leCun, unitVariance }
        /// What hidden layers are normalised by.
        public enum Normalization: String, Codable, Sendable { case batch, layer }
    }
}
