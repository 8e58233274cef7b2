/// What `gimbal train` needs to know to build a model, and a checkpoint to build it again.
public struct ModelSettings: Codable, Sendable, Equatable {
    public enum Kind: String, Codable, Sendable, CaseIterable { case mlp }

    public enum Activation: String, Codable, Sendable, CaseIterable {
        case sigmoid, tanh, relu, leakyReLU = "leaky-relu", elu, silu, gelu
    }

    public enum Initialization: String, Codable, Sendable, CaseIterable {
        /// Each layer's own, as in PyTorch.
        case standard = "default"
        case zeros, uniform, normal, orthogonal
        case xavierUniform = "xavier-uniform", xavierNormal = "xavier"
        case heUniform = "he-uniform", heNormal = "he"
    }

    public enum Normalization: String, Codable, Sendable, CaseIterable { case none, batch }

    /// What a model is to tell.
    public enum Task: String, Codable, Sendable, CaseIterable {
        /// One of several classes.
        case classification
        /// Numbers.
        case regression
    }

    public var kind: Kind = .mlp
    public var task: Task
    /// The shape of one sample as the data has it, such as [1, 28, 28].
    public var inputShape: [Int]
    /// Classes, or numbers to be predicted.
    public var outputs: Int
    /// Units in each hidden layer.
    public var hidden = 512
    /// Number of hidden layers.
    public var layers = 1
    public var activation = Activation.relu
    public var initialization = Initialization.standard
    /// Standard deviation of `normal`, half width of `uniform`.
    public var initializationScale = 0.01
    public var normalization = Normalization.batch
    /// Adds the input of each hidden layer after the first to its output.
    public var isResidual = false
    /// Probability of dropping a hidden unit.
    public var dropout = 0.0

    public init(inputShape: [Int], outputs: Int, task: Task = .classification) {
        self.inputShape = inputShape
        self.outputs = outputs
        self.task = task
    }

    /// For samples that are plain vectors.
    public init(inputs: Int, outputs: Int, task: Task = .classification) {
        self.init(inputShape: [inputs], outputs: outputs, task: task)
    }

    /// For what `dataset` holds.
    public init(for dataset: Dataset) {
        self.init(
            inputShape: dataset.inputShape.sizes, outputs: dataset.outputCount,
            task: dataset.classCount == nil ? .regression : .classification)
    }

    /// Features of one sample.
    public var inputs: Int { inputShape.reduce(1, *) }

    /// The shape that the model takes a sample in.
    public var sampleShape: Shape { [inputs] }

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
        try check(layers >= 0, "--layers", "must not be negative, not \(layers)")
        try check(layers <= 100_000, "--layers", "must be at most 100000, not \(layers)")
        try check(
            initializationScale >= 0 && initializationScale.isFinite, "--init-scale",
            "must not be negative, not \(initializationScale)")
        try check((0..<1).contains(dropout), "--dropout", "must lie in [0, 1), not \(dropout)")
    }

    /// Elements of all weight matrices, rounded: an estimate of the model's size that can be made before the model.
    var approximateWeightCount: Double {
        let (inputs, hidden, outputs) = (Double(inputs), Double(hidden), Double(outputs))
        guard layers > 0 else { return inputs * outputs }
        return inputs * hidden + Double(layers - 1) * hidden * hidden + hidden * outputs
    }

    /// A multilayer perceptron: hidden layers of Linear, normalisation, activation, dropout, and a Linear at the end.
    public func makeModel(device: Device) -> any Layer {
        withDevice(device) {
            Sequential {
                for index in 0..<layers {
                    if isResidual && index > 0 {
                        Residual { hiddenLayer(inputs: hidden) }
                    } else {
                        hiddenLayer(inputs: index == 0 ? inputs : hidden)
                    }
                }
                Linear(layers == 0 ? inputs : hidden, outputs, weightInitializer: weightInitializer(.linear))
            }
        }
    }

    @LayerBuilder private func hiddenLayer(inputs: Int) -> [any Layer] {
        Linear(inputs, hidden, weightInitializer: weightInitializer(nonlinearity))
        if normalization == .batch { BatchNorm1d(hidden) }
        activationLayer
        if dropout > 0 { Dropout(dropout) }
    }

    private var activationLayer: any Layer {
        switch activation {
        case .sigmoid: Sigmoid()
        case .tanh: Tanh()
        case .relu: ReLU()
        case .leakyReLU: LeakyReLU()
        case .elu: ELU()
        case .silu: SiLU()
        case .gelu: GELU()
        }
    }

    /// The gain for the activation; those without one of their own take ReLU's, which they resemble.
    private var nonlinearity: Nonlinearity {
        switch activation {
        case .sigmoid: .sigmoid
        case .tanh: .tanh
        case .leakyReLU: .leakyReLU(slope: 0.01)
        case .relu, .elu, .silu, .gelu: .relu
        }
    }

    private func weightInitializer(_ nonlinearity: Nonlinearity) -> Initializer? {
        switch initialization {
        case .standard: nil
        case .zeros: .zeros
        case .uniform: .uniform(low: -initializationScale, high: initializationScale)
        case .normal: .normal(standardDeviation: initializationScale)
        case .orthogonal: .orthogonal(gain: nonlinearity.gain)
        case .xavierUniform: .xavierUniform(gain: nonlinearity.gain)
        case .xavierNormal: .xavierNormal(gain: nonlinearity.gain)
        case .heUniform: .heUniform(nonlinearity: nonlinearity)
        case .heNormal: .heNormal(nonlinearity: nonlinearity)
        }
    }
}
