extension TrainingSettings {
    /// The recipe that each kind of model comes with: what it is trained by unless something else is said.
    ///
    /// ```swift
    /// var settings = TrainingSettings(for: .resnet20)
    /// settings.epochs = 30
    /// ```
    /// A mlp has momentum, and Adam for a table, at a rate that stays, so that a run that is prolonged is the run that was
    /// longer from the start. A ResNet has momentum, decay, one cycle of the rate and images moved at random; a recurrent net
    /// Adam with a rate that falls to 0; a Transformer AdamW and one cycle; models of texts one cycle, of Adam where they are
    /// recurrent. A table is gone through more often than images are and in smaller batches, as it mostly has far fewer rows,
    /// until its validation loss has not become better for a while.
    /// - Parameters:
    ///   - kind: of the model.
    ///   - isTable: whether samples are rows of a table.
    ///   - optimizer: one to take in place of the recipe's, whose rate, momentum and decay then go with it; nil for the
    ///     recipe's.
    ///   - schedule: one to take in place of the recipe's; nil for the recipe's.
    public init(
        for kind: ModelSettings.Kind, isTable: Bool = false, optimizer: OptimizerKind? = nil,
        schedule: ScheduleKind? = nil
    ) {
        self.init()
        (epochs, patience) = isTable ? (100, 20) : (10, nil)
        if isTable { batchSize = 32 }
        switch kind {
        case .mlp where isTable:
            self.optimizer = .adam
        case .mlp:
            (learningRate, momentum) = (0.05, 0.9)
        case .resnet18, .resnet34, .resnet50:
            // Steps that weights which are trained already bear, as those of these nets mostly are.
            (learningRate, momentum, weightDecay) = (0.01, 0.9, 1e-4)
            self.schedule = .oneCycle
            augmentation = [.crop]
        case .resnet20, .resnet56:
            (learningRate, momentum, weightDecay) = (0.1, 0.9, 5e-4)
            self.schedule = .oneCycle
            augmentation = [.crop]
        case .rnn, .lstm, .gru:
            (self.optimizer, learningRate) = (.adam, kind == .rnn ? 0.003 : 0.01)
            self.schedule = .cosine
        case .tcn:
            (self.optimizer, learningRate) = (.adam, 0.002)
            self.schedule = .cosine
        case .transformer:
            (self.optimizer, learningRate, weightDecay) = (.adamw, 0.002, 0.01)
            self.schedule = .oneCycle
        case .lstmLM, .gruLM:
            (self.optimizer, learningRate, batchSize) = (.adam, 0.004, 32)
            self.schedule = .oneCycle
        case .seq2seq:
            (self.optimizer, learningRate, batchSize) = (.adam, 0.002, 64)
            self.schedule = .oneCycle
        case .transformerLM:
            // Many small steps take a text further in an epoch than a few large ones.
            (self.optimizer, learningRate, weightDecay, batchSize) = (.adamw, 0.001, 0.1, 8)
            (decaysWeightsOnly, self.schedule) = (true, .oneCycle)
        case .transformerSeq2seq:
            (self.optimizer, learningRate, weightDecay, batchSize) = (.adamw, 0.001, 0.01, 64)
            (decaysWeightsOnly, self.schedule) = (true, .oneCycle)
        }
        if let optimizer, optimizer != self.optimizer {
            let plain = TrainingSettings()
            self.optimizer = optimizer
            (learningRate, momentum, weightDecay) = (plain.learningRate, plain.momentum, plain.weightDecay)
        }
        if let schedule { self.schedule = schedule }
        // Known as a number, so that help and records can tell it.
        learningRate = rate
    }
}
