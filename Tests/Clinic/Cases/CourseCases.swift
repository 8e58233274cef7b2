import GimbalTrain

/// What shows while a net is trained, and what looks like it.
let courseCases: [ClinicCase] =
    .pairs(
        .pair(
            "S48", "LeNet, Fashion-MNIST, images shuffled and labels not", [.unrelatedTargets], .duringTraining,
            steps: 600,
            cure: "pairs",
            sick: {
                let set = try ClinicData.images("fashion-mnist")
                let order = (0..<set.count).map { ($0 * 37 + 11) % set.count }
                return run(
                    leNet(), sgd(0.01), on: ClinicData.relabelled(set) { index, classes in classes[order[index]] })
            },
            healthy: { run(leNet(), sgd(0.01), on: try ClinicData.images("fashion-mnist")) }),
        .pair(
            "S66", "2 x 64, Adam, one batch multiplied by 10,000", [.poisonedBatch], .duringTraining, beginsAt: 200,
            cure: "as it was",
            sick: { classify(perceptron(64, 64, 2, 10), adam(), on: spoiling(200) { $0.inputs { -10_000 * $0 } }) },
            healthy: { classify(perceptron(64, 64, 2, 10), adam()) }),
        .pair(
            "S71", "4 x 512, 200 Fashion-MNIST images, Adam", [.overfitting], .duringTraining, steps: 400,
            cure: "two thousand images, 5 epochs",
            sick: {
                let set = try ClinicData.images("fashion-mnist").flattened
                return run(
                    perceptron(784, 512, 4, 10), adam(), on: set.prefix(200), validation: set.subset(Array(500..<1000)),
                    batchSize: 20)
            },
            healthy: {
                let set = try ClinicData.images("fashion-mnist").flattened
                return run(
                    perceptron(784, 512, 4, 10), adam(2e-4), on: set.subset(Array(500..<2000)),
                    validation: set.prefix(500),
                    batchSize: 20)
            }),
        .pair(
            "S73", "convolutions with batch normalisation, running statistics never updated", [.modesDiffer],
            .duringTraining, steps: 600, cure: "updated",
            sick: { run(normalized(momentum: 0), adam(), on: try ClinicData.images("fashion-mnist")) },
            healthy: { run(normalized(momentum: 0.1), adam(), on: try ClinicData.images("fashion-mnist")) }),
        .pair(
            "K1", "3 x 128 ReLU, rate 5", [.learningRateTooHigh], .duringTraining, cure: "0.1",
            sick: { classify(perceptron(64, 128, 3, 10), sgd(5)) }, healthy: { classify(perceptron(64, 128, 3, 10)) }),
        .pair(
            "K2", "3 x 128 ReLU, momentum 0.99", [.momentumTooHigh], .duringTraining, cure: "0.9",
            sick: { classify(perceptron(64, 128, 3, 10), sgd(0.1, momentum: 0.99)) },
            healthy: { classify(perceptron(64, 128, 3, 10), sgd(0.05, momentum: 0.9)) }),
        .pair(
            "K3", "3 x 128 ReLU, penalty 0.1", [.penaltyTooStrong], .duringTraining, steps: 600, cure: "1e-4",
            sick: { classify(perceptron(64, 128, 3, 10), sgd(0.1, decay: 0.1)) },
            healthy: { classify(perceptron(64, 128, 3, 10), sgd(0.1, decay: 1e-4)) }),
        .pair(
            "K4", "3 x 128 ReLU, rate 1e-12", [.learningRateTooLow], .duringTraining, cure: "0.1",
            sick: { classify(perceptron(64, 128, 3, 10), sgd(1e-12)) },
            healthy: { classify(perceptron(64, 128, 3, 10)) }),
        .pair(
            "K5", "LeNet, MNIST, sign of the update turned round", [.ascent], .duringTraining, cure: "sign",
            sick: {
                let ascent = OptimizerFormula { step in (step.weight + step.learningRate * step.gradient, []) }
                return classify(
                    leNet(), { FormulaOptimizer($0, ascent, learningRate: 0.02) }, on: try ClinicData.mnist())
            },
            healthy: { classify(leNet(), sgd(0.02), on: try ClinicData.mnist()) }),
        .pair(
            "K6", "3 x 128 ReLU, clipped to 1e-7", [.clippingTooTight], .duringTraining, cure: "1",
            sick: { clipped(1e-7) }, healthy: { clipped(1) }),
        .pair(
            "K7", "3 x 128 ReLU, Adam with an epsilon of 10", [.epsilonTooLarge], .duringTraining, cure: "1e-8",
            sick: { classify(perceptron(64, 128, 3, 10), adam(1e-4, epsilon: 10)) },
            healthy: { classify(perceptron(64, 128, 3, 10), adam()) }),
        .pair(
            "K8", "2 x 64, the rate multiplied by 0.95 at each step", [.scheduleOutOfStep], .duringTraining,
            cure: "at each epoch",
            sick: { scheduled(.exponential(gamma: 0.95)) },
            healthy: { scheduled(Schedule.exponential(gamma: 0.9975)) }),
        .pair(
            "K9", "2 x 64, a warmup longer than the run", [.scheduleOutOfStep], .duringTraining, cure: "a tenth of it",
            sick: { scheduled(Schedule.constant.warmedUp(steps: 10_000)) },
            healthy: { scheduled(Schedule.cosine(steps: 1000).warmedUp(steps: 100)) }),
        .pair(
            "K10", "LSTM language model, Tiny Shakespeare, SGD 20, no clipping",
            [.unstableRecurrence, .learningRateTooHigh], .duringTraining, steps: 120, cure: "rate 1, clipped to 1",
            sick: { try speaking(rate: 20, clipNorm: nil) }, healthy: { try speaking(rate: 1, clipNorm: 1) }),
        .pair(
            "K11", "2 x 64, a batch with a NaN", [.nonFiniteInput], .duringTraining, beginsAt: 100, cure: "left out",
            sick: {
                classify(
                    perceptron(64, 64, 2, 10), adam(),
                    on: spoiling(100) { batch in
                        batch.inputs { $0.filled(where: $0.isGreater(than: $0.scalar(0.99)), with: .nan) }
                    })
            },
            healthy: { classify(perceptron(64, 64, 2, 10), adam()) }),
        .pair(
            "K12", "2 x 64, the rate multiplied by 300 at step 150", [.learningRateTooHigh], .duringTraining,
            beginsAt: 150, cure: "multiplied by 3",
            sick: { scheduled(.multiStep(milestones: [149], gamma: 300)) },
            healthy: { scheduled(.multiStep(milestones: [149], gamma: 3)) }),
        .pair(
            "K13", "regression with a target of 25 to 346, rate 0.1", [.learningRateTooHigh, .targetScale],
            .duringTraining,
            cure: "standardised",
            sick: { compare(perceptron(10, 64, 2, 1), sgd(0.1), on: ClinicData.regression(10, scale: 80, shift: 150)) },
            healthy: { compare(perceptron(10, 64, 2, 1), sgd(0.1), on: ClinicData.regression(10)) }),
        .pair(
            "K14", "GRU, adding 30, Adam 0.5", [.unstableRecurrence, .learningRateTooHigh], .duringTraining,
            cure: "1e-3",
            sick: { adding(adam(0.5)) }, healthy: { adding(adam()) }),
        .pair(
            "K15", "cross-entropy by hand, rate 20", [.unsafeLogarithm, .undefinedOperation, .learningRateTooHigh],
            .duringTraining, cure: "of logits, 0.5",
            sick: {
                compare(
                    perceptron(64, 0, 0, 10), sgd(20), on: changing(ClinicData.digits()) { $0.targets { oneHot($0) } }
                ) {
                    -($0.softmax().log() * $1).sum([1]).mean()
                }
            },
            healthy: { classify(perceptron(64, 0, 0, 10), sgd(0.5)) }),
        [
            .healthy("N6, both", "adversarial, both turns", .duringTraining, steps: 400) { adversarialRun() },
            .healthy("N8", "linear warmup over a tenth", .duringTraining) {
                scheduled(Schedule.constant.warmedUp(steps: 100))
            },
            .healthy("N12", "MNIST, easy data", .duringTraining) {
                run(normalized(momentum: 0.1), adam(), on: try ClinicData.images("mnist"))
            },
            .healthy("N14, trained", "linear regression that has converged", .duringTraining, steps: 600) {
                let weights = Tensor.normal([8, 1])
                return compare(perceptron(8, 0, 0, 1), sgd(0.1)) { _ in
                    let x = Tensor.normal([64, 8])
                    return ClinicBatch(x: x, y: x.matrixMultiplied(by: weights))
                }
            },
            .healthy("N18", "float16 and its scale", .duringTraining) {
                run(perceptron(64, 64, 2, 10), adam(), on: ClinicData.mixed(Dataset.digits().flattened)) {
                    $0.precision = .float16
                }
            },
            .healthy("N23, trained", "batches of 8", .duringTraining, steps: 600) {
                classify(perceptron(64, 64, 2, 10), sgd(0.05), on: ClinicData.digits(8))
            },
            .healthy("N24", "the rate divided by 10 at half time", .duringTraining) {
                scheduled(.multiStep(milestones: [150]))
            },
            .healthy("N25", "one hard batch", .duringTraining) {
                classify(perceptron(64, 64, 2, 10), adam(), on: spoiling(150) { $0.targets { 9 - $0 } })
            },
            .healthy("N27", "thirty validation samples", .duringTraining, steps: 900) {
                let set = ClinicData.mixed(Dataset.digits().flattened)
                return run(
                    perceptron(64, 64, 2, 10), adam(), on: set.subset(Array(30..<set.count)), validation: set.prefix(30)
                )
            },
            .healthy("N29, trained", "LSTM on its plateau", .duringTraining, steps: 400) {
                let model = Memory(LSTM(inputSize: 2, hiddenSize: 32))
                return compare(model, adam(), on: ClinicData.adding(60, 32))
            },
            .healthy("S76", "convolutions, MNIST, two epochs", .duringTraining, steps: 62) {
                run(normalized(momentum: 0.1), sgd(0.02), on: try ClinicData.images("mnist"))
            },
            .healthy("iris", "a small table, to the bottom of its loss", .duringTraining, steps: 900) {
                let set = try ClinicData.toyTable("iris")
                return run(
                    perceptron(4, 16, 1, 3), adam(2e-3), on: set.subset(Array(12..<set.count)),
                    validation: set.prefix(12),
                    batchSize: 16)
            },
            .healthy("warm restarts", "a cosine, begun anew three times", .duringTraining, steps: 600) {
                var program = classify(perceptron(64, 64, 2, 10), sgd(0.2, momentum: 0.9))
                program.schedule = .cosineWithRestarts(period: 200)
                return program
            },
        ])

// MARK: Parts

/// Digits, of which the batch of one step is changed.
private func spoiling(_ step: Int, _ change: @escaping (ClinicBatch) -> ClinicBatch) -> ClinicData.Batches {
    let batches = ClinicData.digits(64)
    return { $0 == step - 1 ? change(batches($0)) : batches($0) }
}

private func normalized(momentum: Double) -> Sequential {
    Sequential {
        Conv2d(1, 16, kernelSize: 3, stride: 2, padding: 1)
        BatchNorm2d(16, momentum: momentum)
        ReLU()
        Conv2d(16, 32, kernelSize: 3, stride: 2, padding: 1)
        BatchNorm2d(32, momentum: momentum)
        ReLU()
        GlobalAveragePool()
        Linear(32, 10)
    }
}

private func clipped(_ norm: Double) -> Program {
    var program = classify(perceptron(64, 128, 3, 10))
    program.clipNorm = norm
    return program
}

private func scheduled(_ schedule: Schedule) -> Program {
    var program = classify(perceptron(64, 64, 2, 10), sgd(0.1))
    program.schedule = schedule
    return program
}

private func adding(_ optimizer: MakeOptimizer) -> Program {
    let model = Memory(GRU(inputSize: 2, hiddenSize: 32))
    return compare(model, optimizer, on: ClinicData.adding(30, 32))
}

private func speaking(rate: Double, clipNorm: Double?) throws -> Program {
    let (batches, vocabulary) = try ClinicData.shakespeare(length: 32, 16)
    let model = CharacterNet(vocabulary, LSTM(inputSize: 64, hiddenSize: 128, layers: 2, isBatchFirst: true))
    var program = classify(model, sgd(rate), on: batches)
    program.clipNorm = clipNorm
    return program
}

private func adversarialRun() -> Run {
    let (generator, discriminator) = adversaries()
    func loss(_ images: Tensor, areReal: Bool) -> Tensor {
        let logits = discriminator(images)
        return binaryCrossEntropyWithLogits(logits, Tensor(repeating: areReal ? 1 : 0, logits.shape))
    }
    let phases: [Phase<Batch>] = [
        Phase("discriminator", Adam(discriminator.parameters, learningRate: 2e-4, beta1: 0.5)) { batch in
            let fake = withoutGradients { generator(.normal([batch.inputs.shape[0], 16])) }
            return loss(batch.inputs, areReal: true) + loss(fake, areReal: false)
        },
        Phase("generator", Adam(generator.parameters, learningRate: 2e-4, beta1: 0.5)) { batch in
            loss(generator(.normal([batch.inputs.shape[0], 16])), areReal: true)
        },
    ]
    return Run(
        trainer: Trainer(
            Assembly([generator, discriminator]) { $0[1]($0[0]($1)) }, phases: phases,
            data: DataLoader(Dataset.digits().flattened, batchSize: 64, dropsLast: true, seed: 3),
            settings: TrainerSettings { ($0.epochs, $0.weights) = (1000, .last) }))
}
