import GimbalTrain

// MARK: Healthy

let strangerHealthy: [ClinicCase] = [
    .healthy("U61", "U-Net, binary cross-entropy of logits") {
        compare(unet(), adam(), on: try masks(0.3)) { binaryCrossEntropyWithLogits($0, $1) }
    },
    .healthy("U62", "U-Net, dice loss") {
        compare(unet(), adam(), on: try masks(0.3)) { logits, target in
            let p = logits.sigmoid()
            return 1 - ((p * target).sum() * 2 + 1) / (p.sum() + target.sum() + 1)
        }
    },
    .healthy("U63", "VAE of convolutions, squared error, β 0.5") {
        let encoder = Sequential {
            Conv2d(1, 8, kernelSize: 3, stride: 2, padding: 1)
            ReLU()
            Conv2d(8, 16, kernelSize: 3, stride: 2, padding: 1)
            ReLU()
            Flatten()
            Linear(784, 16)
        }
        let decoder = Sequential {
            ConvTranspose2d(16, 8, kernelSize: 4, stride: 2, padding: 1)
            ReLU()
            ConvTranspose2d(8, 1, kernelSize: 4, stride: 2, padding: 1)
        }
        let model = Assembly([encoder, Linear(8, 784), decoder]) { $0[0]($1) }
        return Program(model, Adam(model.parameters), on: try ClinicData.fashion(32)) { batch in
            let code = model(batch.x)
            let (mean, logVariance) = (code.sliced(0..<8, axis: 1), code.sliced(8..<16, axis: 1))
            let drawn = mean + (logVariance * 0.5).exp() * Tensor.normal(mean.shape)
            let image = model.layers[2](model.layers[1](drawn).relu().reshaped([32, 16, 7, 7]))
            let error = (image - batch.x).square().sum([1, 2, 3])
            let divergence = (mean.square() + logVariance.exp() - logVariance - 1).sum([1]) * 0.25
            return (error + divergence).mean()
        }
    },
    .healthy("U64", "siamese, contrastive, ε in the root") {
        siamese { (($0 - $1).square().sum([1]) + 1e-6).squareRoot() }
    },
    .healthy("U65", "sequence to sequence, GRU, digits backwards") {
        translation { Adam($0.parameters, learningRate: 3e-3) }
    },
    .healthy("U66", "LSTM over padded sequences with lengths") {
        let net = LSTM(inputSize: 4, hiddenSize: 32, isBatchFirst: true)
        let model = Assembly([net, Linear(32, 2)]) { $0[1]($1) }
        return Program(
            model, Adam(model.parameters, learningRate: 3e-3),
            on: { _ in
                let lengths = (0..<32).map { Int32(4 + $0 % 13) }
                let mask = Tensor((0..<32 * 16).map { Float($0 % 16 < 4 + ($0 / 16) % 13 ? 1 : 0) }, [32, 16, 1])
                let x = Tensor.normal([32, 16, 4]) * mask
                let sums = x.sum([1, 2])
                var batch = ClinicBatch(x: x, y: sums.isGreater(than: sums.scalar(0)).cast(to: .int32))
                batch.unused = Tensor(lengths)
                return batch
            }
        ) { batch in
            let state = net(batch.x, lengths: batch.unused!).state.hidden
            return crossEntropy(model(state.selecting(-1)), batch.y)
        }
    },
    .healthy("U67", "connectionist temporal classification, LSTM in both directions") {
        let net = LSTM(inputSize: 6, hiddenSize: 32, isBidirectional: true)
        let model = Assembly([net, Linear(64, 6)]) { $0[1]($0[0]($1)) }
        let lengths = (Tensor([Int32](repeating: 20, count: 16)), Tensor([Int32](repeating: 5, count: 16)))
        return Program(
            model, Adam(model.parameters, learningRate: 5e-3),
            on: { _ in
                let labels = try! (Tensor.uniform([16 * 5]) * 4.999).floats().map { Int32($0) + 1 }
                var x = [Float](repeating: 0, count: 20 * 16 * 6)
                for row in 0..<16 {
                    for step in 0..<20 where step % 4 != 3 {
                        x[(step * 16 + row) * 6 + Int(labels[row * 5 + step / 4])] = 1
                    }
                }
                return ClinicBatch(x: Tensor(x, [20, 16, 6]), y: Tensor(labels, [16, 5]))
            }
        ) {
            temporalClassification(model($0.x).logSoftmax(), $0.y, inputLengths: lengths.0, targetLengths: lengths.1)
        }
    },
    .healthy("U68", "mixture density, log-sum-exp") {
        mixture(scale: 1) { mean, deviation, share, target in
            let z = (target - mean) / deviation
            return -((z.square() * -0.5 - deviation.log()) + share.logSoftmax()).logSumExp([1]).mean()
        }
    },
    .healthy("U69", "Poisson, counts of about a hundred, Adam 1e-2") {
        compare(
            perceptron(8, 32, 1, 1), adam(0.01),
            on: changing(ClinicData.regression(8)) { $0.targets { ($0 * 0.5 + 4.6).exp() } }
        ) { poissonNLL($0, $1) }
    },
    .healthy("U70", "3 in 100, weight of 30 for the rare") {
        compare(perceptron(12, 32, 2, 1), adam(), on: rare(1.88, 512)) {
            binaryCrossEntropyWithLogits($0, $1, positiveWeight: Tensor([30] as [Float]))
        }
    },
    .healthy("U71", "physics: u'' = -u by a net of tanh") {
        let net = perceptron(1, 32, 2, 1, { Tanh() })
        return Program(
            net, Adam(net.parameters, learningRate: 3e-3),
            on: { _ in ClinicBatch(x: .uniform([64, 1], low: 0, high: 3), y: .zeros([1, 1])) }
        ) { batch in
            let x = batch.x.requiringGradient()
            let u = net(x)
            let first = try gradient(of: u.sum(), withRespectTo: x, createsGraph: true)
            let second = try gradient(of: first.sum(), withRespectTo: x, createsGraph: true)
            let start = Tensor.zeros([1, 1]).requiringGradient()
            let atStart = net(start)
            let slope = try gradient(of: atStart.sum(), withRespectTo: start, createsGraph: true)
            return (second + u).square().mean() + atStart.square().mean() + (slope - 1).square().mean()
        }
    },
    .healthy("U72", "critic with a gradient penalty") {
        let critic = perceptron(64, 64, 2, 1, { LeakyReLU(slope: 0.2) })
        return criticsTurn(critic, { Adam($0, learningRate: 5e-4, beta1: 0.5) }) { real, fake, x, drawn in
            let share = Tensor.uniform([128, 1])
            let between = (x * share + drawn * (1 - share)).detached().requiringGradient()
            let slope = try gradient(of: critic(between).sum(), withRespectTo: between, createsGraph: true)
            let norm = (slope.square().sum([1]) + 1e-12).squareRoot()
            return fake.mean() - real.mean() + (norm - 1).square().mean() * 10
        }
    },
    .healthy("U73", "generator's turn, transposed convolutions") {
        let generator = Sequential {
            Linear(16, 32 * 7 * 7)
            ReLU()
            Assembly([]) { $1.reshaped([32, 32, 7, 7]) }
            ConvTranspose2d(32, 16, kernelSize: 4, stride: 2, padding: 1)
            BatchNorm2d(16)
            ReLU()
            ConvTranspose2d(16, 1, kernelSize: 4, stride: 2, padding: 1)
            Tanh()
        }
        let critic = Sequential {
            Conv2d(1, 16, kernelSize: 4, stride: 2, padding: 1)
            LeakyReLU(slope: 0.2)
            Conv2d(16, 32, kernelSize: 4, stride: 2, padding: 1)
            LeakyReLU(slope: 0.2)
            Flatten()
            Linear(32 * 7 * 7, 1)
        }
        let images = try ClinicData.fashion(32)
        try teach(
            Program(critic, Adam(critic.parameters), on: images) { batch in
                let fake = withoutGradients { generator(.normal([32, 16])) }
                return binaryCrossEntropyWithLogits(critic(batch.x * 2 - 1), .ones([32, 1]))
                    + binaryCrossEntropyWithLogits(critic(fake), .zeros([32, 1]))
            }, 20)
        critic.freeze()
        let model = Assembly([generator, critic]) { $0[1]($0[0]($1)) }
        return Program(
            model, Adam(generator.parameters, learningRate: 2e-4, beta1: 0.5),
            on: { _ in ClinicBatch(x: .normal([32, 16]), y: .ones([32, 1])) }
        ) { binaryCrossEntropyWithLogits(model($0.x), $0.y) }
    },
    .healthy("U74", "critic with spectral normalisation, hinge loss") {
        let critic = Sequential {
            SpectralNorm(Linear(64, 64))
            LeakyReLU(slope: 0.1)
            SpectralNorm(Linear(64, 64))
            LeakyReLU(slope: 0.1)
            SpectralNorm(Linear(64, 1))
        }
        return criticsTurn(critic, { Adam($0, learningRate: 1e-3, beta1: 0.5) }) { real, fake, _, _ in
            (1 - real).relu().mean() + (1 + fake).relu().mean()
        }
    },
    .healthy("U75", "distillation from a trained teacher, temperature 4, and cross-entropy") {
        let teacher = perceptron(64, 128, 2, 10)
        try teach(classify(teacher, adam(2e-3)), 200)
        let student = perceptron(64, 16, 1, 10)
        return Program(student, Adam(student.parameters, learningRate: 3e-3), on: ClinicData.digits()) { batch in
            let wanted = withoutGradients { (teacher(batch.x) * 0.25).softmax() }
            let logits = student(batch.x)
            return klDivergence((logits * 0.25).logSoftmax(), wanted, reduction: .batchMean) * 16 * 0.7
                + crossEntropy(logits, batch.y) * 0.3
        }
    },
    .healthy("U76", "autoencoder whose decoder has the encoder's weights") {
        let (outer, inner) = (Linear(64, 32), Linear(32, 12))
        let model = Assembly([outer, inner]) { _, x in
            let code = inner(outer(x).tanh())
            let back = code.linear(weight: inner.weight.value.transposed()).tanh()
            return back.linear(weight: outer.weight.value.transposed())
        }
        return compare(model, adam(2e-3), on: ClinicData.givenBack)
    },
    .healthy("U77", "12 residual blocks without normalisation, Fixup") {
        let model = residualConvolutions(12)
        model.initializeFixup()
        return classify(model, adam(2e-3), on: imagesOfDigits)
    },
    .healthy("U78", "residual convolutions with group normalisation, batch of 4") {
        let model = Sequential {
            Conv2d(1, 16, kernelSize: 3, padding: 1)
            for _ in 0..<3 {
                Residual {
                    GroupNorm(groups: 4, channels: 16)
                    ReLU()
                    Conv2d(16, 16, kernelSize: 3, padding: 1)
                    GroupNorm(groups: 4, channels: 16)
                    ReLU()
                    Conv2d(16, 16, kernelSize: 3, padding: 1)
                }
            }
            GlobalAveragePool()
            Linear(16, 10)
        }
        return classify(model, adam(), on: changing(ClinicData.digits(4)) { $0.inputs { $0.reshaped([4, 1, 8, 8]) } })
    },
    .healthy("U79", "log-cosh, targets with heavy tails") {
        compare(
            perceptron(8, 64, 2, 1), adam(),
            on: changing(ClinicData.regression(8)) { batch in
                batch.targets { $0 + Tensor.normal([128, 1]) * 0.3 / (Tensor.normal([128, 1]).absolute() + 0.1) }
            }
        ) { predictions, targets in
            let error = (predictions - targets).absolute()
            return (error + (error * -2).softplus() - 0.6931).mean()
        }
    },
    .healthy("U80", "three quantiles at once") {
        let levels = Tensor([0.1, 0.5, 0.9] as [Float], [1, 3])
        return compare(perceptron(8, 64, 2, 3), adam(), on: ClinicData.regression(8)) { predictions, targets in
            let error = targets - predictions
            return Tensor.maximum(error * levels, error * (levels - 1)).mean()
        }
    },
    .healthy("U81", "mean and softplus of a variance") {
        compare(perceptron(8, 64, 2, 2), adam(2e-3), on: ClinicData.regression(8)) { output, target in
            let variance = output.sliced(1..<2, axis: 1).softplus() + 1e-4
            return gaussianNLL(output.sliced(0..<1, axis: 1), target, variance: variance)
        }
    },
    .healthy("U82", "fine-tuning, a new head and a body at a tenth of the rate") {
        let model = perceptron(64, 64, 2, 10)
        try teach(classify(model, adam(2e-3)), 150)
        let tuned = Assembly([model.layers[0], model.layers[1], model.layers[2], model.layers[3], Linear(64, 2)]) {
            $0.reduce($1) { $1($0) }
        }
        let body = tuned.layers.dropLast().flatMap(\.parameters)
        let optimizer = Adam(
            [ParameterGroup(body, learningRateScale: 0.1), ParameterGroup(tuned.layers[4].parameters)],
            learningRate: 1e-3)
        return Program(
            tuned, optimizer,
            on: changing(ClinicData.digits()) { $0.targets { $0.isGreater(than: $0.scalar(4)).cast(to: .int32) } }
        ) { crossEntropy(tuned($0.x), $0.y) }
    },
    .healthy("U83", "low-rank adapters, the second factor 0, frozen base") { try adapters(zeroDown: false) },
    .healthy("U84", "trained weights, trained on at 1e-4") {
        let model = perceptron(64, 64, 2, 10)
        try teach(classify(model, adam(2e-3)), 300)
        return classify(model, adam(1e-4))
    },
    .healthy("U85", "all digits as one batch, Adam") {
        classify(perceptron(64, 64, 2, 10), adam(3e-3), on: ClinicData.digits(1797))
    },
    .healthy("U86", "values with a target net, rewards of 0 and 1") {
        let (net, target) = (perceptron(4, 64, 2, 2), perceptron(4, 64, 2, 2))
        let actions = Tensor((0..<128).map { Int32($0 % 2) }, [128, 1])
        return Program(
            net, Adam(net.parameters), on: { _ in ClinicBatch(x: .normal([128, 4]), y: .normal([128, 4])) }
        ) { batch in
            let sums = batch.x.sliced(0..<1, axis: 1) * (actions.cast(to: .float32) * 2 - 1)
            let reward = sums.isGreater(than: sums.scalar(0)).cast(to: .float32)
            let wanted = withoutGradients { reward + target(batch.y).max([1], keepsAxes: true) * 0.9 }
            return huber(net(batch.x).gathered(along: 1, actions), wanted)
        }
    },
    .healthy("U87", "Adadelta, rate 1") {
        classify(convolutionalNet(), { Adadelta($0) }, on: try ClinicData.fashion(32))
    },
    .healthy("U88", "Transformer, Lion 3e-4, decay 0.3") {
        try textProgram { Lion($0, learningRate: 3e-4, weightDecay: 0.3) }
    },
    .healthy("U89", "LSTM over rows, RMSprop with momentum") {
        let model = RecurrentClassifier(LSTM(inputSize: 8, hiddenSize: 32, isBatchFirst: true), classes: 10)
        return classify(model, { RMSprop($0, learningRate: 1e-3, momentum: 0.9) }, on: rowsOfDigits)
    },
    .healthy("U90", "bag of words, Adagrad 0.1") { classify(bag(100), { Adagrad($0, learningRate: 0.1) }, on: topics) },
    .healthy("U91", "6 x 64 sigmoid with batch normalisation") {
        classify(perceptron(64, 64, 6, 10, { Sigmoid() }, norm: true), adam())
    },
    .healthy("U92", "digits as whole numbers 0...16, Adam") {
        classify(perceptron(64, 64, 2, 10), adam(), on: changing(ClinicData.digits()) { $0.inputs { $0 * 16 } })
    },
    .healthy("U93", "house prices, the scale within the model") {
        let net = perceptron(10, 64, 2, 1)
        let model = Assembly([net]) { $0[0]($1) * 1e5 + 3e5 }
        return compare(model, adam(2e-3), on: ClinicData.regression(10, scale: 1e5, shift: 3e5)) {
            meanSquaredError($0, $1)
        }
    },
    .healthy("U94", "pixels 0...255, standardised within the model") {
        let net = convolutionalNet()
        let model = Assembly([net]) { $0[0](($1 - 73) / 90) }
        return classify(model, adam(), on: changing(try ClinicData.fashion(32)) { $0.inputs { $0 * 255 } })
    },
    .healthy("U95", "cosines of features and classes, times 16") {
        let (net, classes) = (perceptron(64, 64, 1, 32), Linear(32, 10, hasBias: false))
        func unit(_ x: Tensor) -> Tensor { x / (x.square().sum([1], keepsAxes: true) + 1e-8).squareRoot() }
        let model = Assembly([net, classes]) { _, x in unit(net(x)).linear(weight: unit(classes.weight.value)) * 16 }
        return classify(model, adam())
    },
    .healthy("U96", "a bandit: minus the expected reward") {
        let model = perceptron(8, 32, 1, 4)
        return Program(
            model, Adam(model.parameters, learningRate: 3e-3),
            on: { _ in ClinicBatch(x: .normal([128, 8]), y: .zeros([1])) }
        ) { batch in -(model(batch.x).softmax() * batch.x.sliced(0..<4, axis: 1)).sum([1]).mean() }
    },
    .healthy("U97", "diffusion: the noise in digits") {
        let model = perceptron(65, 128, 2, 64, { SiLU() })
        return Program(
            model, Adam(model.parameters, learningRate: 2e-3),
            on: { step in
                let x = ClinicData.digits()(step).x * 2 - 1
                let time = Tensor.uniform([128, 1])
                let noise = Tensor.normal([128, 64])
                let (signal, share) = ((time * 1.5).cosine(), (time * 1.5).sine())
                return ClinicBatch(x: .concatenated([x * signal + noise * share, time], axis: 1), y: noise)
            }
        ) { meanSquaredError(model($0.x), $0.y) }
    },
    .healthy("U98", "flow of four couplings, negative log-likelihood") {
        flow(adam(3e-3), noise: 0.05, scale: 1)
    },
    .healthy("U99", "graph convolutions of two layers") {
        let (first, second) = (Linear(16, 32), Linear(32, 4))
        var shares: [Float] = []
        for row in 0..<200 {
            let linked = (0..<200).filter { other in
                other == row || (other % 4 == row % 4 && (row * 31 + other * 17) % 9 == 0)
            }
            var line = [Float](repeating: 0, count: 200)
            for other in linked { line[other] = 1 / Float(linked.count) }
            shares += line
        }
        let adjacency = Tensor(shares, [200, 200])
        let features = Tensor.normal([200, 16])
        let model = Assembly([first, second]) { _, x in
            let hidden = adjacency.matrixMultiplied(by: first(x)).relu()
            return adjacency.matrixMultiplied(by: second(hidden))
        }
        let classes = Tensor((0..<200).map { Int32($0 % 4) })
        return classify(model, adam(0.01), on: { _ in ClinicBatch(x: features, y: classes) })
    },
    .healthy("U100", "sets of points, maximum over each") {
        let (inner, outer) = (perceptron(2, 32, 1, 32), perceptron(32, 32, 1, 1))
        let model = Assembly([inner, outer]) { _, x in
            outer(inner(x.reshaped([64 * 20, 2])).relu().reshaped([64, 20, 32]).max([1]))
        }
        return compare(
            model, adam(3e-3),
            on: { _ in
                let x = Tensor.normal([64, 20, 2])
                return ClinicBatch(x: x, y: x.square().sum([2]).max([1], keepsAxes: true).squareRoot())
            })
    },
    .healthy("U101", "squeeze and excitation") {
        let (one, two) = (
            Conv2d(1, 16, kernelSize: 3, stride: 2, padding: 1), Conv2d(16, 32, kernelSize: 3, stride: 2, padding: 1)
        )
        let (norm, squeeze, excite, head) = (BatchNorm2d(32), Linear(32, 4), Linear(4, 32), Linear(32, 10))
        let model = Assembly([one, two, norm, squeeze, excite, head]) { _, x in
            let features = norm(two(one(x).relu())).relu()
            let gate = excite(squeeze(features.mean([2, 3])).relu()).sigmoid().reshaped([32, 32, 1, 1])
            return head((features * gate).mean([2, 3]))
        }
        return classify(model, adam(3e-3), on: try ClinicData.fashion(32))
    },
    .healthy("U102", "highway net of 10 layers, gates that begin at -2") {
        let layers = [Linear(64, 64)] + (0..<20).map { _ in Linear(64, 64) } + [Linear(64, 10)]
        for index in stride(from: 2, through: 20, by: 2) { layers[index].bias?.assign(.full([64], -2)) }
        let model = Assembly(layers) { layers, x in
            var x = layers[0](x)
            for index in stride(from: 1, through: 19, by: 2) {
                let gate = layers[index + 1](x).sigmoid()
                x = layers[index](x).tanh() * gate + x * (1 - gate)
            }
            return layers[21](x)
        }
        return classify(model, adam(2e-3))
    },
    .healthy("U103", "sines with a frequency of 30: an image from places") {
        let layers = [Linear(2, 64), Linear(64, 64), Linear(64, 64), Linear(64, 1)]
        layers[0].weight.assign(.uniform([64, 2], low: -0.5, high: 0.5))
        let bound = (6.0 / 64).squareRoot() / 30
        for layer in layers.dropFirst() { layer.weight.assign(.uniform(layer.weight.shape, low: -bound, high: bound)) }
        let model = Assembly(layers) { layers, x in
            var x = x
            for layer in layers.dropLast() { x = (layer(x) * 30).sine() }
            return layers[3](x)
        }
        let image = try ClinicData.fashion(1)(3).x.reshaped([784, 1])
        var floats: [Float] = []
        for row in 0..<28 {
            for column in 0..<28 { floats += [Float(row) / 13.5 - 1, Float(column) / 13.5 - 1] }
        }
        let places = Tensor(floats, [784, 2])
        return compare(model, adam(3e-4), on: { _ in ClinicBatch(x: places, y: image) })
    },
    .healthy("U104", "word vectors, negative sampling, outputs that begin as 0") {
        let (inner, outer) = (Embedding(200, 16), Embedding(200, 16))
        inner.weight.assign(.uniform([200, 16], low: -0.5 / 16, high: 0.5 / 16))
        outer.weight.assign(.zeros([200, 16]))
        let model = Assembly([inner, outer]) { $0[0]($1) }
        return Program(
            model, Adam(model.parameters, learningRate: 0.01),
            on: { _ in
                let numbers = try! (Tensor.uniform([64]) * 199.9).floats().map { Int32($0) }
                let noise = try! (Tensor.uniform([64 * 4]) * 199.9).floats().map { Int32($0) }
                var others: [Int32] = []
                for row in 0..<64 {
                    others.append(numbers[row] / 10 * 10 + Int32(row % 10))
                    others += Array(noise[row * 4..<row * 4 + 4])
                }
                return ClinicBatch(x: Tensor(numbers, [64, 1]), y: Tensor(others, [64, 5]))
            }
        ) { batch in
            let scores = (model(batch.x) * outer(batch.y)).sum([2])
            let wanted = Tensor((0..<320).map { Float($0 % 5 == 0 ? 1 : 0) }, [64, 5])
            return binaryCrossEntropyWithLogits(scores, wanted)
        }
    },
    .healthy("U105", "ReZero: 12 branches that begin with a factor of 0") {
        let model = scaledBranches(12, start: 0)
        return classify(model, adam())
    },
    .healthy("U106", "branches scaled by 1e-4 each, as of 24 layers") {
        let model = scaledBranches(12, start: 1e-4)
        return classify(model, adam())
    },
    .healthy("U107", "loss times 1024, rate over 1024") {
        compare(perceptron(64, 64, 2, 10), sgd(0.2 / 1024), on: ClinicData.digits()) { crossEntropy($0, $1) * 1024 }
    },
    .healthy("U108", "loss times 1e-3, Adam") {
        compare(perceptron(64, 64, 2, 10), adam(), on: ClinicData.digits()) { crossEntropy($0, $1) * 1e-3 }
    },
    .healthy("U109", "mixer over patches of digits") {
        let model = Mixer()
        return classify(model, adam(2e-3))
    },
    .healthy("U110", "dilated causal convolutions, residual") {
        let layers: [any TensorLayer] =
            [Conv1d(2, 32, kernelSize: 1)]
            + (0..<5).map { Conv1d(32, 32, kernelSize: 2, dilation: 1 << $0) } + [Linear(32, 1)]
        let model = Assembly(layers) { layers, x in
            var x = layers[0](x)
            for index in 1...5 { x = x + layers[index](x.padded([(0, 0), (0, 0), (1 << (index - 1), 0)])).relu() }
            return layers[6](x.selecting(-1, axis: 2))
        }
        return compare(model, adam(5e-3), on: changing(ClinicData.adding(16)) { $0.inputs { $0.permuted([1, 2, 0]) } })
    },
    .healthy("U111", "random walk, the window before the value asked for") {
        compare(perceptron(16, 32, 1, 1), adam(), on: walk(leaks: false))
    },
    .healthy("U112", "Gumbel-softmax codes of digits") {
        let (encoder, decoder) = (perceptron(64, 64, 1, 8 * 8), perceptron(64, 64, 1, 64))
        let model = Assembly([encoder, decoder]) { _, x in
            let noise = -(-(Tensor.uniform([128, 8, 8]) * 0.999 + 5e-4).log()).log()
            let code = ((encoder(x).reshaped([128, 8, 8]) + noise) * 1.0).softmax()
            return decoder(code.reshaped([128, 64]))
        }
        return compare(model, adam(2e-3), on: ClinicData.givenBack)
    },
    .healthy("U113", "vector quantisation, straight through") { quantized(straightThrough: true) },
    .healthy("U114", "attention pooling over the steps") {
        classify(attentionPooling(axis: 1), adam(3e-3), on: rowsOfDigits)
    },
    .healthy("U115", "sound between -1 and 1") { classify(soundNet(), adam(3e-3), on: sounds(0.4)) },
    .healthy("U116", "two views, minus the cosine, a predictor and a stopped gradient") {
        let (net, head) = (perceptron(64, 64, 1, 32, norm: true), perceptron(32, 16, 1, 32))
        let model = Assembly([net, head]) { $0[0]($1) }
        return Program(model, Adam(model.parameters), on: ClinicData.digits()) { batch in
            let views = (0..<2).map { _ in model(batch.x + Tensor.normal(batch.x.shape) * 0.2) }
            let there = cosineSimilarity(head(views[0]), views[1].detached()).mean()
            let back = cosineSimilarity(head(views[1]), views[0].detached()).mean()
            return -(there + back) * 0.5
        }
    },
    .healthy("U117", "flow that begins near a loss of 0") { flow(adam(3e-3), noise: 0.05, scale: 0.3) },
    .healthy("U118", "spectral normalisation, cross-entropy") {
        let model = Sequential {
            SpectralNorm(Linear(64, 64))
            LeakyReLU(slope: 0.1)
            SpectralNorm(Linear(64, 64))
            LeakyReLU(slope: 0.1)
            Linear(64, 10)
        }
        return classify(model, adam(3e-3))
    },
    .healthy("U119", "momentum 0.99, rate 1e-3") { classify(perceptron(64, 128, 3, 10), sgd(1e-3, momentum: 0.99)) },
    .healthy("U120", "AdamW, rate 1e-3, decay 0.3, Transformer") {
        try textProgram { AdamW($0, learningRate: 1e-3, weightDecay: 0.3) }
    },
    .healthy("U141", "minus the mean log-probability of a normal distribution with narrow targets") {
        compare(
            perceptron(8, 64, 2, 2), adam(), on: changing(ClinicData.regression(8)) { $0.targets { $0 * 0.3 } }
        ) { output, target in
            let (mean, logDeviation) = (output.sliced(0..<1, axis: 1), output.sliced(1..<2, axis: 1))
            return (((target - mean) / logDeviation.exp()).square() * 0.5 + logDeviation).mean()
        }
    },
    .healthy("U142", "batch normalisation of images, batch of 3") {
        classify(smallNet(), adam(), on: changing(ClinicData.digits(3)) { $0.inputs { $0.reshaped([3, 1, 8, 8]) } })
    },
    .healthy("U143", "ratings 1...5, scaled sigmoid") { ratings { $0.sigmoid() * 4 + 1 } },
    .healthy("U144", "fraud, 1 in 20, cross-entropy") {
        compare(perceptron(12, 32, 2, 1), adam(3e-3), on: rare(1.64, 512)) { binaryCrossEntropyWithLogits($0, $1) }
    },
    .healthy("U145", "sums of embeddings of columns and numbers, one output") {
        let (columns, numbers, head) = (Embedding(40, 8), Linear(4, 16), perceptron(40, 32, 1, 1))
        let model = Assembly([columns, numbers, head]) { _, x in
            let kinds = x.sliced(0..<3, axis: 1).cast(to: .int32)
            return head(
                .concatenated([columns(kinds).reshaped([128, 24]), numbers(x.sliced(3..<7, axis: 1)).relu()], axis: 1))
        }
        return compare(
            model, adam(3e-3),
            on: { _ in
                let kinds = try! (Tensor.uniform([128 * 3]) * 39.9).floats().map { $0.rounded(.down) }
                let x = Tensor.concatenated([Tensor(kinds, [128, 3]), .normal([128, 4])], axis: 1)
                let effects = (0..<128).map { kinds[$0 * 3] < 20 ? Float(1) : -1 }
                return ClinicBatch(x: x, y: Tensor(effects, [128, 1]) + x.sliced(3..<4, axis: 1))
            })
    },
    .healthy("U146", "minus a correlation as the loss") {
        compare(perceptron(8, 32, 2, 1), adam(), on: ClinicData.regression(8)) { predictions, targets in
            let (p, t) = (predictions - predictions.mean(), targets - targets.mean())
            return -(p * t).sum() / ((p.square().sum() * t.square().sum()) + 1e-8).squareRoot()
        }
    },
]
