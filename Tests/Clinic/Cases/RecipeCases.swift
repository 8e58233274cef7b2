import GimbalTrain

/// Runs that the command's flags can spell: those that the doctor can cure, beside the same with the cure that is known,
/// and those that come with each kind of model.
let recipeCases: [ClinicCase] =
    .pairs(
        // First weights and functions
        recipePair("C1", "50 x 64 sigmoid, N(0, 0.01)", [.saturatingActivations, .smallWeights]) {
            $0.model.set(50, 64, .sigmoid, .normal)
        } cured: {
            $0.model.set(50, 64, .relu, .heNormal, .batch)
            $0.model.isResidual = true
        },
        recipePair("C2", "20 x 64 sigmoid, Xavier, Adam", [.saturatingActivations]) {
            $0.model.set(20, 64, .sigmoid, .xavierNormal)
            $0.training.take(.adam, 1e-3)
        } cured: {
            $0.model.set(20, 64, .relu, .heNormal, .batch)
            $0.model.isResidual = true
            $0.training.take(.adam, 1e-3)
        },
        recipePair("C3", "30 x 64 ReLU, Xavier", [.smallWeights]) {
            $0.model.set(30, 64, .relu, .xavierNormal, scale: 1)
            $0.model.initialization = .lecunNormal
            $0.training.take(.sgd, 0.01)
        } cured: {
            $0.model.set(30, 64, .relu, .heNormal)
            $0.training.take(.sgd, 0.01)
        },
        recipePair("C4", "20 x 128 ReLU, N(0, 0.01)", [.smallWeights]) {
            $0.model.set(20, 128, .relu, .normal)
        } cured: {
            $0.model.set(20, 128, .relu, .heNormal, .batch)
        },
        recipePair("C5", "20 x 100 tanh, U(±0.05)", [.smallWeights]) {
            $0.model.set(20, 100, .tanh, .uniform, scale: 0.05)
            $0.training.take(.sgd, 0.01)
        } cured: {
            $0.model.set(20, 100, .tanh, .xavierNormal)
            $0.training.take(.sgd, 0.01)
        },
        recipePair("C6", "3 x 128 ReLU, all weights 0", [.zeroWeights]) {
            $0.model.set(3, 128, .relu, .zeros)
        } cured: {
            $0.model.set(3, 128, .relu, .heNormal)
        },
        recipePair("C7", "20 x 128 ReLU, N(0, 0.3)", [.largeWeights]) {
            $0.model.set(20, 128, .relu, .normal, scale: 0.3)
            $0.training.take(.sgd, 0.01)
        } cured: {
            $0.model.set(20, 128, .relu, .heNormal)
            $0.training.take(.sgd, 0.01)
        },
        recipePair("C8", "3 x 256 ReLU, N(0, 1), Adam", [.largeWeights]) {
            $0.model.set(3, 256, .relu, .normal, scale: 1)
            $0.training.take(.adam, 3e-3)
        } cured: {
            $0.model.set(3, 256, .relu, .heNormal)
            $0.training.take(.adam, 1e-3)
        },
        recipePair("C9", "4 x 128 tanh, N(0, 1)", [.largeWeights]) {
            $0.model.set(4, 128, .tanh, .normal, scale: 1)
            $0.training.take(.sgd, 0.01)
        } cured: {
            $0.model.set(4, 128, .tanh, .xavierNormal)
            $0.training.take(.sgd, 0.01)
        },
        recipePair("C10", "40 x 64 with batch normalisation, no shortcuts", [.depthWithoutShortcuts]) {
            $0.model.set(40, 64, .relu, .heNormal, .batch)
            $0.training.take(.sgd, 0.01)
        } cured: {
            $0.model.set(40, 64, .relu, .heNormal, .batch)
            $0.model.isResidual = true
            $0.training.take(.sgd, 0.01)
        },
        recipePair("C11", "12 x 2 ReLU", [.narrowLayers]) {
            $0.model.set(12, 2, .relu, .heNormal)
            $0.training.take(.adam, 1e-3)
        } cured: {
            $0.model.set(12, 32, .relu, .heNormal)
            $0.training.take(.adam, 1e-3)
        },
        // Rate
        recipePair("C12", "3 x 128 ReLU, rate 5", [.learningRateTooHigh]) {
            $0.model.set(3, 128, .relu, .heNormal)
            $0.training.take(.sgd, 5)
        } cured: {
            $0.model.set(3, 128, .relu, .heNormal)
            $0.training.take(.sgd, 0.1)
        },
        recipePair("C13", "3 x 128 ReLU, Adam 0.3", [.learningRateTooHigh]) {
            $0.model.set(3, 128, .relu, .heNormal)
            $0.training.take(.adam, 0.3)
        } cured: {
            $0.model.set(3, 128, .relu, .heNormal)
            $0.training.take(.adam, 1e-3)
        },
        recipePair("C14", "2 x 64 ReLU, Adam 1e-6", [.learningRateTooLow]) {
            $0.model.set(2, 64, .relu, .heNormal)
            $0.training.take(.adam, 1e-6)
        } cured: {
            $0.model.set(2, 64, .relu, .heNormal)
            $0.training.take(.adam, 1e-3)
        },
        recipePair("C15", "2 x 64 ReLU, rate 1e-12", [.learningRateTooLow]) {
            $0.model.set(2, 64, .relu, .heNormal)
            $0.training.take(.sgd, 1e-12)
        } cured: {
            $0.model.set(2, 64, .relu, .heNormal)
            $0.training.take(.sgd, 0.1)
        },
        recipePair("C16", "3 x 128 ReLU, rate 0.1, momentum 0.99", [.momentumTooHigh, .learningRateTooHigh]) {
            $0.model.set(3, 128, .relu, .heNormal)
            $0.training.take(.sgd, 0.1)
            $0.training.momentum = 0.99
            $0.training.clipNorm = nil
        } cured: {
            $0.model.set(3, 128, .relu, .heNormal)
            $0.training.take(.sgd, 0.02)
            $0.training.momentum = 0.9
        },
        recipePair("C17", "3 x 128 ReLU, L2 0.5", [.penaltyTooStrong]) {
            $0.model.set(3, 128, .relu, .heNormal)
            $0.training.take(.sgd, 0.1)
            $0.training.weightDecay = 0.5
        } cured: {
            $0.model.set(3, 128, .relu, .heNormal)
            $0.training.take(.sgd, 0.1)
            $0.training.weightDecay = 1e-4
        },
        recipePair("C18", "2 x 64 ReLU, dropout 0.95", [.excessiveDropout]) {
            $0.model.set(2, 64, .relu, .heNormal)
            $0.model.dropout = 0.95
            $0.training.take(.adam, 1e-3)
        } cured: {
            $0.model.set(2, 64, .relu, .heNormal)
            $0.model.dropout = 0.2
            $0.training.take(.adam, 1e-3)
        },
        // Scale
        recipePair("C19", "2 x 64 ReLU, pixels in thousands", [.inputScale], data: { try changed($0, input: 5000) }) {
            $0.model.set(2, 64, .relu, .heNormal)
            $0.training.take(.sgd, 0.05)
        } cured: {
            $0.model.set(2, 64, .relu, .heNormal)
            $0.training.take(.sgd, 0.05)
        },
        recipePair(
            "C20", "2 x 64 sigmoid, raw table of breast cancer", [.inputScale],
            data: { _ in try ClinicData.toyTable("breast_cancer") }
        ) {
            $0.model.set(2, 64, .sigmoid, .xavierNormal)
            $0.training.take(.sgd, 0.1)
        } cured: {
            $0.model.set(2, 64, .sigmoid, .xavierNormal)
            $0.training.take(.sgd, 0.1)
        },
        recipePair(
            "C21", "regression of targets 25...346, rate 0.05", [.targetScale],
            data: { _ in table(scale: 160, shift: 180) }
        ) {
            $0.model.set(2, 64, .relu, .heNormal)
            $0.training.take(.sgd, 0.05)
        } cured: {
            $0.model.set(2, 64, .relu, .heNormal)
            $0.training.take(.sgd, 0.05)
        },
        recipePair(
            "C22", "regression of targets about 50 000, Adam", [.targetScale],
            data: { _ in table(scale: 2e4, shift: 5e4) }
        ) {
            $0.model.set(2, 64, .relu, .heNormal)
            $0.training.take(.adam, 1e-3)
        } cured: {
            $0.model.set(2, 64, .relu, .heNormal)
            $0.training.take(.adam, 1e-3)
        },
        // Recurrence
        recipePair("C23", "LSTM over 64 pixels one by one, forget bias -4", [.closedForgetGates]) {
            $0.model = ModelSettings(kind: .lstm, inputShape: [64], outputs: 10)
            ($0.model.hidden, $0.model.forgetGateBias) = (32, -4)
            $0.training.take(.adam, 5e-3)
        } cured: {
            $0.model = ModelSettings(kind: .lstm, inputShape: [64], outputs: 10)
            ($0.model.hidden, $0.model.forgetGateBias) = (32, 1)
            $0.training.take(.adam, 5e-3)
        },
        recipePair("C24", "ReLU RNN over 64 pixels, N(0, 0.5)", [.unstableRecurrence]) {
            $0.model = ModelSettings(kind: .rnn, inputShape: [64], outputs: 10)
            ($0.model.hidden, $0.model.activation) = (32, .relu)
            ($0.model.initialization, $0.model.initializationScale) = (.normal, 0.5)
            $0.training.take(.sgd, 0.01)
            $0.training.clipNorm = nil
        } cured: {
            $0.model = ModelSettings(kind: .rnn, inputShape: [64], outputs: 10)
            ($0.model.hidden, $0.model.activation, $0.model.initialization) = (32, .relu, .orthogonal)
            $0.training.take(.sgd, 0.01)
            $0.training.clipNorm = 1
        }
    ) + kindRecipes

/// The recipe that comes with each kind of model that reads no text, on the data sets that it takes; ResNet-56 on digits alone,
/// for its size.
private let kindRecipes: [ClinicCase] = ModelSettings.Kind.allCases.filter { !$0.isOfTokens }.flatMap {
    kind -> [ClinicCase] in
    var sets = [recipe(of: kind, on: "digits") { ClinicData.mixed(Dataset.digits()) }]
    if kind != .resnet56 {
        sets.append(recipe(of: kind, on: "MNIST") { try ClinicData.images("mnist") })
        sets.append(recipe(of: kind, on: "Fashion-MNIST") { try ClinicData.images("fashion-mnist") })
    }
    if !kind.isResNet {
        for name in ["breast_cancer", "iris"] {
            sets.append(
                recipe(of: kind, on: name, isTable: true) {
                    let table = try ClinicData.toyTable(name)
                    return Standardization(fittedTo: table)(table)
                })
        }
    }
    return sets
}

private func recipe(
    of kind: ModelSettings.Kind, on name: String, isTable: Bool = false, data: @escaping @Sendable () throws -> Dataset
) -> ClinicCase {
    .healthy("recipe \(kind.rawValue)", "the recipe of \(kind.rawValue) on \(name)") {
        let (train, validation) = try data().split(trainFraction: 0.8)
        var training = TrainingSettings(for: kind, isTable: isTable)
        training.batchSize = min(training.batchSize, 32)
        return RecipePatient(
            recipe: Recipe(model: ModelSettings(kind: kind, for: train, isTable: isTable), training: training),
            train: train, validation: validation)
    }
}

/// A sick run on digits, unless `data` makes another data set of them, and the cured run on standardised data where the
/// illness is one of scale.
private func recipePair(
    _ name: String, _ title: String, _ illnesses: Set<Illness>,
    data: @escaping @Sendable (Dataset) throws -> Dataset = { $0 },
    sick: @escaping @Sendable (inout Recipe) -> Void, cured: @escaping @Sendable (inout Recipe) -> Void
) -> [ClinicCase] {
    let isScale = !illnesses.isDisjoint(with: [.inputScale, .targetScale])
    @Sendable func patient(isSick: Bool) throws -> RecipePatient {
        let all = try data(ClinicData.mixed(Dataset.digits().flattened))
        var (train, validation) = all.split(trainFraction: 0.8)
        let standardization = Standardization(fittedTo: train)
        if isScale && !isSick { (train, validation) = (standardization(train), standardization(validation)) }
        var recipe = Recipe(model: ModelSettings(for: train), training: TrainingSettings())
        recipe.training.epochs = 30
        var twin = recipe
        sick(&recipe)
        cured(&twin)
        return RecipePatient(
            recipe: isSick ? recipe : twin, twin: isSick ? { try patient(isSick: false) } : nil, train: train,
            validation: validation)
    }
    return [
        ClinicCase(name, title, illnesses) { try patient(isSick: true) },
        ClinicCase(name + " cured", title + ", cured", []) { try patient(isSick: false) },
    ]
}

extension ModelSettings {
    fileprivate mutating func set(
        _ layers: Int, _ hidden: Int, _ activation: Activation, _ initialization: Initialization,
        _ normalization: Normalization = .none, scale: Double = 0.01
    ) {
        (self.layers, self.hidden, self.activation) = (layers, hidden, activation)
        (self.initialization, self.normalization, initializationScale) = (initialization, normalization, scale)
    }
}

extension TrainingSettings {
    fileprivate mutating func take(_ optimizer: OptimizerKind, _ rate: Double) {
        (self.optimizer, learningRate) = (optimizer, rate)
    }
}

/// The data set with inputs multiplied.
@Sendable private func changed(_ data: Dataset, input factor: Float) throws -> Dataset {
    let floats = data.batch([Int](0..<data.count)).inputs.map { $0 * factor }
    return Dataset(name: data.name, inputShape: data.inputShape, inputs: .floats(floats), targets: data.targets)
}

/// Eight standardised features, and a number that depends on them.
@Sendable private func table(scale: Double, shift: Double) -> Dataset {
    let batch = ClinicData.regression(8, scale: scale, shift: shift, 1200)(0)
    return Dataset(
        name: "table", inputShape: [8], inputs: .floats(try! batch.x.floats()),
        targets: .values(try! batch.y.floats(), width: 1))
}
