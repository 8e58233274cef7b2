import GimbalTrain

extension Benchmark {
    /// Whole training steps of deep, recurrent, convolutional and attention nets: gradients to zero, forward,
    /// cross-entropy, backward, clipping to norm 1, optimizer step, on one fixed batch.
    ///
    /// The same as those of PyTorch in `Benchmarks/peers/compare_workloads.py`.
    static func workloads(_ precision: Precision) -> [Benchmark] {
        func workload(
            _ name: String, _ variant: String, batch: Int, tokens: Int? = nil, unasked: Benchmark.Unasked = .everywhere,
            _ make: @escaping (Device) -> Training
        ) -> Benchmark {
            Benchmark(
                name: name, variant: variant, batch: batch, tokens: tokens, unasked: unasked
            ) { device -> Training in
                var training = make(device)
                training.precision = precision
                return training
            }
        }
        return [
            workload("deep-mlp", "50 x 256, Adam", batch: 128) { device in
                let model = Sequential(
                    (0..<50).flatMap { _ in [Linear(256, 256), BatchNorm1d(256), ReLU()] as [any TensorLayer] })
                let inputs = Tensor.normal([128, 256])
                return Training(Adam(model.parameters), classes(256, [128])) { model(inputs) }
            },
            workload("lstm-small", "32 to 64, 100 steps, Adam", batch: 16) { device in
                let (recurrent, head) = (LSTM(inputSize: 32, hiddenSize: 64, isBatchFirst: true), Linear(64, 10))
                let inputs = Tensor.normal([16, 100, 32])
                return Training(Adam(recurrent.parameters + head.parameters), classes(10, [16])) {
                    head(recurrent(inputs).selecting(-1, axis: 1))
                }
            },
            workload("lstm-language", "2 x 256, 128 steps, Adam", batch: 32) { device in
                language(LSTM(inputSize: 128, hiddenSize: 256, layers: 2, isBatchFirst: true))
            },
            workload("gru-language", "2 x 256, 128 steps, Adam", batch: 32) { device in
                language(GRU(inputSize: 128, hiddenSize: 256, layers: 2, isBatchFirst: true))
            },
            workload("resnet20", "3x32x32, SGD with momentum", batch: 64) { device in
                let model = SmallResNet.resNet20()
                let inputs = Tensor.normal([64, 3, 32, 32])
                let optimizer = SGD(model.parameters, learningRate: 0.1, momentum: 0.9, weightDecay: 1e-4)
                return Training(optimizer, classes(10, [64])) { model(inputs) }
            },
            workload("resnet50", "3x224x224, SGD with momentum", batch: 32, unasked: .onGPUs) { device in
                let model = ResNet.resNet50()
                let inputs = Tensor.normal([32, 3, 224, 224])
                let optimizer = SGD(model.parameters, learningRate: 0.1, momentum: 0.9, weightDecay: 1e-4)
                return Training(optimizer, classes(1000, [32])) { model(inputs) }
            },
            workload("transformer", "4 x 256, 128 characters, AdamW", batch: 16) { device in
                let model = LanguageModel(vocabulary: 96, length: 128, size: 256, heads: 4, layers: 4)
                let inputs = classes(96, [16, 128])
                return Training(AdamW(model.parameters, learningRate: 3e-4), classes(96, [16 * 128])) { model(inputs) }
            },
            workload("gpt2", "124 M, 1,024 tokens, AdamW", batch: 4, tokens: 4 * 1024, unasked: .onGPUs) { device in
                let model = LanguageModel(
                    vocabulary: 50257, length: 1024, size: 768, heads: 12, layers: 12, sharesTokens: true)
                let inputs = classes(50257, [4, 1024])
                let optimizer = AdamW(model.parameters, learningRate: 3e-4)
                return Training(optimizer, classes(50257, [4 * 1024])) { model(inputs) }
            },
        ]
    }

    /// The whole of a training step.
    struct Training {
        let optimizer: any Optimizer
        let targets: Tensor
        /// Of the outputs and the targets.
        let lossFunction: (Tensor, Tensor) -> Tensor
        let outputs: () -> Tensor
        var precision: Precision {
            didSet { scaler = precision == .float16 ? LossScaler() : nil }
        }
        private var scaler: LossScaler?

        init(
            _ optimizer: any Optimizer, _ targets: Tensor, _ precision: Precision = .float32,
            loss: @escaping (Tensor, Tensor) -> Tensor = { crossEntropy($0, $1, ignoredIndex: nil) },
            _ outputs: @escaping () -> Tensor
        ) {
            self.optimizer = optimizer
            self.targets = targets
            lossFunction = loss
            self.outputs = outputs
            self.precision = precision
            scaler = precision == .float16 ? LossScaler() : nil
        }

        /// - Parameters:
        ///   - monitor: what watches the step, and its number.
        ///   - buckets: what exchanges its gradients with other ranks.
        ///   - overlaps: whether it does so while they are computed.
        @discardableResult
        func step(
            watchedBy monitor: (HealthMonitor, step: Int)? = nil, exchangedBy buckets: GradientBuckets? = nil,
            whileComputing overlaps: Bool = true
        ) throws -> Tensor {
            optimizer.zeroGradients()
            let pass = {
                let loss = withPrecision(precision) { lossFunction(outputs(), targets) }
                let backward = { try (scaler?.scaled(loss) ?? loss).backward() }
                try overlaps ? buckets?.exchanging(backward) ?? backward() : backward()
                return loss.detached()
            }
            let loss = try monitor.map { try $0.0.watching(step: $0.step, pass) } ?? pass()
            if let buckets {
                try buckets.finish()
                try scaleGradients(optimizer.parameters, by: 1 / Double(buckets.queue.size))
            }
            let isFinite = try scaler?.unscale(optimizer.parameters)
            monitor?.0.willUpdate(optimizer.parameters)
            try clipGradientNorm(optimizer.parameters, maxNorm: 1)
            try optimizer.step(if: isFinite)
            if let isFinite { try scaler?.update(isFinite) }
            monitor?.0.didUpdate()
            return loss
        }
    }

    /// Next-character prediction: embedding, a recurrent net over 128 steps, and a linear head.
    private static func language(_ recurrent: RecurrentNet) -> Training {
        let (embedding, head) = (Embedding(96, 128), Linear(256, 96))
        let inputs = classes(96, [32, 128])
        let parameters = embedding.parameters + recurrent.parameters + head.parameters
        return Training(Adam(parameters), classes(96, [32 * 128])) {
            head(recurrent(embedding(inputs))).reshaped([32 * 128, 96] as Shape)
        }
    }
}
