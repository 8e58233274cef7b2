import GimbalTrain
import Testing

@Suite("Curing a recipe")
struct CureTests {
    private let parts = Dataset.digits().split(trainFraction: 0.8)

    private func recipe(_ change: (inout ModelSettings, inout TrainingSettings) -> Void) -> Recipe {
        var (model, training) = (ModelSettings(for: parts.train), TrainingSettings())
        (model.hidden, model.layers, model.normalization) = (32, 2, .none)
        training.learningRate = 0.1
        training.epochs = 4
        change(&model, &training)
        return Recipe(model: model, training: training)
    }

    @Test("Deep sigmoids with small weights are cured, and the cure is the same twice")
    func cures() throws {
        let sick = recipe { model, _ in
            (model.layers, model.activation, model.initialization) = (20, .sigmoid, .normal)
        }
        let cure = try #require(try Doctor().cure(sick, train: parts.train, validation: parts.test))
        #expect(cure.before.recipe == sick && cure.before.findings.first?.illness == .saturatingActivations)
        #expect(cure.isBetter && cure.best.recipe.model.activation == .relu)
        let (before, after) = (try #require(cure.before.figures?["loss"]), try #require(cure.best.figures?["loss"]))
        #expect(after < 0.9 * before)
        let again = try #require(try Doctor().cure(sick, train: parts.train, validation: parts.test))
        #expect(again.best.recipe == cure.best.recipe && again.best.figures == cure.best.figures)
    }

    @Test("A healthy recipe is left alone") func healthy() throws {
        #expect(try Doctor().cure(recipe { _, _ in }, train: parts.train, validation: parts.test) == nil)
    }

    @Test("Where nothing helps, the recipe stays as it was") func helpless() throws {
        let never = Rule("never content") { _ in
            let slower = Remedy("slow down", .learningRate(factor: 1e-6))
            return [Finding(.unexplained, "nothing is good enough", remedies: [slower])]
        }
        let recipe = recipe { _, _ in }
        let cure = try #require(
            try Doctor(rules: [never]).cure(recipe, train: parts.train, validation: parts.test))
        #expect(!cure.isBetter && cure.best.recipe == recipe && !cure.trials.isEmpty)
    }

    @Test("A rate that makes the loss NaN is lowered") func rate() throws {
        let sick = recipe { _, training in
            training.learningRate = 1e4
            training.clipNorm = nil
        }
        let cure = try #require(try Doctor().cure(sick, train: parts.train, validation: parts.test))
        #expect(cure.before.findings.first?.illness == .learningRateTooHigh)
        #expect(cure.isBetter && cure.best.recipe.training.rate < 1e4)
    }

    @Test("A limit on gradients far below them is loosened") func clipping() throws {
        let sick = recipe { _, training in
            (training.optimizer, training.clipNorm, training.schedule) = (.sgd, 1e-6, .constant)
        }
        let cure = try #require(try Doctor().cure(sick, train: parts.train, validation: parts.test))
        #expect(cure.before.findings.map(\.illness) == [.clippingTooTight], "\(cure.before.findings)")
        #expect(cure.isBetter && cure.best.recipe.training.clipNorm! > 0.1)
    }

    @Test("A schedule that is out of step is told before the first one") func schedule() throws {
        let early = recipe { _, training in
            (training.schedule, training.warmup, training.warmupKind) = (.constant, 5000, .linear)
        }
        let trainer = try early.makeRun(train: parts.train, validation: parts.test).trainer
        let findings = try trainer.examine().findings
        #expect(findings.map(\.illness) == [.scheduleOutOfStep] && findings.first?.step == 0, "\(findings)")
    }

    @Test("Where the sick recipe learns as well, whole trainings decide") func slowLearners() throws {
        // A rule that takes offence at a rate that is only low.
        let careful = Rule("a low rate") { context in
            guard context.examination.learningRate ?? 0 < 0.1 else { return [] }
            return [Finding(.learningRateTooLow, "low", remedies: [Remedy("raise", .learningRate(factor: 3))])]
        }
        let slow = recipe { _, training in (training.learningRate, training.epochs) = (0.05, 100) }
        let cure = try #require(
            try Doctor(rules: [careful]).cure(slow, train: parts.train, validation: parts.test, steps: 600))
        let lengths = Set(cure.trials.map(\.steps))
        let whole = try #require(try slow.makeRun(train: parts.train, validation: parts.test).trainer.totalSteps)
        #expect(lengths == [600, whole], "\(cure.before.figures ?? [:]), \(cure.trials.map(\.figures))")
        #expect(cure.before.steps == whole && cure.best.steps == whole)
    }

    @Test("Inputs in thousands are standardised, and the recipe says how") func standardizes() throws {
        let digits = Dataset.digits().flattened
        let inputs = digits.batch([Int](0..<digits.count)).inputs.map { $0 * 5000 }
        let (train, validation) = Dataset(
            name: "thousands", inputShape: digits.inputShape, inputs: .floats(inputs), targets: digits.targets
        ).split(trainFraction: 0.8)
        let sick = recipe { _, training in training.learningRate = 0.05 }
        let cure = try #require(try Doctor().cure(sick, train: train, validation: validation))
        #expect(cure.before.findings.first?.illness == .inputScale)
        #expect(cure.isBetter && cure.best.recipe.data.standardization == Standardization(fittedTo: train))
    }

    @Test("Samples of the validation data that are trained on are found") func sharedSamples() throws {
        let mixed = Dataset.digits().flattened
        let (train, validation) = mixed.split(trainFraction: 0.8)
        #expect(try Doctor().examine(train: train, validation: validation).isEmpty)
        let findings = try Doctor().examine(train: mixed, validation: validation)
        #expect(findings.map(\.illness) == [.repeatedSamples])
        #expect(findings.first?.summary.hasPrefix("\(validation.count) of \(validation.count)") ?? false)
        let trainer = try recipe { _, _ in }.makeRun(train: mixed, validation: validation).trainer
        #expect(try trainer.examine().findings.map(\.illness) == [.repeatedSamples])
        // It is no fault of the recipe, and nothing to try remedies for.
        #expect(try Doctor().cure(recipe { _, _ in }, train: mixed, validation: validation) == nil)
    }

    @Test("Remedies change what a model has a place for, and nothing else") func applying() throws {
        let mlp = recipe { _, _ in }
        var residual = mlp
        residual.model.isResidual = true
        #expect(mlp.applying(Remedy("", .residualConnections)) == residual)
        #expect(residual.applying(Remedy("", .residualConnections)) == nil)
        #expect(mlp.applying(Remedy("", .forgetGateBias(1))) == nil)
        #expect(mlp.applying(Remedy("in words")) == nil)
        let selu = mlp.applying(Remedy("", .activation(.selu)))
        #expect(selu?.model.activation == .selu && selu?.model.initialization == .lecunNormal)
        let rnn = recipe { model, _ in (model.kind, model.activation) = (.rnn, .tanh) }
        let lstm = rnn.applying(Remedy("", .gatedCell))
        #expect(lstm?.model.kind == .lstm && lstm?.model.forgetGateBias == 1 && lstm?.model.hidden == 32)
        #expect(rnn.applying(Remedy("", .normalization(.batch))) == nil)
        #expect(mlp.applying(Remedy("", .learningRate(factor: 0.5)))?.training.rate == 0.05)
        #expect(mlp.applying(Remedy("", .clipping(norm: 1))) == nil)
    }
}
