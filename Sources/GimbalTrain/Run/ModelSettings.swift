/// What `gimbal train` needs to know to build a model, and a checkpoint to build it again.
public struct ModelSettings: Codable, Sendable, Equatable {
    public enum Kind: String, Codable, Sendable, CaseIterable {
        case mlp, resnet20, resnet56, rnn, lstm, gru, transformer
    }

    /// What a model is to tell.
    public enum Task: String, Codable, Sendable, CaseIterable {
        /// One of several classes.
        case classification
        /// Numbers.
        case regression
    }

    public enum Activation: String, Codable, Sendable, CaseIterable {
        case sigmoid, tanh, relu, relu6, leakyReLU = "leaky-relu", prelu, rrelu, elu, selu, celu, gelu
        case geluTanh = "gelu-tanh"
        case silu, mish, softplus, softsign, hardtanh, hardsigmoid, hardswish
        case logSigmoid = "log-sigmoid"
        case tanhshrink, softshrink, hardshrink
    }

    public enum Initialization: String, Codable, Sendable, CaseIterable {
        /// Each layer's own, as in PyTorch.
        case standard = "default"
        case zeros, uniform, normal
        case truncatedNormal = "truncated-normal"
        case xavierUniform = "xavier-uniform", xavierNormal = "xavier"
        case heUniform = "he-uniform", heNormal = "he"
        case lecunUniform = "lecun-uniform", lecunNormal = "lecun"
        case orthogonal, sparse
        /// Layer by layer, until each gives out unit variance on the first batch (Mishkin and Matas 2016).
        case lsuv
    }

    public enum Normalization: String, Codable, Sendable, CaseIterable { case none, batch, layer, rms, group }

    public var kind: Kind
    public var task: Task
    /// The shape of one sample as the data has it, such as [1, 28, 28].
    public var inputShape: [Int]
    /// Classes, or numbers to be predicted.
    public var outputs: Int
    /// Units in each hidden layer; the width of a Transformer.
    public var hidden: Int
    /// Number of hidden, recurrent or attention layers.
    public var layers: Int
    /// Of an mlp, a rnn (tanh or relu) and a Transformer (relu or gelu).
    public var activation: Activation
    public var initialization = Initialization.standard
    /// Standard deviation of `normal` and `truncatedNormal`, half width of `uniform`.
    public var initializationScale = 0.01
    /// Of an mlp; the others have what their papers give them.
    public var normalization: Normalization
    /// Of an mlp: adds the input of each hidden layer after the first to its output. Of a ResNet: without, it is the
    /// plain net of the same depth.
    public var isResidual: Bool
    /// Of a ResNet: the last normalisation of each branch starts at 0, so that every block starts as the identity.
    public var startsAsIdentity = false
    /// Of a recurrent net: reads the sequence in both directions.
    public var isBidirectional = false
    /// Of a LSTM: what the bias of the forget gate begins with; nil for what all biases begin with.
    public var forgetGateBias: Double?
    /// Attention heads of a Transformer.
    public var heads = 4
    /// Probability of dropping a hidden unit.
    public var dropout = 0.0

    public init(kind: Kind = .mlp, inputShape: [Int], outputs: Int, task: Task = .classification) {
        self.kind = kind
        self.inputShape = inputShape
        self.outputs = outputs
        self.task = task
        switch kind {
        case .mlp: (hidden, layers) = (512, 1)
        case .resnet20, .resnet56: (hidden, layers) = (16, 0)
        case .rnn, .lstm, .gru: (hidden, layers) = (128, 1)
        case .transformer: (hidden, layers) = (64, 2)
        }
        activation = kind == .rnn ? .tanh : kind == .transformer ? .gelu : .relu
        normalization = kind == .mlp ? .batch : .none
        isResidual = kind.isResNet
    }

    /// For samples that are plain vectors.
    public init(inputs: Int, outputs: Int, task: Task = .classification) {
        self.init(inputShape: [inputs], outputs: outputs, task: task)
    }

    /// For what `dataset` holds.
    public init(kind: Kind = .mlp, for dataset: Dataset) {
        self.init(
            kind: kind, inputShape: dataset.inputShape.sizes, outputs: dataset.outputCount,
            task: dataset.classCount == nil ? .regression : .classification)
    }

    /// Features of one sample.
    public var inputs: Int { inputShape.reduce(1, *) }

    /// The shape that the model takes a sample in: a vector, an image of [channels, height, width], or a sequence of
    /// [length, features]. The rows of an image are its sequence, or the single features of a vector.
    public var sampleShape: Shape {
        let sizes = inputShape.count == 3 && inputShape[0] == 1 ? [Int](inputShape.dropFirst()) : inputShape
        return switch kind {
        case .mlp: [inputs]
        case .resnet20, .resnet56: inputShape.count == 2 ? Shape([1] + inputShape) : Shape(inputShape)
        case .rnn, .lstm, .gru, .transformer: sizes.count == 1 ? [inputs, 1] : Shape(sizes)
        }
    }

    /// Samples that are tested at once: the activations of images and sequences take much more memory than a vector's.
    public var evaluationBatchSize: Int { kind == .mlp ? 1000 : 250 }

    /// A batch as the model takes it, without a copy.
    func shaped(_ inputs: Tensor) -> Tensor { inputs.reshaped(Shape([inputs.shape[0]] + sampleShape.sizes)) }

    /// Whether batches must hold two samples or more.
    var needsSeveralSamples: Bool { normalization == .batch || kind.isResNet }

    /// - Throws: `GimbalError.invalidSetting` for the first value that cannot be used.
    public func validate() throws {
        func check(_ isGood: Bool, _ name: String, _ reason: String) throws {
            if !isGood { throw GimbalError.invalidSetting(name: name, reason: reason) }
        }
        try check(
            !inputShape.isEmpty && inputShape.allSatisfy { (1...1_000_000_000).contains($0) }
                && inputShape.reduce(1.0) { $0 * Double($1) } <= 1e15, "inputs",
            "must have positive sizes, not \(inputShape)")
        try check(outputs > 0, "outputs", "must be positive, not \(outputs)")
        try check(hidden > 0, "--hidden", "must be positive, not \(hidden)")
        try check(layers >= (kind == .mlp || kind.isResNet ? 0 : 1), "--layers", "must be positive, not \(layers)")
        try check(layers <= 100_000, "--layers", "must be at most 100000, not \(layers)")
        try check(
            initializationScale >= 0 && initializationScale.isFinite, "--init-scale",
            "must not be negative, not \(initializationScale)")
        try check((0..<1).contains(dropout), "--dropout", "must lie in [0, 1), not \(dropout)")
        try check(forgetGateBias?.isFinite ?? true, "--forget-bias", "must be a number")
        if kind.isResNet {
            try check(
                inputShape.count == 3 || inputShape.count == 2, "--model \(kind.rawValue)",
                "needs images of [channels, height, width], not samples of \(Shape(inputShape))")
        } else if kind != .mlp {
            try check(
                inputShape.count < 3 || inputShape[0] == 1, "--model \(kind.rawValue)",
                "reads the rows of an image of one channel, not of \(Shape(inputShape))")
        }
        switch kind {
        case .rnn: try check([.tanh, .relu].contains(activation), "--activation", "is tanh or relu for a rnn")
        case .transformer:
            try check([.relu, .gelu].contains(activation), "--activation", "is relu or gelu for a Transformer")
            try check(
                heads > 0 && hidden % heads == 0, "--heads", "\(hidden) units cannot be divided over \(heads) heads")
        default: break
        }
        try check(
            normalization != .group || hidden % ModelSettings.groups == 0, "--norm group",
            "needs --hidden to be a multiple of \(ModelSettings.groups)")
    }

    /// Makes sure that the model can be used on `dataset`.
    /// - Parameters:
    ///   - subject: what the message calls the model.
    ///   - name: of the setting that is to blame.
    /// - Throws: `GimbalError.invalidSetting`.
    public func requireFit(_ dataset: Dataset, _ subject: String, name: String) throws {
        let other = ModelSettings(for: dataset)
        guard inputs != other.inputs || outputs != other.outputs || task != other.task else { return }
        let noun = { (task: Task) in task == .classification ? "classes" : "numbers" }
        throw GimbalError.invalidSetting(
            name: name,
            reason: "\(subject) takes \(inputs) features and tells \(outputs) \(noun(task)), "
                + "\(dataset.name) has \(other.inputs) and \(other.outputs) \(noun(other.task))")
    }

    /// Elements of all weight matrices, rounded: an estimate of the model's size that can be made before the model.
    var approximateWeightCount: Double {
        let (inputs, hidden, outputs) = (Double(inputs), Double(hidden), Double(outputs))
        guard kind == .mlp else { return Double(layers) * hidden * hidden }
        guard layers > 0 else { return inputs * outputs }
        return inputs * hidden + Double(layers - 1) * hidden * hidden + hidden * outputs
    }

    /// Of `Normalization.group`.
    static let groups = 8
}

extension ModelSettings.Kind {
    package var isResNet: Bool { self == .resnet20 || self == .resnet56 }
    package var isRecurrent: Bool { self == .rnn || self == .lstm || self == .gru }
}
