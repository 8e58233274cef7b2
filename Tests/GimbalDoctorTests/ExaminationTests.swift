import ClinicCases
import Foundation
import GimbalDoctor
import GimbalTrain
import Testing

@Suite("Examination")
struct ExaminationTests {
    private let digits = ClinicData.digits()(0)

    /// Glorot and Bengio's figures: what each layer does to variance is what theory says.
    @Test(
        "A layer of sigmoids keeps the share of the gradient that its slope leaves",
        arguments: [(0.01, 0.04), (0.0625, 0.235)] as [(Double, Double)])
    func sigmoidShare(scale: Double, share: Double) throws {
        try withGenerator(RandomGenerator(seed: 3)) {
            let model = perceptron(64, 256, 12, 10, { Sigmoid() }, .normal(standardDeviation: scale))
            let examination = try Examination(of: model, on: digits) { crossEntropy(model($0.x), $0.y) }
            let growth = try #require(examination.gradientGrowth)
            #expect(abs(growth.perLayer / share - 1) < 0.1)
            #expect(examination.layers.count == 13 && examination.activations.count == 12)
            #expect(examination.layers.map(\.name) == (0..<13).map { "\(2 * $0)" })
        }
    }

    @Test("Pictures that are laid flat on their way in are inputs, and no targets")
    func flattened() throws {
        try withGenerator(RandomGenerator(seed: 5)) {
            let model = perceptron(64, 32, 2, 10)
            let count = digits.x.shape[0]
            let pictures = ClinicBatch(x: digits.x.reshaped([count, 1, 8, 8]), y: digits.y)
            let examination = try Examination(of: model, on: pictures) {
                crossEntropy(model($0.x.reshaped([count, 64])), $0.y)
            }
            #expect(examination.inputs.map(\.signal.elementCount) == [64 * count])
            #expect(examination.targets.map(\.signal.elementCount) == [count])
        }
    }

    @Test(
        "Samples with NaN are told by their places",
        arguments: [([3], "3"), ([1, 4], "1 and 4"), ([0, 2, 5], "0, 2 and 5")])
    func samplesWithNaN(places: [Int], words: String) throws {
        try withGenerator(RandomGenerator(seed: 8)) {
            let model = perceptron(64, 16, 2, 10)
            var x = digits.x
            for place in places { x[place] = Tensor.full([64], .nan) }
            let batch = ClinicBatch(x: x, y: digits.y)
            let examination = try Examination(of: model, on: batch) { crossEntropy(model($0.x), $0.y) }
            let finding = Doctor().diagnose(examination).findings.first
            #expect(finding?.summary.hasSuffix("in samples \(words)") == true, "\(finding?.summary ?? "")")
        }
    }

    @Test(
        "Forget gates that are fast shut are told of over any number of steps", arguments: [(-50.0, true), (-1, false)])
    func forgetGates(bias: Double, isSick: Bool) throws {
        try withGenerator(RandomGenerator(seed: 7)) {
            var settings = ModelSettings(kind: .lstm, inputShape: [8, 8], outputs: 10)
            (settings.hidden, settings.forgetGateBias) = (32, bias)
            let model = settings.makeModel(device: .current)
            let rows = ClinicBatch(x: digits.x.reshaped([digits.x.shape[0], 8, 8]), y: digits.y)
            let examination = try Examination(of: model, on: rows, optimizer: Adam(model.parameters)) {
                crossEntropy(model($0.x), $0.y)
            }
            let found = Doctor().diagnose(examination).findings.map(\.illness)
            #expect(found.contains(.closedForgetGates) == isSick, "\(found)")
        }
    }

    @Test(
        "Samples that are all the same are told of, and not weights that cannot be judged by them", arguments: [0, 0.5])
    func sameSamples(value: Double) throws {
        try withGenerator(RandomGenerator(seed: 6)) {
            let model = Sequential {
                Linear(64, 512); BatchNorm1d(512); ReLU(); Linear(512, 10)
            }
            let same = ClinicBatch(x: .full(like: digits.x, value), y: digits.y)
            let examination = try Examination(of: model, on: same, optimizer: Adam(model.parameters)) {
                crossEntropy(model($0.x), $0.y)
            }
            let findings = Doctor().diagnose(examination).findings
            #expect(findings.map(\.illness) == [.repeatedSamples], "\(findings.map(\.summary))")
            #expect(findings.first?.summary.contains(value == 0 ? "are 0 throughout" : "are the same") == true)
        }
    }

    @Test("Looking at a model leaves weights, gradients, moments, running statistics and random numbers as they are")
    func leavesAlone() throws {
        let generator = RandomGenerator(seed: 4)
        try withGenerator(generator) {
            let model = Sequential {
                Linear(64, 32); BatchNorm1d(32); ReLU(); Dropout(0.5); Linear(32, 10)
            }
            let optimizer = Adam(model.parameters)
            func train() throws {
                optimizer.zeroGradients()
                try crossEntropy(model(digits.x), digits.y).backward()
                try optimizer.step()
            }
            try train()
            func state() throws -> [[Double]] {
                let saved = model.stateDictionary()
                var values = try saved.names.map { try saved[$0]?.doubles() ?? [] }
                values += try model.parameters.map { try $0.gradient?.doubles() ?? [] }
                values += try optimizer.state.tensors.map { try $0.value.doubles() }
                return values
            }
            let (before, random, steps) = (try state(), generator.state, optimizer.state.steps)
            let examination = try Examination(of: model, on: digits, optimizer: optimizer) {
                crossEntropy(model($0.x), $0.y)
            }
            #expect(examination.probe?.losses.count == 21)
            #expect(try state() == before)
            #expect(generator.state == random && optimizer.state.steps == steps)
            // And nothing is lost where the loss fails.
            struct Failure: Error {}
            #expect(throws: Failure.self) {
                var count = 0
                _ = try Examination(of: model, on: digits, optimizer: optimizer) {
                    count += 1
                    if count == 15 { throw Failure() }
                    return crossEntropy(model($0.x), $0.y)
                }
            }
            #expect(try state() == before)
            #expect(generator.state == random && optimizer.state.steps == steps)
        }
    }

    @Test("The largest eigenvalue of a parabola's Hessian, and the rate it allows")
    func sharpness() throws {
        let x = Tensor((0..<100).map(Float.init), [100, 1])
        let model = Linear(1, 1)
        // Case S19 of half the squared error: the Hessian is the mean of (x, 1) (x, 1)ᵀ.
        let optimizer = SGD(model.parameters, learningRate: 1e-5, momentum: 0.5)
        let examination = try Examination(of: model, on: x, optimizer: optimizer) {
            meanSquaredError(model($0), $0 * 0.3 + 2) * 0.5
        }
        let sharpness = try #require(examination.sharpness)
        #expect(abs(sharpness.eigenvalue / 3284.25 - 1) < 1e-3)
        #expect(abs(try #require(sharpness.largestRate) / (3 / 3284.25) - 1) < 1e-3)
    }

    @Test(
        "Units that are all the same are found in any number, and pairs of them are not taken for all",
        arguments: [4, 5])
    func identicalUnits(count: Int) throws {
        try withGenerator(RandomGenerator(seed: 9)) {
            let model = perceptron(64, count, 3, 10)
            func found() throws -> [Illness] {
                let examination = try Examination(of: model, on: digits) { crossEntropy(model($0.x), $0.y) }
                return Doctor().diagnose(examination).findings.map(\.illness)
            }
            for parameter in model.parameters where parameter.shape.rank == 2 {
                let rows = parameter.value.detached()
                let pairs = (0..<parameter.shape[0]).map { rows.sliced($0 / 2 * 2..<$0 / 2 * 2 + 1) }
                parameter.assign(.concatenated(pairs))
            }
            let inPairs = try found()
            #expect(!inPairs.contains(.identicalUnits))
            // The last one's stay, so that gradients arrive.
            for parameter in model.parameters where parameter.shape.rank == 2 && parameter.shape[0] != 10 {
                parameter.assign(.full(parameter.shape, 0.1))
            }
            let alike = try found()
            #expect(alike.contains(.identicalUnits))
        }
    }

    @Test("The logarithm of 0 is told of, with what to take instead")
    func logarithmOfZero() throws {
        try withGenerator(RandomGenerator(seed: 4)) {
            let model = perceptron(64, 16, 2, 10)
            let examination = try Examination(of: model, on: digits) { batch in
                -(model(batch.x).clamped(to: 0...1e9) * 0).log().mean()
            }
            let findings = Doctor().diagnose(examination).findings
            #expect(findings.first?.illness == .unsafeLogarithm, "\(findings.map(\.summary))")
            #expect(findings.first?.summary.contains("the logarithm of 0") == true)
        }
    }

    @Test("Layers that do the same have bars of half the width")
    func bars() throws {
        try withGenerator(RandomGenerator(seed: 6)) {
            let model = Sequential((0..<4).map { _ in Linear(64, 64, hasBias: false) })
            for parameter in model.parameters { parameter.assign(.eye(64)) }
            let x = Tensor.normal([64, 64])
            let examination = try Examination(of: model, on: ClinicBatch(x: x, y: digits.y)) {
                model($0.x).square().mean()
            }
            let lines = Doctor().diagnose(examination).picture().split(separator: "\n").filter { $0.contains("#") }
            #expect(lines.count == 4)
            for line in lines {
                let bars = line.split(whereSeparator: { $0 != "#" }).map(\.count)
                #expect(bars == [9, 9], "\(line)")
            }
        }
    }

    @Test("A batch is learnt by heart, but for one whose inputs are all the same") func memory() throws {
        try withGenerator(RandomGenerator(seed: 2)) {
            let model = perceptron(64, 64, 2, 10)
            let optimizer = Adam(model.parameters)
            let before = try model.parameters.map { try $0.value.doubles() }
            func examine(_ batch: ClinicBatch) throws -> [Illness] {
                try Doctor().examineMemory(of: model, on: batch, optimizer: optimizer, steps: 100) {
                    crossEntropy(model($0.x), $0.y)
                }.map(\.illness)
            }
            #expect(try examine(digits) == [])
            #expect(try examine(ClinicBatch(x: digits.x * 0, y: digits.y)) == [.unlearnableBatch])
            #expect(try model.parameters.map { try $0.value.doubles() } == before)
        }
    }

    @Test("Losses are told by their operations")
    func losses() throws {
        try withGenerator(RandomGenerator(seed: 1)) {
            let model = Sequential {
                Linear(8, 16); Sigmoid(); Linear(16, 4)
            }
            let x = Tensor.normal([32, 8])
            let y = Tensor((0..<32).map { Int32($0 % 4) })
            let zeros = Tensor.zeros([32, 4])
            func look(_ loss: () -> Tensor) throws -> OutputExamination {
                try Examination(of: model, on: (x, y)) { _ in loss() }.output
            }
            func expect(
                _ kind: OutputExamination.LossKind, _ function: String?, sum: Bool = false, _ loss: () -> Tensor,
                line: SourceLocation = #_sourceLocation
            ) throws {
                let output = try look(loss)
                let found = (output.loss, output.function, output.isSummed)
                #expect(found == (kind, function, sum), sourceLocation: line)
            }
            try expect(.crossEntropy, nil) { crossEntropy(model(x), y) }
            try expect(.crossEntropy, nil) { crossEntropy(model(x), y, labelSmoothing: 0.1) }
            try expect(.crossEntropy, "softmax") { crossEntropy(model(x).softmax(), y) }
            try expect(.crossEntropy, "logSoftmax") { negativeLogLikelihood(model(x).logSoftmax(), y) }
            try expect(.crossEntropy, nil, sum: true) { crossEntropy(model(x), y, reduction: .sum) }
            try expect(.squaredError, "sigmoid") { meanSquaredError(model(x).sigmoid(), zeros) }
            try expect(.absoluteError, nil) { huber(model(x), zeros) }
            try expect(.binaryCrossEntropy, "sigmoid") { binaryCrossEntropy(model(x).sigmoid(), zeros) }
            try expect(.binaryCrossEntropyWithLogits, nil, sum: true) {
                binaryCrossEntropyWithLogits(model(x), zeros, reduction: .sum)
            }
            try expect(.logarithm, "softmax") { -(model(x).softmax().log() * 0.25).mean() }
            try expect(.other, nil) { model(x).exp().mean() }
        }
    }
}
