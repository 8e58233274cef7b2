/// What `gimbal train` needs to know to build a model, and a checkpoint to build it again.
public struct ModelSettings: Codable, Sendable, Equatable {
    /// The kinds of models, spelled as `gimbal train --model` takes them.
    public enum Kind: String, Codable, Sendable, CaseIterable {
        /// A multilayer perceptron: hidden layers of `Linear`, normalisation, activation and dropout, and a `Linear`.
        case mlp
        /// A residual net of 20 layers for small images (He et al. 2016, section 4.2): `SmallResNet`.
        case resnet20
        /// A residual net of 56 layers for small images (He et al. 2016, section 4.2): `SmallResNet`.
        case resnet56
        /// A residual net of 18 layers for large images (He et al. 2016, table 1), with torchvision's names: `ResNet`.
        case resnet18
        /// A residual net of 34 layers for large images (He et al. 2016, table 1), with torchvision's names: `ResNet`.
        case resnet34
        /// A residual net of 50 layers for large images (He et al. 2016, table 1), with torchvision's names: `ResNet`.
        case resnet50
        /// A plain recurrent net (Elman 1990), read out by a linear layer: `RNN` in a `RecurrentClassifier`.
        case rnn
        /// Long short-term memory (Hochreiter and Schmidhuber 1997): `LSTM` in a `RecurrentClassifier`.
        case lstm
        /// Gated recurrent units (Cho et al. 2014): `GRU` in a `RecurrentClassifier`.
        case gru
        /// Dilated causal convolutions over a sequence (Bai et al. 2018): `TemporalConvolutionClassifier`.
        case tcn
        /// A Transformer encoder (Vaswani et al. 2017): `TransformerClassifier`.
        case transformer
        /// Long short-term memory that predicts the tokens of a text: `RecurrentLanguageModel`.
        case lstmLM = "lstm-lm"
        /// Gated recurrent units that predict the tokens of a text: `RecurrentLanguageModel`.
        case gruLM = "gru-lm"
        /// A Transformer that predicts the tokens of a text (Radford et al. 2019): `LanguageModel`.
        case transformerLM = "transformer-lm"
        /// Long short-term memory with attention that writes a text from another (Luong et al. 2015):
        /// `RecurrentSequenceToSequence`.
        case seq2seq
        /// A Transformer that writes a text from another (Vaswani et al. 2017): `TransformerSequenceToSequence`.
        case transformerSeq2seq = "transformer-seq2seq"
    }

    /// What a model is to tell.
    public enum Task: String, Codable, Sendable, CaseIterable {
        /// To which of several classes a sample belongs.
        case classification
        /// Numbers that go with a sample.
        case regression
        /// The tokens of a text, each from what stands before it.
        case tokens
    }

    /// Activations by element, spelled as `gimbal train --activation` takes them; constants are PyTorch's defaults.
    public enum Activation: String, Codable, Sendable, CaseIterable {
        /// 1 / (1 + exp(-x)).
        case sigmoid
        /// The hyperbolic tangent.
        case tanh
        /// max(x, 0).
        case relu
        /// x held within 0...6.
        case relu6
        /// x, but 0.01 x below 0.
        case leakyReLU = "leaky-relu"
        /// x, but below 0 x times a slope that is learned (He et al. 2015), at first 0.25.
        case prelu
        /// x, but below 0 x times a slope drawn from 1/8...1/3, in evaluation their mean.
        case rrelu
        /// x, but exp(x) - 1 below 0 (Clevert et al. 2016).
        case elu
        /// ELU with the two constants that keep mean 0 and variance 1 (Klambauer et al. 2017).
        case selu
        /// ELU that stays smooth for every α (Barron 2017); with α = 1 they are the same.
        case celu
        /// x Φ(x), with Φ the distribution function of the standard normal (Hendrycks and Gimpel 2016).
        case gelu
        /// GELU with Φ approximated by a hyperbolic tangent.
        case geluTanh = "gelu-tanh"
        /// x sigmoid(x), also called swish.
        case silu
        /// x tanh(softplus(x)) (Misra 2020).
        case mish
        /// log(1 + exp(x)).
        case softplus
        /// x / (1 + |x|).
        case softsign
        /// x held within -1...1.
        case hardtanh
        /// x / 6 + ½, held within 0...1.
        case hardsigmoid
        /// x hardsigmoid(x) (Howard et al. 2019).
        case hardswish
        /// log(sigmoid(x)).
        case logSigmoid = "log-sigmoid"
        /// x - tanh(x).
        case tanhshrink
        /// x moved towards 0 by ½, and 0 within -½...½.
        case softshrink
        /// x, but 0 within -½...½.
        case hardshrink
    }

    /// What matrices and kernels begin with, spelled as `gimbal train --init` takes it; biases and the scales of norms
    /// keep what their layers give them. Gains are those of the activation.
    public enum Initialization: String, Codable, Sendable, CaseIterable {
        /// Each layer's own, as in PyTorch.
        case standard = "default"
        /// All 0.
        case zeros
        /// Uniform in -s..<s with s = `initializationScale`.
        case uniform
        /// Normal with a standard deviation of `initializationScale`.
        case normal
        /// Normal with a standard deviation of `initializationScale`, cut off beyond ±2.
        case truncatedNormal = "truncated-normal"
        /// Uniform with variance gain² · 2 / (fanIn + fanOut) (Glorot and Bengio 2010).
        case xavierUniform = "xavier-uniform"
        /// Normal with variance gain² · 2 / (fanIn + fanOut) (Glorot and Bengio 2010).
        case xavierNormal = "xavier"
        /// Uniform with variance gain² / fanIn (He et al. 2015).
        case heUniform = "he-uniform"
        /// Normal with variance gain² / fanIn (He et al. 2015).
        case heNormal = "he"
        /// Uniform with variance 1 / fanIn (LeCun et al. 1998).
        case lecunUniform = "lecun-uniform"
        /// Normal with variance 1 / fanIn (LeCun et al. 1998).
        case lecunNormal = "lecun"
        /// A random orthogonal matrix times the gain (Saxe et al. 2014).
        case orthogonal
        /// Nine tenths of the weights into each unit 0, the others normal (Martens 2010).
        case sparse
        /// Layer by layer, until each gives out unit variance on the first batch (Mishkin and Matas 2016).
        case lsuv
    }

    /// What each hidden layer of an mlp is normalised by, spelled as `gimbal train --norm` takes it.
    public enum Normalization: String, Codable, Sendable, CaseIterable {
        /// No normalisation.
        case none
        /// The mean and variance of each unit over the batch: `BatchNorm1d`.
        case batch
        /// The mean and variance of each sample over its units: `LayerNorm`.
        case layer
        /// The root mean square of each sample over its units: `RMSNorm`.
        case rms
        /// The mean and variance of each sample over each of 8 groups of units: `GroupNorm`.
        case group
    }

    /// The kind of model.
    public var kind: Kind
    /// What the model is to tell.
    public var task: Task
    /// The shape of one sample as the data has it, such as [1, 28, 28]; of texts [tokens], of pairs of texts [2, tokens].
    public var inputShape: [Int]
    /// Number of classes, of numbers to be predicted, or of tokens in the vocabulary.
    public var outputs: Int
    /// The token that fills up the shorter one of a pair of texts; nil for other data.
    public var padding: Int?
    /// Units in each hidden layer; the width of a Transformer; channels of a ResNet's first stage.
    public var hidden: Int
    /// Number of hidden, recurrent or attention layers. A ResNet has those of its name.
    public var layers: Int
    /// Units of each hidden layer of an mlp, from input to output, where they are not the same in all; nil for `hidden` in
    /// each of `layers`. Setting it sets these two as well, to the largest width and the number of layers.
    public var widths: [Int]? {
        didSet { if let widths, let largest = widths.max() { (hidden, layers) = (largest, widths.count) } }
    }
    /// The activation of an mlp, or of a rnn (tanh or relu). That of other models is their own.
    public var activation: Activation
    /// What weights begin with.
    public var initialization = Initialization.standard
    /// Standard deviation of the initializations `normal` and `truncatedNormal`, half width of `uniform`.
    public var initializationScale = 0.01
    /// What hidden layers of an mlp are normalised by; other models have what their papers give them.
    public var normalization: Normalization
    /// Whether an mlp adds the input of each hidden layer after the first to its output, and a ResNet those of its
    /// blocks; without, it is the plain net of the same depth.
    public var isResidual: Bool
    /// Whether the last normalisation of each branch of a ResNet starts at 0, so that every block starts as the
    /// identity.
    public var startsAsIdentity = false
    /// Whether a recurrent net reads the sequence in both directions.
    public var isBidirectional = false
    /// What the bias of the forget gate of a LSTM begins with; nil for what all biases begin with.
    public var forgetGateBias: Double?
    /// Attention heads of a Transformer; a divisor of `hidden`.
    public var heads = 4
    /// Probability of dropping a hidden unit, in [0, 1).
    public var dropout = 0.0
    /// That of each hidden layer of an mlp, from input to output; nil for `dropout` in all. Setting it sets `dropout` to the
    /// largest.
    public var dropouts: [Double]? {
        didSet { if let largest = dropouts?.max() { dropout = largest } }
    }

    /// The usual model of its kind: an mlp of one hidden layer of 512 units with batch normalisation, a ResNet of 16
    /// channels at first, a recurrent net of one layer of 128 units, a Transformer of two layers of width 64; for texts two
    /// layers of 256 units, or four of a Transformer, and for pairs of texts one, or three of a Transformer.
    /// - Parameters:
    ///   - kind: of the model.
    ///   - inputShape: the shape of one sample.
    ///   - outputs: the number of classes, or of numbers to be predicted.
    ///   - task: what is to be predicted.
    ///   - isTable: whether samples are rows of a table, for which an mlp has no normalisation: the statistics of small
    ///     batches cost it more than they give, most of all where a number is predicted.
    public init(
        kind: Kind = .mlp, inputShape: [Int], outputs: Int, task: Task = .classification, isTable: Bool = false
    ) {
        self.kind = kind
        self.inputShape = inputShape
        self.outputs = outputs
        self.task = task
        switch kind {
        case .mlp: (hidden, layers) = (512, 1)
        case .resnet20, .resnet56: (hidden, layers) = (16, 0)
        case .resnet18, .resnet34, .resnet50: (hidden, layers) = (64, 0)
        case .rnn, .lstm, .gru: (hidden, layers) = (128, 1)
        case .tcn: (hidden, layers) = (32, 4)
        case .transformer: (hidden, layers) = (64, 2)
        case .lstmLM, .gruLM: (hidden, layers, dropout) = (256, 2, 0.2)
        case .transformerLM: (hidden, layers, dropout) = (256, 4, 0.1)
        case .seq2seq: (hidden, layers, dropout) = (256, 1, 0.2)
        case .transformerSeq2seq: (hidden, layers, dropout) = (256, 3, 0.1)
        }
        activation = kind == .rnn ? .tanh : kind == .transformer ? .gelu : .relu
        normalization = kind == .mlp && !isTable ? .batch : .none
        isResidual = kind.isResNet
    }

    /// The usual mlp for samples that are plain vectors of `inputs` features.
    public init(inputs: Int, outputs: Int, task: Task = .classification) {
        self.init(inputShape: [inputs], outputs: outputs, task: task)
    }

    /// The usual model of its kind for what `dataset` holds: its shape, and its classes or numbers.
    /// - Parameters:
    ///   - kind: of the model.
    ///   - dataset: what it is to be trained on.
    ///   - isTable: whether samples are rows of a table, for which an mlp has no normalisation.
    public init(kind: Kind = .mlp, for dataset: any SupervisedData, isTable: Bool = false) {
        self.init(
            kind: kind, inputShape: dataset.inputShape.sizes, outputs: dataset.outputCount, task: dataset.task,
            isTable: isTable)
        padding = dataset.tokens?.padding.map { Int($0) }
    }

    /// Units of each hidden layer of an mlp, from input to output.
    public var hiddenWidths: [Int] { widths ?? [Int](repeating: hidden, count: layers) }

    /// Number of features of one sample.
    public var inputs: Int { inputShape.reduce(1, *) }

    /// The shape that the model takes a sample in: a vector, an image of [channels, height, width], or a sequence of
    /// [length, features]. The rows of an image are its sequence, or the single features of a vector.
    public var sampleShape: Shape {
        let sizes = inputShape.count == 3 && inputShape[0] == 1 ? [Int](inputShape.dropFirst()) : inputShape
        return switch kind {
        case .lstmLM, .gruLM, .transformerLM, .seq2seq, .transformerSeq2seq: Shape(inputShape)
        case .mlp: [inputs]
        case .resnet20, .resnet56, .resnet18, .resnet34, .resnet50:
            inputShape.count == 2 ? Shape([1] + inputShape) : Shape(inputShape)
        case .rnn, .lstm, .gru, .tcn, .transformer: sizes.count == 1 ? [inputs, 1] : Shape(sizes)
        }
    }

    /// Samples that are tested at once: the activations of images and sequences take much more memory than a vector's.
    public var evaluationBatchSize: Int {
        // A logit for each token of the vocabulary at each place of a text: 64 MB of them.
        if task == .tokens { return min(64, max(1, (1 << 24) / (max(inputs, 1) * max(outputs, 1)))) }
        return kind == .mlp ? 1000 : inputs > 1 << 15 ? 32 : 250
    }

    /// A batch as the model takes it, without a copy; texts may be of any length.
    func shaped(_ inputs: Tensor) -> Tensor {
        task == .tokens ? inputs : inputs.reshaped(Shape([inputs.shape[0]] + sampleShape.sizes))
    }

    /// Whether batches must hold two samples or more.
    var needsSeveralSamples: Bool { normalization == .batch || kind.isResNet }

    /// Checks each setting by itself and with the others.
    /// - Throws: `GimbalError.invalidSetting` for the first value that cannot be used.
    public func validate() throws {
        try checkSetting(
            !inputShape.isEmpty && inputShape.allSatisfy { (1...1_000_000_000).contains($0) }
                && inputShape.reduce(1.0) { $0 * Double($1) } <= 1e15, "inputShape",
            "must have positive sizes, not \(inputShape)")
        let sizes = 1...1_000_000_000
        for (name, size) in [("outputs", outputs), ("hidden", hidden)] + (widths ?? []).map({ ("widths", $0) }) {
            try checkSetting(size > 0, name, "must be positive, not \(size)")
            try checkSetting(sizes.contains(size), name, "must be at most 1000000000, not \(size)")
        }
        try checkSetting(layers >= (kind == .mlp || kind.isResNet ? 0 : 1), "layers", "must be positive, not \(layers)")
        try checkSetting(layers <= 10_000, "layers", "must be at most 10000, not \(layers)")
        try checkSetting(
            initializationScale >= 0 && initializationScale.isFinite, "initializationScale",
            "must not be negative, not \(initializationScale)")
        try checkSetting((0..<1).contains(dropout), "dropout", "must lie in [0, 1), not \(dropout)")
        try validateLists()
        try checkSetting(forgetGateBias?.isFinite ?? true, "forgetGateBias", "must be a number")
        let pairs = kind.isSequenceToSequence
        try checkSetting(
            (task == .tokens) == kind.isOfTokens && (!kind.isOfTokens || inputShape.count == (pairs ? 2 : 1)), "kind",
            kind.isOfTokens
                ? "\(kind.rawValue) reads \(pairs ? "pairs of texts" : "a text")"
                : "\(kind.rawValue) reads no tokens; for \(inputShape.count == 2 ? "pairs of texts" : "a text") there are "
                    + listed(
                        Kind.allCases.filter { $0.isOfTokens && $0.isSequenceToSequence == (inputShape.count == 2) }
                            .map(\.rawValue)))
        try checkSetting(
            !pairs || padding.map { (0..<outputs).contains($0) } ?? false, "padding",
            "must be a token of the vocabulary")
        if kind.isResNet {
            try checkSetting(
                inputShape.count == 3 || inputShape.count == 2, "kind",
                "\(kind.rawValue) needs images of [channels, height, width], not samples of \(Shape(inputShape))")
        } else if kind != .mlp, !kind.isOfTokens {
            try checkSetting(
                inputShape.count < 3 || inputShape[0] == 1, "kind",
                "\(kind.rawValue) reads the rows of an image of one channel, not of \(Shape(inputShape))")
        }
        switch kind {
        case .rnn: try checkSetting([.tanh, .relu].contains(activation), "activation", "is tanh or relu for a rnn")
        case .transformer:
            try checkSetting([.relu, .gelu].contains(activation), "activation", "is relu or gelu for a Transformer")
        default: break
        }
        try checkSetting(
            !kind.hasHeads || (heads > 0 && hidden % heads == 0), "heads",
            "\(hidden) units cannot be divided over \(heads) heads")
        try checkSetting(
            normalization != .group || hiddenWidths.allSatisfy { $0 % ModelSettings.groups == 0 }, "normalization",
            "group needs `hidden` to be a multiple of \(ModelSettings.groups)")
    }

    /// Checks what is set for each hidden layer by itself.
    private func validateLists() throws {
        if let widths {
            try checkSetting(
                kind == .mlp, "widths", "is one number for \(kind.rawValue); a list of widths is for mlp")
            for width in widths { try checkSetting(width > 0, "widths", "must be positive, not \(width)") }
            try checkSetting(
                layers == widths.count, "layers", "is \(layers), but `widths` has \(widths.count) numbers")
            try checkSetting(
                hidden == widths.max() ?? hidden, "widths", "has not \(hidden) as its largest, which `hidden` is")
            try checkSetting(
                !isResidual || Set(widths).count == 1, "widths",
                "must be one number with `isResidual`: a layer is added to its input, which must be as wide")
        }
        if let dropouts {
            try checkSetting(
                kind == .mlp, "dropouts", "is one number for \(kind.rawValue); a list of probabilities is for mlp")
            for dropout in dropouts {
                try checkSetting((0..<1).contains(dropout), "dropouts", "must lie in [0, 1), not \(dropout)")
            }
            try checkSetting(
                dropouts.count == layers, "dropouts",
                "has \(dropouts.count) numbers for \(layers) hidden layer\(layers == 1 ? "" : "s")")
            try checkSetting(
                dropout == dropouts.max() ?? dropout, "dropouts",
                "has not \(dropout) as its largest, which `dropout` is")
        }
    }

    /// Makes sure that the model can be used on `dataset`.
    /// - Parameters:
    ///   - dataset: must have as many features, and as many classes or numbers, as the model.
    ///   - subject: what the message calls the model.
    ///   - name: of the setting that is to blame.
    /// - Throws: `GimbalError.invalidSetting`.
    public func requireFit(_ dataset: any SupervisedData, _ subject: String, name: String) throws {
        let other = ModelSettings(for: dataset)
        guard inputs != other.inputs || outputs != other.outputs || task != other.task else { return }
        let noun = { (task: Task) in
            switch task {
            case .classification: "classes"
            case .regression: "numbers"
            case .tokens: "tokens"
            }
        }
        throw GimbalError.invalidSetting(
            name: name,
            reason: "\(subject) takes \(inputs) features and tells \(outputs) \(noun(task)), "
                + "\(dataset.name) has \(other.inputs) and \(other.outputs) \(noun(other.task))")
    }

    /// Makes sure that weights of this model fit into a device's memory. Making the model would find out too, but only after filling
    /// all that there is.
    /// - Parameter bytes: of each weight, and what is kept with it.
    /// - Throws: `GimbalError.outOfMemory`.
    func requireMemory(on device: Device, bytesPerWeight bytes: Double) throws {
        let needed = bytes * approximateWeightCount
        guard needed <= Double(device.description.memoryBytes) else {
            throw GimbalError.outOfMemory(
                device: device.id, requestedBytes: Int(exactly: needed.rounded()) ?? .max, usedBytes: 0,
                place: "the weights of the model")
        }
    }

    /// Elements of the large weight matrices, and no more than there are: an estimate of the model's size that can be made before
    /// the model.
    var approximateWeightCount: Double {
        guard kind != .mlp else {
            let sizes = ([inputs] + hiddenWidths + [outputs]).map(Double.init)
            return zip(sizes, sizes.dropFirst()).reduce(0) { $0 + $1.0 * $1.1 }
        }
        let (square, layers) = (Double(hidden) * Double(hidden), Double(layers))
        // Each direction of a recurrent layer has weights for its state, and behind the first layer as many for each direction of
        // the one before it.
        func recurrent(gates: Double) -> Double {
            let directions = isBidirectional ? 2.0 : 1
            return gates * directions * square * (layers + (layers - 1) * directions)
        }
        let stack =
            switch kind {
            case .rnn: recurrent(gates: 1)
            case .gru, .gruLM: recurrent(gates: 3)
            case .lstm, .lstmLM, .seq2seq: recurrent(gates: 4)
            // Attention has four square matrices, and the two layers behind it are four times as wide inside.
            case .transformer, .transformerLM, .transformerSeq2seq: 12 * square * layers
            default: square * layers
            }
        let positions = kind.hasHeads ? Double(inputShape.last ?? 1) * Double(hidden) : 0
        return stack + positions + (kind.isOfTokens ? 2 : 1) * Double(hidden) * Double(outputs)
    }

    /// Of `Normalization.group`.
    static let groups = 8
}

extension ModelSettings.Kind {
    package var isResNet: Bool { [.resnet20, .resnet56, .resnet18, .resnet34, .resnet50].contains(self) }
    package var isRecurrent: Bool { self == .rnn || self == .lstm || self == .gru }
    /// Whether it predicts the tokens of a text.
    package var isLanguageModel: Bool { self == .lstmLM || self == .gruLM || self == .transformerLM }
    /// Whether it writes a text from another.
    package var isSequenceToSequence: Bool { self == .seq2seq || self == .transformerSeq2seq }
    /// Whether it reads and writes tokens.
    package var isOfTokens: Bool { isLanguageModel || isSequenceToSequence }
    /// Whether it has attention heads.
    package var hasHeads: Bool { self == .transformer || self == .transformerLM || self == .transformerSeq2seq }
}
