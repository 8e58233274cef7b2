import GimbalTrain

// MARK: Healthy during training

let strangerHealthyDuring: [ClinicCase] = [
    .healthy("U121", "post-norm, 6 layers, inverse square root with warmup", .duringTraining, steps: 300) {
        let (batches, vocabulary) = try ClinicData.shakespeare(length: 16, 8)
        var program = classify(
            CharacterTransformer(vocabulary, length: 16, size: 64, layers: 6, normFirst: false), adam(5e-4), on: batches
        )
        program.schedule = .inverseSquareRoot(warmup: 100)
        return program
    },
    .healthy("U122", "Adam, gradients always clipped to 1e-3", .duringTraining) {
        var program = classify(perceptron(64, 64, 2, 10), adam(2e-3))
        program.clipNorm = 1e-3
        return program
    },
    .healthy("U123", "LSTM language model, SGD 20, clipped to 0.25", .duringTraining) {
        let (batches, vocabulary) = try ClinicData.shakespeare(length: 24, 16)
        let model = CharacterNet(vocabulary, LSTM(inputSize: 64, hiddenSize: 96, layers: 2, isBatchFirst: true))
        var program = classify(model, sgd(20), on: batches)
        program.clipNorm = 0.25
        return program
    },
    .healthy("U124", "convolutions, one cycle up to 0.3", .duringTraining, steps: 500) {
        var program = Program(
            steps: 500, classify(convolutionalNet(), sgd(0.3, momentum: 0.9), on: try ClinicData.fashion(64)))
        program.schedule = .oneCycle(steps: 500)
        return program
    },
    .healthy("U125", "sequences that get longer", .duringTraining, steps: 400) {
        let model = Memory(GRU(inputSize: 2, hiddenSize: 32))
        let batches = (1...4).map { ClinicData.adding($0 * 8) }
        return compare(model, adam(5e-3), on: { batches[min(3, $0 / 100)]($0) })
    },
    .healthy("U126", "batches of changing size", .duringTraining, steps: 400) {
        let all = ClinicData.mixed(Dataset.digits().flattened)
        return classify(
            perceptron(64, 64, 2, 10), adam(),
            on: { step in
                let size = 8 + step * 13 % 57
                let batch = all.batch((0..<size).map { (step * 61 + $0) % all.count })
                let onDevice = batch.to(.current)
                return ClinicBatch(x: onDevice.inputs, y: onDevice.targets)
            })
    },
    .healthy("U127", "batch of 1, SGD 0.05", .duringTraining, steps: 600) {
        classify(perceptron(64, 64, 1, 10), sgd(0.05), on: ClinicData.digits(1))
    },
    .healthy("U128", "four batches as one, by a trainer", .duringTraining, steps: 300) {
        let all = ClinicData.mixed(Dataset.digits().flattened)
        return run(
            perceptron(64, 64, 2, 10), adam(2e-3), on: all.prefix(1400), validation: all.subset(Array(1400..<1797)),
            batchSize: 16
        ) { $0.accumulation = 4 }
    },
    .healthy("U129", "averaged weights, cosine, AdamW", .duringTraining, steps: 400) {
        let all = ClinicData.mixed(Dataset.digits().flattened)
        return run(
            perceptron(64, 64, 2, 10), { AdamW($0, learningRate: 2e-3) }, on: all.prefix(1400),
            validation: all.subset(Array(1400..<1797)), batchSize: 64
        ) { $0.averageDecay = 0.99 }
    },
    .healthy("U130", "dropout of 0.5 in a trainer, evaluation better than training", .duringTraining, steps: 500) {
        let all = ClinicData.mixed(Dataset.digits().flattened)
        let model = Sequential {
            Linear(64, 128)
            ReLU()
            Dropout(0.5)
            Linear(128, 128)
            ReLU()
            Dropout(0.5)
            Linear(128, 10)
        }
        return run(model, adam(2e-3), on: all.prefix(1400), validation: all.subset(Array(1400..<1797)))
    },
    .healthy("U131", "noisy labels, one in five, kept from overfitting by few steps", .duringTraining, steps: 300) {
        let all = ClinicData.mixed(Dataset.digits().flattened)
        let noisy = ClinicData.relabelled(all.prefix(1400)) { index, classes in
            index % 5 == 0 ? (classes[index] + 3) % 10 : classes[index]
        }
        return run(perceptron(64, 32, 1, 10), adam(2e-3), on: noisy, validation: all.subset(Array(1400..<1797)))
    },
    .healthy("U132", "Lookahead around SGD", .duringTraining) {
        classify(perceptron(64, 64, 2, 10), { Lookahead(SGD($0, learningRate: 0.2, momentum: 0.9)) })
    },
    .healthy("U133", "RAdam", .duringTraining) {
        classify(perceptron(64, 64, 2, 10), { RAdam($0, learningRate: 3e-3) })
    },
    .healthy("U134", "NAdam, translation, pre-norm", .duringTraining, steps: 250) {
        copying(normFirst: true, layers: 2, { NAdam($0, learningRate: 1e-3) })
    },
    .healthy("U135", "Adamax, digits standardised", .duringTraining) {
        let data = ClinicData.mixed(Dataset.digits().flattened)
        return classify(
            perceptron(64, 64, 2, 10), { Adamax($0) },
            on: ClinicData.batches(of: Standardization(fittedTo: data)(data), 64))
    },
    .healthy("U136", "polynomial fall to 0 over the run", .duringTraining, steps: 400) {
        var program = Program(steps: 400, classify(perceptron(64, 64, 2, 10), sgd(0.2, momentum: 0.9)))
        program.schedule = .polynomial(steps: 400)
        return program
    },
    .healthy("U137", "one body frozen first, freed at step 150", .duringTraining, steps: 400) {
        let model = perceptron(64, 64, 2, 10)
        try teach(classify(model, adam(2e-3)), 150)
        for parameter in model.parameters.suffix(2) {
            parameter.assign(
                parameter.shape.rank == 2 ? .normal(parameter.shape, standardDeviation: 0.1) : .zeros(parameter.shape))
        }
        for parameter in model.parameters.dropLast(2) { parameter.isTrainable = false }
        let digits = ClinicData.digits(64)
        return Program(
            model, Adam(model.parameters),
            on: { step in
                if step == 150 { for parameter in model.parameters { parameter.isTrainable = true } }
                return digits(step)
            }
        ) { crossEntropy(model($0.x), $0.y) }
    },
    .healthy("U138", "identical twins: momentum teacher and student", .duringTraining) {
        let (student, teacher, head) = (perceptron(64, 64, 1, 32), perceptron(64, 64, 1, 32), perceptron(32, 32, 1, 32))
        let model = Assembly([student, head]) { $0[1]($0[0]($1)) }
        func unit(_ x: Tensor) -> Tensor { x / (x.square().sum([1], keepsAxes: true) + 1e-6).squareRoot() }
        return Program(
            model, Adam(model.parameters),
            on: { step in
                for (mine, yours) in zip(teacher.parameters, student.parameters) {
                    mine.assign(mine.value.detached() * 0.99 + yours.value.detached() * 0.01)
                }
                let x = ClinicData.digits()(step).x
                return ClinicBatch(x: x + Tensor.normal(x.shape) * 0.1, y: x + Tensor.normal(x.shape) * 0.1)
            }
        ) { batch in
            let wanted = withoutGradients { unit(teacher(batch.y)) }
            return 2 - (unit(model(batch.x)) * wanted).sum([1]).mean() * 2
        }
    },
    .healthy("U139", "a loss with jumps: curriculum from easy to hard targets", .duringTraining, steps: 400) {
        let batches = ClinicData.regression(8)
        return compare(
            perceptron(8, 64, 2, 1), adam(2e-3), on: { step in batches(step).targets { $0 * (step < 200 ? 1 : 2) } })
    },
    .healthy("U140", "logistic regression on a standardised table, SGD 1", .duringTraining, steps: 500) {
        let table = try ClinicData.toyTable("breast_cancer")
        return classify(
            perceptron(30, 0, 0, 2), sgd(1), on: ClinicData.batches(of: Standardization(fittedTo: table)(table), 64))
    },
]

let strangerTwins: [ClinicCase] = [
    .healthy("U28", "Lion, rate 0.05, which convolutions bear", .duringTraining) {
        classify(convolutionalNet(norm: false), { Lion($0, learningRate: 0.05) }, on: try ClinicData.fashion())
    },
    .healthy("U52", "translation, post-norm, 4 + 4 layers, Adam 3e-3", .duringTraining, steps: 250) {
        copying(normFirst: false, layers: 4, adam(3e-3))
    },
    ClinicCase("U159", "a net with all of its parameters frozen", [.unheldParameters, .unreachedParameters]) {
        let model = perceptron(64, 64, 2, 10)
        model.freeze()
        return classify(model, adam())
    },
    .healthy("U162", "mixed images and classes, cross-entropy of shares") {
        compare(
            perceptron(64, 64, 2, 10), adam(2e-3),
            on: changing(ClinicData.digits()) { batch in
                let share = Tensor.uniform([128, 1])
                let classes = oneHot(batch.y)
                let (x, y) = (batch.x.rolled(by: 1, axis: 0), classes.rolled(by: 1, axis: 0))
                return ClinicBatch(
                    x: batch.x * share + x * (1 - share), y: classes * share + y * (1 - share))
            }
        ) { crossEntropy($0, $1) }
    },
    .healthy("U166", "regression with much noise, batch of 4", .duringTraining, steps: 400) {
        compare(
            perceptron(4, 32, 1, 1), adam(2e-3),
            on: { _ in
                let x = Tensor.normal([4, 4])
                return ClinicBatch(x: x, y: x.sum([1], keepsAxes: true) * 0.5 + Tensor.normal([4, 1]))
            })
    },
    ClinicCase("U168", "mean over a mask that is empty for one sample", [.undefinedOperation]) {
        let model = Assembly([Embedding(50, 16), Linear(16, 2)]) { $0[0]($1) }
        return Program(
            model, Adam(model.parameters),
            on: changing(words(50)) {
                $0.inputs { .concatenated([$0.sliced(0..<31), .zeros([1, 20], dtype: .int32)]) }
            }
        ) { batch in
            let mask = batch.x.isGreater(than: batch.x.scalar(0)).cast(to: .float32).reshaped([32, 20, 1])
            let means = (model(batch.x) * mask).sum([1]) / mask.sum([1])
            return crossEntropy(model.layers[1](means), batch.y)
        }
    },
    .healthy("U147", "a small net that has converged, noisy targets, Adam", .duringTraining, steps: 600) {
        let model = perceptron(4, 0, 0, 1)
        let batches = changing(ClinicData.regression(4)) { $0.targets { $0 + Tensor.normal([128, 1]) } }
        try teach(compare(model, adam(0.01), on: batches), 500)
        return compare(model, adam(), on: batches)
    },
    .healthy("U148", "a small net that has converged, noisy classes, momentum", .duringTraining, steps: 600) {
        let model = perceptron(4, 8, 1, 2)
        let batches: ClinicData.Batches = { _ in
            let x = Tensor.normal([64, 4])
            let sums = x.sum([1]) + Tensor.normal([64]) * 2
            return ClinicBatch(x: x, y: sums.isGreater(than: sums.scalar(0)).cast(to: .int32))
        }
        try teach(classify(model, adam(0.01), on: batches), 500)
        return classify(model, sgd(0.05, momentum: 0.9), on: batches)
    },
    .healthy("U149", "GRU, adding 12, batch of 4", .duringTraining, steps: 600) {
        compare(Memory(GRU(inputSize: 2, hiddenSize: 32)), adam(3e-3), on: ClinicData.adding(12, 4))
    },
    .healthy("U150", "LSTM, noisy numbers from a series, batch of 8", .duringTraining, steps: 600) {
        compare(
            Memory(LSTM(inputSize: 4, hiddenSize: 32)), adam(3e-3),
            on: { _ in
                let x = Tensor.normal([10, 8, 4])
                return ClinicBatch(
                    x: x, y: x.selecting(9).sum([1], keepsAxes: true) * 0.5 + Tensor.normal([8, 1]) * 0.7)
            })
    },
    .healthy("U151", "as U22, tokens of 0.02", .duringTraining) {
        let (batches, vocabulary) = try ClinicData.shakespeare(length: 24, 8)
        return classify(
            LanguageModel(vocabulary: vocabulary, length: 24, size: 64, heads: 4, layers: 2, sharesTokens: true),
            adam(),
            on: batches)
    },
    .healthy("U152", "as U35, with shortcuts", .duringTraining) {
        classify(SmallResNet(depth: 44, channels: 1, width: 8), sgd(0.05, momentum: 0.9), on: imagesOfDigits)
    },
    .healthy("U153", "as U39, momentum 0.9", .duringTraining) {
        compare(perceptron(8, 64, 2, 1), sgd(0.05, momentum: 0.9), on: ClinicData.regression(8))
    },
    .healthy("U154", "as U142, group normalisation", .duringTraining) {
        let model = Sequential {
            Conv2d(1, 16, kernelSize: 3, padding: 1)
            GroupNorm(groups: 4, channels: 16)
            ReLU()
            Conv2d(16, 32, kernelSize: 3, stride: 2, padding: 1)
            GroupNorm(groups: 4, channels: 32)
            ReLU()
            GlobalAveragePool()
            Linear(32, 10)
        }
        return classify(model, adam(), on: changing(ClinicData.digits(3)) { $0.inputs { $0.reshaped([3, 1, 8, 8]) } })
    },
    .healthy("U155", "two heads of a VAE added up: no residual net", .beforeTraining) {
        autoencoder(scale: 4, adam(2e-3)) { ($0 - $1).square().sum([1]) }
    },
    .healthy("U156", "critic of images, one output, hinge loss, batch of 32") {
        let critic = perceptron(64, 64, 2, 1, { LeakyReLU(slope: 0.2) })
        return criticsTurn(critic, { Adam($0, learningRate: 1e-3) }) { real, fake, _, _ in
            (1 - real).relu().mean() + (1 + fake).relu().mean()
        }
    },
    ClinicCase("U157", "L2 by hand, 0.05", [.penaltyTooStrong]) {
        let model = perceptron(64, 128, 3, 10)
        return Program(model, sgd(0.1)(model.parameters), on: ClinicData.digits()) { batch in
            let penalty = model.parameters.map { $0.value.square().sum() }.reduce(Tensor.zeros([]), +)
            return crossEntropy(model(batch.x), batch.y) + penalty * 0.05
        }
    },
    ClinicCase("U158", "yes or no at 1 in 100 as float32", [.classImbalance]) {
        compare(
            perceptron(64, 64, 2, 1), adam(),
            on: changing(ClinicData.digits(400)) { batch in
                var marks = [Float](repeating: 0, count: 400)
                for index in [17, 130, 255, 390] { marks[index] = 1 }
                return batch.targets { _ in Tensor(marks, [400, 1]) }
            }
        ) { binaryCrossEntropyWithLogits($0, $1) }
    },
]
