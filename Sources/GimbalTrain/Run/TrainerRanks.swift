/// What a trainer does as one of several ranks.
extension Trainer {
    /// What the first rank has found, on all ranks; where there is one alone, what it finds.
    func agreed<Value: Codable>(_ find: () throws -> Value) throws -> Value {
        guard let ranks else { return try find() }
        return try ranks.fromFirst(find)
    }

    /// Makes sure that all ranks are about to do the same, with the same weights.
    func meetRanks() throws {
        guard let exchange, exchange.size > 1 else { return ranks = nil }
        let ranks = ranks ?? TrainingRanks(exchange, phases, settings: exchangeSettings)
        self.ranks = ranks
        let parameters = model.parameters.map { "\($0.name) \($0.shape)" }.joined(separator: ", ")
        // Of data that is not in memory, some examples.
        func checksum(_ examples: (any SupervisedData)?) throws -> String {
            guard let examples, examples.count > 0 else { return "unknown" }
            return try "\((examples as? Dataset ?? examples.examples(limit: 256)).checksum)"
        }
        var facts: [(name: String, value: String)] = [
            ("version of Gimbal", gimbalVersion), ("data", dataDescription),
            ("checksum of the data", try checksum(data.examples)),
            ("checksum of the validation data", try checksum(validationExamples)),
            ("checksum of the test data", try checksum(testExamples)),
        ]
        facts += settingsOfAllRanks
        for (name, value) in sameOnRanks {
            facts.append((name, String(decoding: try CheckpointManifest.encoder.encode(value), as: UTF8.self)))
        }
        facts.append(("model", parameters))
        facts.append(("number of batches in an epoch", data.batchesPerEpoch.map { "\($0)" } ?? "unknown"))
        facts.append(("step to go on from", "\(progress.step)"))
        try ranks.requireSame(facts)
        try ranks.shareWeights(of: model)
        // Decisions follow what the host has read, which it does less often from a GPU than from the CPU.
        reportInterval = Int(try ranks.queue.reduced(Double(reportInterval), .maximum))
        skipInterval = Int(try ranks.queue.reduced(Double(skipInterval), .maximum))
    }

    /// What of the settings all ranks must have, by name, in words. Where files lie is each rank's own.
    private var settingsOfAllRanks: [(name: String, value: String)] {
        var facts: [(name: String, value: String)] = []
        for setting in RunSettings.list(of: settings) + (shownSettings ?? [])
        where !RunSettings.paths.contains(setting.name) {
            facts.append((setting.name, setting.value ?? "none"))
        }
        for phase in phases {
            facts.append(("optimizer of \(phase.name)", Self.name(of: phase.optimizer)))
            facts.append(("rate of \(phase.name)", "\(phase.optimizer.learningRate)"))
        }
        facts.append(("bucket size", "\(exchangeSettings.bucketBytes)"))
        facts.append(("wire type", exchangeSettings.wire.rawValue))
        let synchronized = model.modules.filter { ($0 as? BatchNorm)?.exchange != nil }
        facts.append(("number of synchronised batch normalisations", "\(synchronized.count)"))
        facts.append(("checkpoint interval", checkpointInterval.map { "\($0)" } ?? "none"))
        facts.append(("least time between checkpoints", "\(leastSaveInterval)"))
        facts.append(("epoch to pause after", pauseEpoch.map { "\($0)" } ?? "none"))
        facts.append(("largest number of steps", maxSteps.map { "\($0)" } ?? "none"))
        return facts
    }

    private static func name(of optimizer: any Optimizer) -> String {
        let inner: (any Optimizer)? = (optimizer as? ShardedOptimizer)?.inner ?? (optimizer as? Lookahead)?.inner
        return "\(type(of: optimizer))" + (inner.map { " of \(name(of: $0))" } ?? "")
    }
}
