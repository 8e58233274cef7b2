import Foundation
import GimbalDoctor
import GimbalTrain
import Testing

/// A model, its data, loss and optimizer, as a user has them.
struct Patient: Sendable, CustomTestStringConvertible {
    let name: String
    /// What is wrong; nil for a healthy one. Any of them counts as right.
    let illnesses: Set<Illness>
    let make: @Sendable () -> (Module, Batch, any Optimizer, (Batch) -> Tensor)

    struct Batch {
        var x: Tensor
        var y: Tensor
    }

    init(
        _ name: String, _ illnesses: Illness...,
        make: @escaping @Sendable () -> (Module, Batch, any Optimizer, (Batch) -> Tensor)
    ) {
        self.name = name
        self.illnesses = Set(illnesses)
        self.make = make
    }

    var testDescription: String { name }

    func diagnose(seed: UInt64) throws -> Diagnosis {
        try withGenerator(RandomGenerator(seed: seed)) {
            let (model, batch, optimizer, loss) = make()
            return try Doctor().examine(model, on: batch, optimizer: optimizer, loss: loss)
        }
    }
}

/// Hidden layers of `width` between inputs and outputs.
func perceptron(
    _ inputs: Int, _ width: Int, _ layers: Int, _ outputs: Int,
    _ function: @escaping () -> any TensorLayer = { ReLU() },
    norm: Bool = false, _ initializer: Initializer? = nil
) -> Sequential {
    let model = Sequential {
        for layer in 0..<layers {
            Linear(layer == 0 ? inputs : width, width)
            if norm { BatchNorm1d(width) }
            function()
        }
        Linear(layers == 0 ? inputs : width, outputs)
    }
    guard let initializer else { return model }
    for parameter in model.parameters where parameter.shape.rank > 1 {
        parameter.assign(initializer.make(parameter.shape, device: .current))
    }
    return model
}

enum Samples {
    nonisolated(unsafe) static let digits: Patient.Batch = {
        let batch = Dataset.digits().prefix(128).batch([Int](0..<128)).to(.current)
        return Patient.Batch(x: batch.inputs.reshaped([128, 64]), y: batch.targets)
    }()
    /// Standardised inputs of a table, and targets that depend on them.
    static func table(_ features: Int, scale: Double = 1, shift: Double = 0) -> Patient.Batch {
        let x = Tensor.normal([128, features])
        let y = (x.sum([1], keepsAxes: true) / Double(features).squareRoot()).tanh() * scale + shift
        return Patient.Batch(x: x, y: y)
    }
    static func sequences(_ steps: Int) -> Patient.Batch {
        let x = Tensor.normal([steps, 32, 2])
        return Patient.Batch(x: x, y: Tensor.normal([32, 1]))
    }
}

private func classify(
    _ model: Sequential, _ optimizer: (([Parameter]) -> any Optimizer)? = nil, on batch: Patient.Batch
)
    -> (Module, Patient.Batch, any Optimizer, (Patient.Batch) -> Tensor)
{
    (
        model, batch, optimizer?(model.parameters) ?? SGD(model.parameters, learningRate: 0.1),
        { crossEntropy(model($0.x), $0.y) }
    )
}

private func regress(
    _ model: Sequential, rate: Double = 0.01, on batch: Patient.Batch,
    loss: @escaping (Tensor, Tensor) -> Tensor = { meanSquaredError($0, $1) }
) -> (Module, Patient.Batch, any Optimizer, (Patient.Batch) -> Tensor) {
    (model, batch, SGD(model.parameters, learningRate: rate), { loss(model($0.x), $0.y) })
}

let sick: [Patient] = [
    Patient("S1", .saturatingActivations, .smallWeights) {
        classify(perceptron(64, 256, 50, 10, { Sigmoid() }, .normal(standardDeviation: 0.01)), on: Samples.digits)
    },
    Patient("S2", .saturatingActivations) {
        classify(perceptron(64, 256, 50, 10, { Sigmoid() }, .xavierNormal()), { Adam($0) }, on: Samples.digits)
    },
    Patient("S4", .smallWeights) {
        classify(
            perceptron(64, 64, 16, 10, { ReLU() }, .uniform(low: -0.05, high: 0.05)), { Adam($0) }, on: Samples.digits)
    },
    Patient("S5", .smallWeights) {
        classify(
            perceptron(64, 256, 30, 10, { ReLU() }, .xavierNormal()), { SGD($0, learningRate: 0.01) },
            on: Samples.digits)
    },
    Patient("S6", .smallWeights) {
        classify(perceptron(64, 256, 50, 10, { ReLU() }, .normal(standardDeviation: 0.01)), on: Samples.digits)
    },
    Patient("S7", .smallWeights) {
        classify(
            perceptron(64, 100, 20, 10, { Tanh() }, .uniform(low: -0.1, high: 0.1)), { SGD($0, learningRate: 0.01) },
            on: Samples.digits)
    },
    Patient("S8", .identicalUnits) {
        classify(perceptron(64, 128, 3, 10, { ReLU() }, .constant(0.05)), on: Samples.digits)
    },
    Patient("S9", .zeroWeights) { classify(perceptron(64, 128, 3, 10, { ReLU() }, .zeros), on: Samples.digits) },
    Patient("S13", .depthWithoutShortcuts) {
        classify(
            perceptron(64, 128, 50, 10, { ReLU() }, norm: true, .heNormal()), { SGD($0, learningRate: 0.01) },
            on: Samples.digits)
    },
    Patient("S15", .largeWeights) {
        classify(
            perceptron(64, 256, 50, 10, { ReLU() }, .normal(standardDeviation: 0.2)), { SGD($0, learningRate: 0.01) },
            on: Samples.digits)
    },
    Patient("S16", .largeWeights) {
        classify(
            perceptron(64, 500, 3, 10, { ReLU() }, .normal(standardDeviation: 1)), { Adam($0, learningRate: 3e-3) },
            on: Samples.digits)
    },
    Patient("S17", .largeWeights) {
        classify(
            perceptron(64, 256, 50, 10, { Tanh() }, .normal(standardDeviation: 3.0 / 16)),
            { SGD($0, learningRate: 0.01) }, on: Samples.digits)
    },
    Patient("S36", .largeWeights) {
        classify(
            perceptron(64, 128, 4, 10, { Tanh() }, .normal(standardDeviation: 1)), { SGD($0, learningRate: 0.01) },
            on: Samples.digits)
    },
    Patient("S11", .fadingMemory) { recurrent(RNN(inputSize: 2, hiddenSize: 64), 200) },
    Patient("S12", .closedForgetGates) {
        recurrent(LSTM(inputSize: 2, hiddenSize: 64, initialization: .init(forgetGateBias: -2)), 200)
    },
    Patient("S18", .unstableRecurrence) {
        recurrent(
            RNN(
                inputSize: 2, hiddenSize: 64, nonlinearity: .relu,
                initialization: .init(hiddenWeight: .normal(standardDeviation: 1.5 * 2.0.squareRoot() / 8))), 200)
    },
    Patient("S19", .inputScale) { line((0..<100).map { Float($0) }, rate: 0.5) },
    Patient("S21", .learningRateTooHigh) { line([-8, -6, -4, -2, 2, 4, 6, 8], rate: 0.1) },
    Patient("S22", .inputScale) {
        classify(perceptron(64, 0, 0, 10), on: .init(x: Samples.digits.x * 255, y: Samples.digits.y))
    },
    Patient("S23", .targetScale) {
        regress(perceptron(8, 50, 2, 1), rate: 0.1, on: Samples.table(8, scale: 60, shift: 60))
    },
    Patient("S24", .targetScale) {
        regress(perceptron(8, 64, 2, 1), rate: 0.1, on: Samples.table(8, scale: 160, shift: 180))
    },
    Patient("S28", .narrowLayers) {
        var model = perceptron(8, 2, 10, 1, { ReLU() }, .heNormal())
        // A seed with a dead layer, as 88 % are.
        while try! model(Samples.table(8).x).variance().item() > 0 {
            model = perceptron(8, 2, 10, 1, { ReLU() }, .heNormal())
        }
        return regress(model, on: Samples.table(8))
    },
    Patient("S29", .lowBiases) {
        let model = perceptron(64, 128, 3, 10)
        for parameter in model.parameters.prefix(2) where parameter.shape.rank == 1 {
            parameter.assign(.full(like: parameter.value, -5))
        }
        return classify(model, on: Samples.digits)
    },
    Patient("S30", .learningRateTooHigh) {
        classify(perceptron(64, 128, 3, 10, { ReLU() }, .heNormal()), { SGD($0, learningRate: 5) }, on: Samples.digits)
    },
    Patient("S31", .rectifiedOutput) {
        let model = perceptron(64, 128, 2, 10)
        return (
            model, Samples.digits, Adam(model.parameters), { crossEntropy(model($0.x).relu(), $0.y) }
        )
    },
    Patient("S32", .rectifiedOutput) {
        regress(perceptron(8, 32, 1, 1), on: Samples.table(8)) { meanSquaredError($0.relu(), $1) }
    },
    Patient("S35", .inputScale) {
        classify(
            perceptron(64, 128, 2, 10, { Sigmoid() }, .xavierNormal()),
            on: .init(x: Samples.digits.x * 255, y: Samples.digits.y))
    },
    Patient("S38", .boundedOutput) {
        regress(perceptron(1, 5, 1, 1, { Sigmoid() }), on: Samples.table(1, scale: 3)) {
            meanSquaredError($0.sigmoid(), $1)
        }
    },
    Patient("S39", .softmaxOfOne) {
        let model = perceptron(8, 32, 1, 1)
        return regress(model, on: binary(8)) { binaryCrossEntropy($0.softmax(), $1) }
    },
    Patient("S40", .doubleSoftmax) {
        let model = perceptron(64, 128, 2, 10)
        return (
            model, Samples.digits, SGD(model.parameters, learningRate: 0.1),
            { crossEntropy(model($0.x).softmax(), $0.y) }
        )
    },
    Patient("S41", .softmaxOverBatch) {
        let model = perceptron(64, 128, 2, 10)
        return (
            model, Samples.digits, SGD(model.parameters, learningRate: 0.1),
            { negativeLogLikelihood(model($0.x).softmax(axis: 0).log(), $0.y) }
        )
    },
    Patient("S42", .unfittingLoss) {
        let model = perceptron(64, 20, 2, 10)
        let targets = oneHot(Samples.digits.y, 10)
        return (
            model, .init(x: Samples.digits.x, y: targets), SGD(model.parameters, learningRate: 0.1),
            { meanSquaredError(model($0.x).softmax(), $0.y) }
        )
    },
    Patient("S44", .unfittingLoss) {
        let model = perceptron(64, 20, 2, 10)
        return (
            model, .init(x: Samples.digits.x, y: oneHot(Samples.digits.y, 10)), Adamax(model.parameters),
            { binaryCrossEntropy(model($0.x).sigmoid(), $0.y) }
        )
    },
    Patient("S45", .summedLoss) {
        let model = perceptron(64, 128, 2, 10)
        return (
            model, Samples.digits, SGD(model.parameters, learningRate: 0.1),
            { crossEntropy(model($0.x), $0.y, reduction: .sum) }
        )
    },
    Patient("S46", .unsafeLogarithm) {
        let model = perceptron(64, 0, 0, 10)
        return (
            model, .init(x: Samples.digits.x, y: oneHot(Samples.digits.y, 10)),
            SGD(model.parameters, learningRate: 0.01),
            { -($0.y * model($0.x).softmax().log()).sum() }
        )
    },
    Patient("S47", .constantTargets) {
        classify(
            perceptron(64, 128, 2, 10), on: .init(x: Samples.digits.x, y: Tensor([Int32](repeating: 0, count: 128))))
    },
    Patient("S50", .learningRateTooHigh) {
        classify(perceptron(64, 128, 3, 10), { Adam($0, learningRate: 0.1, epsilon: 1e-16) }, on: Samples.digits)
    },
    Patient("S52", .learningRateTooLow) {
        classify(perceptron(64, 128, 3, 10), { SGD($0, learningRate: 1e-12) }, on: Samples.digits)
    },
    Patient("S59", .unheldParameters) {
        let (old, model) = (perceptron(64, 128, 3, 10), perceptron(64, 128, 3, 10))
        return classify(model, { _ in Adam(old.parameters) }, on: Samples.digits)
    },
    Patient("S63", .nonFiniteInput) {
        let bad = Tensor([Float](repeating: 0, count: 127 * 64) + [Float](repeating: .nan, count: 64), [128, 64])
        return classify(perceptron(64, 128, 2, 10), on: .init(x: Samples.digits.x + bad, y: Samples.digits.y))
    },
    Patient("S68", .inputScale) {
        classify(perceptron(64, 128, 2, 10), on: .init(x: Samples.digits.x / 255, y: Samples.digits.y))
    },
]

let healthy: [Patient] = [
    Patient("seed") { classify(perceptron(64, 128, 3, 10), on: Samples.digits) },
    Patient("adam") { classify(perceptron(64, 128, 3, 10), { Adam($0) }, on: Samples.digits) },
    Patient("he 50") {
        classify(
            perceptron(64, 256, 50, 10, { ReLU() }, .heNormal()), { SGD($0, learningRate: 1e-3) }, on: Samples.digits)
    },
    Patient("norm, residual") {
        let model = Sequential {
            Linear(64, 128)
            for _ in 0..<50 {
                Residual {
                    BatchNorm1d(128); ReLU(); Linear(128, 128)
                }
            }
            BatchNorm1d(128)
            Linear(128, 10)
        }
        return classify(model, { SGD($0, learningRate: 0.01) }, on: Samples.digits)
    },
    Patient("norm 10") {
        classify(
            perceptron(64, 128, 10, 10, { ReLU() }, norm: true), { SGD($0, learningRate: 0.01) }, on: Samples.digits)
    },
    Patient("tanh") {
        classify(
            perceptron(64, 100, 20, 10, { Tanh() }, .xavierNormal()), { SGD($0, learningRate: 0.01) },
            on: Samples.digits)
    },
    Patient("tanh orthogonal") {
        classify(
            perceptron(64, 100, 20, 10, { Tanh() }, .orthogonal()), { SGD($0, learningRate: 0.01) }, on: Samples.digits)
    },
    Patient("sigmoid 2") { classify(perceptron(64, 128, 2, 10, { Sigmoid() }), on: Samples.digits) },
    Patient("selu") {
        classify(
            perceptron(64, 128, 20, 10, { SELU() }, .leCunNormal()), { SGD($0, learningRate: 0.01) }, on: Samples.digits
        )
    },
    Patient("gelu") { classify(perceptron(64, 128, 4, 10, { GELU() }), { AdamW($0) }, on: Samples.digits) },
    Patient("zero head N3") {
        let model = perceptron(64, 128, 3, 10)
        model.parameters[model.parameters.count - 2].assign(.zeros([10, 128]))
        return classify(model, on: Samples.digits)
    },
    Patient("residual N2") {
        let model = Sequential {
            Linear(64, 64)
            for _ in 0..<8 {
                Residual {
                    Linear(64, 64); ReLU(); Linear(64, 64)
                }
            }
            Linear(64, 10)
        }
        for (index, parameter) in model.parameters.enumerated() where index % 4 == 0 && index > 3 && index < 36 {
            parameter.assign(.zeros(parameter.shape))
        }
        return classify(model, on: Samples.digits)
    },
    Patient("regression") { regress(perceptron(8, 64, 2, 1), on: Samples.table(8)) },
    Patient("line") { line([-8, -6, -4, -2, 2, 4, 6, 8], rate: 0.02) },
    Patient("softmax regression") { classify(perceptron(64, 0, 0, 10), on: Samples.digits) },
    Patient("binary") {
        regress(perceptron(8, 32, 1, 1), rate: 0.1, on: binary(8)) { binaryCrossEntropyWithLogits($0, $1) }
    },
    Patient("binary sigmoid") {
        regress(perceptron(8, 32, 1, 1), rate: 0.1, on: binary(8)) { binaryCrossEntropy($0.sigmoid(), $1) }
    },
    Patient("autoencoder") {
        let model = perceptron(64, 32, 2, 64)
        return (
            model, .init(x: Samples.digits.x, y: Samples.digits.x), Adam(model.parameters),
            { meanSquaredError(model($0.x).sigmoid(), $0.y) }
        )
    },
    Patient("nll") {
        let model = perceptron(64, 128, 2, 10)
        return (
            model, Samples.digits, SGD(model.parameters, learningRate: 0.1),
            { negativeLogLikelihood(model($0.x).logSoftmax(), $0.y) }
        )
    },
    Patient("lstm") { recurrent(LSTM(inputSize: 2, hiddenSize: 64, initialization: .init(forgetGateBias: 1)), 200) },
    Patient("gru") { recurrent(GRU(inputSize: 2, hiddenSize: 64), 50) },
    Patient("dropout") {
        let model = Sequential {
            Linear(64, 128); ReLU(); Dropout(0.5); Linear(128, 10)
        }
        return classify(model, on: Samples.digits)
    },
]

private func recurrent(_ net: RecurrentNet, _ steps: Int) -> (
    Module, Patient.Batch, any Optimizer, (Patient.Batch) -> Tensor
) {
    let model = Memory(net)
    return (model, Samples.sequences(steps), Adam(model.parameters), { meanSquaredError(model($0.x), $0.y) })
}

private func line(_ x: [Float], rate: Double) -> (Module, Patient.Batch, any Optimizer, (Patient.Batch) -> Tensor) {
    let model = Linear(1, 1)
    let x = Tensor(x, [x.count, 1])
    return (
        model, .init(x: x, y: x * 0.5 + 1), SGD(model.parameters, learningRate: rate),
        { meanSquaredError(model($0.x), $0.y) }
    )
}

private func binary(_ features: Int) -> Patient.Batch {
    let batch = Samples.table(features)
    return .init(x: batch.x, y: batch.y.isGreater(than: batch.y.scalar(0)).cast(to: .float32))
}

private func oneHot(_ classes: Tensor, _ count: Int) -> Tensor {
    let numbers = try! classes.integers()
    var values = [Float](repeating: 0, count: numbers.count * count)
    for (row, number) in numbers.enumerated() { values[row * count + Int(number)] = 1 }
    return Tensor(values, [numbers.count, count])
}

/// A recurrent net that is read out after its last time step.
final class Memory: Module, TensorLayer {
    let net: RecurrentNet
    let head: Linear

    init(_ net: RecurrentNet) {
        self.net = net
        head = Linear(net.hiddenSize, 1)
    }

    func forward(_ x: Tensor) -> Tensor {
        let outputs = net(x)
        return head(outputs.selecting(outputs.shape[0] - 1))
    }
}

@Suite("Sick nets before training")
struct SickNetTests {
    @Test("Sick", arguments: sick) func recognises(_ patient: Patient) throws {
        let diagnosis = try patient.diagnose(seed: 1)
        let isRight = diagnosis.findings.first.map { patient.illnesses.contains($0.illness) } ?? false
        #expect(isRight, "\(summary(diagnosis))")
    }

    @Test("Healthy", arguments: healthy) func staysSilent(_ patient: Patient) throws {
        let diagnosis = try patient.diagnose(seed: 1)
        let isSilent = diagnosis.isHealthy
        #expect(isSilent, "\(summary(diagnosis))")
    }

    private func summary(_ diagnosis: Diagnosis) -> String {
        "\(diagnosis.findings.map { "\($0.illness): \($0.summary)" }) of \(diagnosis.examination.signs().map(\.evidence))"
    }
}
