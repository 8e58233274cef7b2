extension Trainer {
    /// The loss of the newest batch in both modes of the model, where they may differ: of one that keeps running statistics.
    /// Looked at every hundred steps at the most, and once the statistics follow the weights; nil where the loss cannot be
    /// computed twice, and where this rank's rows are too few to tell.
    func lossesOfBothModes() -> Course.Epoch.Modes? {
        guard watch != nil, ranks == nil, phases.count == 1, let batch = newestBatch,
            progress.step >= comparedStep + 100,
            model.stateParts.contains(where: { if case .buffer = $0.1 { true } else { false } }),
            Double(progress.step) * slowestStatistics >= 5
        else { return nil }
        comparedStep = progress.step
        func loss() throws -> Double {
            let generator = RandomGenerator(seed: settings.seed)
            generator.state.counter = 1 << 60
            return try withGenerator(generator) {
                // Running statistics stay as they are. Gradients may be taken: a penalty on them is part of some losses.
                try GradientMode.$isRecomputing.withValue(true) {
                    try withPrecision(settings.precision) { try phases[0].loss(batch).meanLoss.doubles()[0] }
                }
            }
        }
        guard let training = try? loss(), let evaluation = try? model.evaluating({ try loss() }) else { return nil }
        return Course.Epoch.Modes(training: training, evaluation: evaluation)
    }

    /// The least weight of a new batch in running statistics, of those that are updated at all.
    private var slowestStatistics: Double {
        model.modules.compactMap { ($0 as? BatchNorm)?.momentum }.filter { $0 > 0 }.min() ?? 1
    }
}
