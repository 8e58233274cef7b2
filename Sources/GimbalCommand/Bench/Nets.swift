import GimbalTrain

extension Benchmark {
    /// Whole nets of many kinds, each trained and used: a training step on one fixed batch (gradients to zero, forward,
    /// loss, backward, clipping to norm 1, optimizer step), and inference at batch 1 and 64 (evaluation mode, without
    /// gradients). They run where they are named.
    ///
    /// The same as those of PyTorch and JAX in `Benchmarks/peers/compare_nets.py`.
    static func nets(_ precision: Precision) -> [Benchmark] { nets.flatMap { $0.benchmarks(precision) } }

    private static var nets: [Net] {
        [
            Net("resnet18-64", batch: 32, .pictures([3, 64, 64]), classes: 200, .sgd) { ResNet.resNet18(classes: 200) },
            Net("resnet18-224", batch: 8, .pictures([3, 224, 224]), classes: 1000, .sgd) { ResNet.resNet18() },
            Net("vgg", batch: 64, .pictures([3, 32, 32]), classes: 10, .sgd) { NetModels.vgg() },
            Net("mobilenet", batch: 32, .pictures([3, 64, 64]), classes: 100, .sgd) { NetModels.mobileNet() },
            Net("lenet", batch: 128, .pictures([1, 28, 28]), classes: 10, .adam) { NetModels.leNet() },
            Net("unet", batch: 8, .pictures([1, 64, 64]), classes: 4, each: [64, 64], .adam) { UNet() },
            Net("gpt", batch: 4, .numbers(below: 4096, 256), classes: 4096, each: [256], .adamW) {
                LanguageModel(vocabulary: 4096, length: 256, size: 384, heads: 6, layers: 6)
            },
            Net("wide-mlp", batch: 256, .pictures([784]), classes: 10, .adam) {
                NetModels.mlp([784, 4096, 4096, 10])
            },
            Net("bilstm", batch: 32, .pictures([64, 128]), classes: 10, .adam) {
                let recurrent = LSTM(inputSize: 128, hiddenSize: 128, isBatchFirst: true, isBidirectional: true)
                return RecurrentClassifier(recurrent, classes: 10)
            },
            Net("conv1d", batch: 16, .pictures([64, 512]), classes: 10, .adam) { NetModels.dilated() },
            Net("embedding", batch: 256, .numbers(below: 30000, 64), classes: 10, .adam) { MeanOfEmbeddings() },
            Net("autoencoder", batch: 256, .pictures([784]), .adam) {
                NetModels.mlp([784, 512, 128, 32, 128, 512, 784])
            },
        ]
    }

    /// Class numbers below `most`, in no order.
    static func classes(_ most: Int, _ shape: Shape) -> Tensor {
        Tensor((0..<shape.elementCount).map { Int32($0 * 7919 % 10007 % most) }, shape)
    }
}

/// A net as it is trained and as it is used.
private struct Net {
    /// What a sample is.
    enum Sample {
        /// Normal numbers of this shape.
        case pictures([Int])
        /// Numbers of tokens, so many of them.
        case numbers(below: Int, Int)
    }

    enum Rule { case sgd, adam, adamW }

    let name: String
    /// Samples of a training step.
    let batch: Int
    let sample: Sample
    /// How many classes there are; nil where the net is to give what it was given, by the squared error.
    let classes: Int?
    /// The shape of a sample's classes: one alone has none.
    let places: [Int]
    let rule: Rule
    let make: () -> any TensorLayer

    init(
        _ name: String, batch: Int, _ sample: Sample, classes: Int? = nil, each places: [Int] = [], _ rule: Rule,
        _ make: @escaping () -> any TensorLayer
    ) {
        self.name = name
        self.batch = batch
        self.sample = sample
        self.classes = classes
        self.places = places
        self.rule = rule
        self.make = make
    }

    func benchmarks(_ precision: Precision) -> [Benchmark] {
        let training = Benchmark(
            name: name, variant: "step, batch \(batch)", batch: batch, unasked: .nowhere
        ) { _ -> Benchmark.Training in
            let (model, inputs) = (make(), inputs(batch))
            guard let classes else {
                return Benchmark.Training(optimizer(of: model), inputs, precision, loss: squaredError) { model(inputs) }
            }
            // A language model's logits are those of all places in one row.
            let shape = Shape(model is LanguageModel ? [batch * places.reduce(1, *)] : [batch] + places)
            return Benchmark.Training(optimizer(of: model), Benchmark.classes(classes, shape), precision) {
                model(inputs)
            }
        }
        let inference = [1, 64].map { batch in
            Benchmark(
                name: name, variant: "inference, batch \(batch)", batch: batch, unasked: .nowhere
            ) { _ -> Benchmark.Call in
                let (model, inputs) = (make(), inputs(batch))
                model.setMode(.evaluation)
                return Benchmark.Call(parameters: model.parameterCount) {
                    withoutGradients { withPrecision(precision) { _ = model(inputs) } }
                }
            }
        }
        return [training] + inference
    }

    private func inputs(_ batch: Int) -> Tensor {
        switch sample {
        case .pictures(let sizes): .normal(Shape([batch] + sizes))
        case .numbers(let most, let count): Benchmark.classes(most, [batch, count])
        }
    }

    private func optimizer(of model: any TensorLayer) -> any Optimizer {
        switch rule {
        case .sgd: SGD(model.parameters, learningRate: 0.01, momentum: 0.9, weightDecay: 1e-4)
        case .adam: Adam(model.parameters)
        case .adamW: AdamW(model.parameters, learningRate: 3e-4)
        }
    }

    private func squaredError(_ outputs: Tensor, _ targets: Tensor) -> Tensor { meanSquaredError(outputs, targets) }
}
