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
        /// A limit on the norm of all gradients in place of one that is too low.
        case looserClipping(norm: Double)
        /// Another weight decay, as a factor of what it is.
        case weightDecay(factor: Double)
        /// Another penalty on the weights, as a factor of what it is.
        case penalty(factor: Double)
        /// How much of its velocity a step keeps.
        case momentum(Double)
        /// The probability of dropping a hidden unit.
        case dropout(Double)
        /// Samples in a batch, at least.
        case batchSize(Int)

        /// What is changed, without what it is changed to. An activation function brings its first weights with it.
        package var kind: String {
            switch self {
            case .activation, .initialization: "first weights"
            case .normalization: "normalisation"
            case .residualConnections, .zeroInitializedBranches: "shortcuts"
            case .width: "width"
            case .forgetGateBias, .gatedCell: "cell"
            case .standardization: "scale"
            case .learningRate: "rate"
            case .weightDecay, .penalty: "decay"
            case .momentum: "momentum"
            case .dropout: "dropout"
            case .batchSize: "batch"
            case .clipping, .looserClipping: "clipping"
            }
        }

        /// Whether it changes how large gradients are, or what may be moved, so that another rate may be the best one.
        package var asksForAnotherRate: Bool {
            switch self {
            case .learningRate, .standardization, .activation, .initialization, .normalization, .residualConnections,
                .zeroInitializedBranches, .width, .gatedCell:
                true
            case .forgetGateBias, .clipping, .looserClipping, .weightDecay, .penalty, .momentum, .dropout, .batchSize:
                false
            }
        }

        /// Functions that keep a gradient.
        public enum Activation: String, Codable, Sendable {
            /// max(x, 0).
            case relu
            /// x, but 0.01 x below 0.
            case leakyReLU
            /// x Φ(x).
            case gelu
            /// ELU that keeps mean 0 and variance 1.
            case selu
            /// The hyperbolic tangent.
            case tanh
        }
        /// Rules for first weights.
        public enum Initialization: String, Codable, Sendable {
            /// Normal with variance gain² / fanIn (He et al. 2015).
            case he
            /// Normal with variance 2 / (fanIn + fanOut) (Glorot and Bengio 2010).
            case xavier
            /// A random orthogonal matrix (Saxe et al. 2014).
            case orthogonal
            /// Normal with variance 1 / fanIn (LeCun et al. 1998).
            case leCun
            /// Layer by layer until each gives out unit variance (Mishkin and Matas 2016).
            case unitVariance
        }
        /// What hidden layers are normalised by.
        public enum Normalization: String, Codable, Sendable {
            /// The mean and variance of each unit over the batch.
            case batch
            /// The mean and variance of each sample over its units.
            case layer
        }
    }
}
