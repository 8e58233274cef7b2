import ArgumentParser
import GimbalTrain

/// What to train. Every option may be left out: a new run then takes the default, a resumed one what it began with.
struct ModelOptions: ParsableArguments {
    @Option(
        help:
            "The model; rnn, lstm, gru, tcn and transformer read the rows of an image, or the features, as a sequence, those on -lm a text, and those of seq2seq pairs of texts. (default: \(Defaults.kind.rawValue))"
    )
    var model: ModelSettings.Kind?
    @Option(
        help: ArgumentHelp(
            "Units in each hidden layer, channels of a ResNet's first stage, width of a Transformer; of an mlp also a list, a number for each layer. (default: \(Defaults.byKind { $0.hidden }))",
            valueName: "units,…"))
    var hidden: LayerList<Int>?
    @Option(
        help:
            "Number of hidden, recurrent or attention layers. (default: \(Defaults.byKind(except: \.isResNet) { $0.layers }))"
    )
    var layers: Int?
    @Option(
        help:
            "What follows each hidden layer of an mlp; tanh or relu for rnn, relu or gelu for transformer. (default: \(Defaults.byKind(except: { !$0.hasActivation }) { $0.activation.rawValue }))"
    )
    var activation: ModelSettings.Activation?
    @Option(
        name: .customLong("init"),
        help:
            "How weights begin; default is each layer's own, as in PyTorch. (default: \(Defaults.model().initialization.rawValue))"
    )
    var initialization: ModelSettings.Initialization?
    @Option(
        help:
            "Standard deviation of --init normal and truncated-normal, half width of uniform. (default: \(Defaults.model().initializationScale.text))"
    )
    var initScale: Double?
    @Option(
        help:
            "Normalisation between a hidden layer of an mlp and its activation. (default: \(Defaults.model().normalization.rawValue); \(Defaults.model(isTable: true).normalization.rawValue) for tables)"
    )
    var norm: ModelSettings.Normalization?
    @Flag(
        inversion: .prefixedNo,
        help:
            "Add the input of each hidden layer after the first to its output; a ResNet without is the plain net. (default: \(Defaults.byKind(except: { $0 != .mlp && !$0.isResNet }) { $0.isResidual.text }))"
    )
    var residual: Bool?
    @Flag(
        inversion: .prefixedNo,
        help:
            "Let every block of a ResNet begin as the identity. (default: \(Defaults.model(.resnet20).startsAsIdentity.text))"
    )
    var zeroInitResidual: Bool?
    @Flag(
        inversion: .prefixedNo,
        help: "Read sequences in both directions. (default: \(Defaults.model(.lstm).isBidirectional.text))")
    var bidirectional: Bool?
    @Option(help: "What the bias of an LSTM's forget gate begins with. (default: as all biases)")
    var forgetBias: Double?
    @Option(help: "Attention heads. (default: \(Defaults.model(.transformer).heads))")
    var heads: Int?
    @Option(
        help: ArgumentHelp(
            "Probability of dropping a hidden unit; of an mlp also a list, a number for each hidden layer. (default: \(Defaults.byKind(except: \.isResNet) { $0.dropout.text }))",
            valueName: "probability,…"))
    var dropout: LayerList<Double>?

    /// The kind of a new model.
    var kind: ModelSettings.Kind { model ?? Defaults.kind }

    /// What was given and has no effect, in words.
    func unused(in settings: ModelSettings) -> [String] {
        var notes: [String] = []
        let scaled: [ModelSettings.Initialization] = [.normal, .truncatedNormal, .uniform]
        if initScale != nil, !scaled.contains(settings.initialization) {
            notes.append("--init-scale has no effect with --init \(settings.initialization.rawValue)")
        }
        // As many as the recipe has are no mistake.
        if layers != nil, settings.kind == .tcn, settings.layers > Defaults.model(.tcn).layers {
            let length = settings.sampleShape[0]
            let reaching = TemporalConvolutionClassifier.layers(reaching: length)
            if settings.layers > reaching, (length - 1) >> min(settings.layers - 1, 62) == 0 {
                notes.append(
                    "--layers \(settings.layers): the last look back beyond a sequence of \(counted(length, "step")), the whole of which \(reaching) "
                        + "\(reaching == 1 ? "reaches" : "reach")")
            }
        }
        return notes
    }

    /// The settings for data of these sizes, or those of the run to be resumed.
    func settings(
        for dataset: any SupervisedData, isTable: Bool, resuming saved: ModelSettings?
    ) throws -> ModelSettings {
        var result = saved ?? ModelSettings(kind: kind, for: dataset, isTable: isTable)
        let isNew = saved == nil
        try refuseForeignOptions(result.kind)
        try take(model, "kind", into: &result.kind, isNew)
        try hidden?.requireAgreement(with: saved?.widths, "--hidden")
        try dropout?.requireAgreement(with: saved?.dropouts, "--dropout")
        try take(hidden?.single, "hidden", into: &result.hidden, isNew)
        try take(optional(hidden?.list), "widths", into: &result.widths, isNew)
        try take(layers, "layers", into: &result.layers, isNew)
        try take(activation, "activation", into: &result.activation, isNew)
        try take(initialization, "initialization", into: &result.initialization, isNew)
        try take(initScale, "initializationScale", into: &result.initializationScale, isNew)
        try take(norm, "normalization", into: &result.normalization, isNew)
        try take(residual, "isResidual", into: &result.isResidual, isNew)
        try take(zeroInitResidual, "startsAsIdentity", into: &result.startsAsIdentity, isNew)
        try take(bidirectional, "isBidirectional", into: &result.isBidirectional, isNew)
        try take(optional(forgetBias), "forgetGateBias", into: &result.forgetGateBias, isNew)
        try take(heads, "heads", into: &result.heads, isNew)
        try take(dropout?.single, "dropout", into: &result.dropout, isNew)
        try take(optional(dropout?.list), "dropouts", into: &result.dropouts, isNew)
        try result.validate()
        return result
    }

    /// An option that the model has no use for is a mistake that should not pass in silence.
    private func refuseForeignOptions(_ kind: ModelSettings.Kind) throws {
        let foreign: [(isGiven: Bool, isOwn: Bool, name: String)] = [
            (layers != nil, !kind.isResNet, "--layers"),
            (activation != nil, kind.hasActivation, "--activation"),
            (norm != nil, kind == .mlp, "--norm"),
            (residual != nil, kind == .mlp || kind.isResNet, "--residual"),
            (zeroInitResidual != nil, kind.isResNet, "--zero-init-residual"),
            (bidirectional != nil, kind.isRecurrent, "--bidirectional"),
            (forgetBias != nil, kind == .lstm, "--forget-bias"),
            (heads != nil, kind.hasHeads, "--heads"),
            (dropout != nil, !kind.isResNet, "--dropout"),
        ]
        for option in foreign where option.isGiven && !option.isOwn {
            throw GimbalError.invalidSetting(name: option.name, reason: "has no meaning for --model \(kind.rawValue)")
        }
    }
}

extension ModelSettings.Kind {
    /// Whether the activation can be chosen.
    var hasActivation: Bool { self == .mlp || self == .rnn || self == .transformer }
}

extension ModelSettings.Kind: ExpressibleByArgument {}
extension ModelSettings.Activation: ExpressibleByArgument {}
extension ModelSettings.Initialization: ExpressibleByArgument {}
extension ModelSettings.Normalization: ExpressibleByArgument {}
