extension ModelSettings {
    /// The model, with its first weights.
    public func makeModel(device: Device) -> any TensorLayer {
        withDevice(device) {
            let model: any TensorLayer =
                switch kind {
                case .mlp: perceptron
                case .resnet20, .resnet56: smallResNet
                case .resnet18:
                    ResNet.resNet18(
                        classes: outputs, channels: sampleShape[0], width: hidden, isResidual: isResidual,
                        startsAsIdentity: startsAsIdentity)
                case .resnet34:
                    ResNet.resNet34(
                        classes: outputs, channels: sampleShape[0], width: hidden, isResidual: isResidual,
                        startsAsIdentity: startsAsIdentity)
                case .resnet50:
                    ResNet.resNet50(
                        classes: outputs, channels: sampleShape[0], width: hidden, isResidual: isResidual,
                        startsAsIdentity: startsAsIdentity)
                case .rnn, .lstm, .gru: recurrentNet
                case .tcn: temporalConvolution
                case .transformer: transformer
                case .lstmLM, .gruLM:
                    RecurrentLanguageModel(
                        vocabulary: outputs, size: hidden, layers: layers, kind: kind == .lstmLM ? .lstm : .gru,
                        dropout: dropout)
                case .transformerLM:
                    LanguageModel(
                        vocabulary: outputs, length: inputShape[0], size: hidden, heads: heads, layers: layers,
                        dropout: dropout)
                case .seq2seq:
                    RecurrentSequenceToSequence(
                        sourceVocabulary: outputs, targetVocabulary: outputs, padding: Int32(padding ?? 0),
                        size: hidden, layers: layers, dropout: dropout)
                case .transformerSeq2seq:
                    TransformerSequenceToSequence(
                        sourceVocabulary: outputs, targetVocabulary: outputs, padding: Int32(padding ?? 0),
                        length: inputShape[1], size: hidden, heads: heads, layers: layers, dropout: dropout)
                }
            if let initializer { initialize(model, by: initializer) }
            if kind == .mlp { model.scaleResidualBranches() }
            return model
        }
    }

    /// The path in a model of these settings of the layer that gives its outputs.
    func headPath(in model: any TensorLayer) -> String {
        switch kind {
        case .mlp: "\((model as? Sequential).map { $0.count - 1 } ?? 0)"
        case .resnet20, .resnet56, .resnet18, .resnet34, .resnet50: "fc"
        case .rnn, .lstm, .gru, .tcn, .transformer, .lstmLM, .gruLM, .transformerLM, .seq2seq, .transformerSeq2seq:
            "head"
        }
    }

    // MARK: Multilayer perceptron

    /// Hidden layers of Linear, normalisation, activation, dropout, and a Linear at the end. Where a layer is added to its
    /// input, what all of them add begins as large as one of them.
    private var perceptron: Sequential {
        let widths = hiddenWidths
        return Sequential {
            for (index, width) in widths.enumerated() {
                let dropout = dropouts?[index] ?? dropout
                if isResidual && index > 0 {
                    Residual { hiddenLayer(inputs: width, width: width, dropout: dropout) }
                } else {
                    hiddenLayer(inputs: index == 0 ? inputs : widths[index - 1], width: width, dropout: dropout)
                }
            }
            Linear(widths.last ?? inputs, outputs)
        }
    }

    @LayerBuilder private func hiddenLayer(inputs: Int, width: Int, dropout: Double) -> [any TensorLayer] {
        Linear(inputs, width)
        switch normalization {
        case .none: [] as [any TensorLayer]
        case .batch: [BatchNorm1d(width)] as [any TensorLayer]
        case .layer: [LayerNorm([width])] as [any TensorLayer]
        case .rms: [RMSNorm([width])] as [any TensorLayer]
        case .group: [GroupNorm(groups: Self.groups, channels: width)] as [any TensorLayer]
        }
        activationLayer
        if dropout > 0 { Dropout(dropout) }
    }

    private var activationLayer: any TensorLayer {
        switch activation {
        case .sigmoid: Sigmoid()
        case .tanh: Tanh()
        case .relu: ReLU()
        case .relu6: ReLU6()
        case .leakyReLU: LeakyReLU()
        case .prelu: PReLU()
        case .rrelu: RReLU()
        case .elu: ELU()
        case .selu: SELU()
        case .celu: CELU()
        case .gelu: GELU()
        case .geluTanh: GELU(approximatesByTanh: true)
        case .silu: SiLU()
        case .mish: Mish()
        case .softplus: Softplus()
        case .softsign: Softsign()
        case .hardtanh: Hardtanh()
        case .hardsigmoid: Hardsigmoid()
        case .hardswish: Hardswish()
        case .logSigmoid: LogSigmoid()
        case .tanhshrink: Tanhshrink()
        case .softshrink: Softshrink()
        case .hardshrink: Hardshrink()
        }
    }

    // MARK: The other models

    private var smallResNet: SmallResNet {
        SmallResNet(
            depth: kind == .resnet20 ? 20 : 56, classes: outputs, channels: sampleShape[0], width: hidden,
            shortcut: .identity, isResidual: isResidual, startsAsIdentity: startsAsIdentity)
    }

    private var recurrentNet: RecurrentClassifier {
        let size = sampleShape[1]
        let start = RecurrentInitialization(forgetGateBias: forgetGateBias)
        let net: RecurrentNet =
            switch kind {
            case .lstm:
                LSTM(
                    inputSize: size, hiddenSize: hidden, layers: layers, isBatchFirst: true,
                    dropout: layers > 1 ? dropout : 0, isBidirectional: isBidirectional, initialization: start)
            case .gru:
                GRU(
                    inputSize: size, hiddenSize: hidden, layers: layers, isBatchFirst: true,
                    dropout: layers > 1 ? dropout : 0, isBidirectional: isBidirectional)
            default:
                RNN(
                    inputSize: size, hiddenSize: hidden, layers: layers,
                    nonlinearity: activation == .relu ? .relu : .tanh, isBatchFirst: true,
                    dropout: layers > 1 ? dropout : 0, isBidirectional: isBidirectional)
            }
        return RecurrentClassifier(net, classes: outputs, dropout: dropout)
    }

    private var temporalConvolution: TemporalConvolutionClassifier {
        TemporalConvolutionClassifier(
            inputs: sampleShape[1], classes: outputs, size: hidden, layers: layers, dropout: dropout,
            longest: sampleShape[0])
    }

    private var transformer: TransformerClassifier {
        TransformerClassifier(
            inputs: sampleShape[1], classes: outputs, size: hidden, heads: heads, layers: layers, dropout: dropout,
            activation: activationLayer, maximumLength: sampleShape[0])
    }

    // MARK: First weights

    /// Nil where each layer keeps its own.
    private var initializer: Initializer? {
        let gain = nonlinearity.gain
        switch initialization {
        case .standard, .lsuv: return nil
        case .zeros: return .zeros
        case .uniform: return .uniform(low: -initializationScale, high: initializationScale)
        case .normal: return .normal(standardDeviation: initializationScale)
        case .truncatedNormal: return .truncatedNormal(standardDeviation: initializationScale)
        case .xavierUniform: return .xavierUniform(gain: gain)
        case .xavierNormal: return .xavierNormal(gain: gain)
        case .heUniform: return .heUniform(nonlinearity: nonlinearity)
        case .heNormal: return .heNormal(nonlinearity: nonlinearity)
        case .lecunUniform: return .leCunUniform()
        case .lecunNormal: return .leCunNormal()
        case .orthogonal: return .orthogonal(gain: gain)
        case .sparse: return .sparse(sparsity: 0.9)
        }
    }

    /// Sets every matrix and kernel; vectors, such as biases and the scales of norms, keep what they have. Recurrent
    /// matrices are set gate by gate, since each gate is a layer of its own.
    private func initialize(_ model: any TensorLayer, by initializer: Initializer) {
        for parameter in model.parameters
        where initializer.ranks.contains(parameter.shape.rank) && parameter.shape.rank >= 2 {
            let device = parameter.device
            let isRecurrent = parameter.name.contains("weight_ih") || parameter.name.contains("weight_hh")
            let gates = isRecurrent ? kind.recurrentKind?.blockCount ?? 1 : 1
            let shape = Shape([parameter.shape[0] / gates] + parameter.shape.sizes.dropFirst())
            parameter.assign(.concatenated((0..<gates).map { _ in initializer.make(shape, device: device) }))
        }
    }

    /// The gain for the activation; those without one of their own take ReLU's, which they resemble.
    private var nonlinearity: Nonlinearity {
        switch (kind, activation) {
        // Over many steps, the gain of a ReLU makes states that stay positive grow without bound.
        case (.rnn, _), (.lstm, _), (.gru, _), (.lstmLM, _), (.gruLM, _), (.seq2seq, _): .linear
        case (_, .sigmoid), (_, .hardsigmoid), (_, .softsign), (_, .logSigmoid), (_, .tanhshrink): .sigmoid
        case (_, .tanh), (_, .hardtanh): .tanh
        case (_, .leakyReLU): .leakyReLU(slope: 0.01)
        case (_, .prelu): .leakyReLU(slope: 0.25)
        case (_, .selu): .selu
        default: .relu
        }
    }
}

extension ModelSettings.Kind {
    /// What its recurrent layers are made of; nil where it has none.
    fileprivate var recurrentKind: RecurrentKind? {
        switch self {
        case .lstmLM, .seq2seq: .lstm
        case .gruLM: .gru
        default: RecurrentKind(rawValue: rawValue)
        }
    }
}
