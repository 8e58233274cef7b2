/// Which weights are a run's model, and when it had them: those that it ends with and is tested with.
public struct ChosenWeights: Codable, Sendable, Equatable {
    /// Which they are.
    public var kind: WeightChoice
    /// The epoch at whose end the run had them, counted from 1; nil where that was within an epoch.
    public var epoch: Int?
    /// Optimizer steps taken until then.
    public var step: Int
    /// Whether what is measured on the validation data is of their moving average instead.
    public var isValidatedByAverage: Bool

    /// The weights of `kind` of a run that has come to `progress`.
    public init(_ kind: WeightChoice, _ progress: TrainingProgress) {
        self.kind = kind
        isValidatedByAverage = kind == .last && (progress.averageUpdates ?? 0) > 0
        if kind == .best, let best = progress.best {
            (epoch, step) = (best.epoch, best.step)
        } else {
            let last = progress.history.last
            (epoch, step) = (last?.step == progress.step ? last?.epoch : nil, progress.step)
        }
    }
}

extension ChosenWeights: CustomStringConvertible {
    /// Such as `best, epoch 5`.
    public var description: String { "\(kind.rawValue), " + (epoch.map { "epoch \($0)" } ?? "step \(step)") }
}

extension CheckpointManifest {
    /// The weights that a choice comes to with what was saved; unless one is given, the run's own, which are those of
    /// `model.safetensors`.
    public func chosenWeights(_ choice: WeightChoice? = nil) -> ChosenWeights {
        let known = Set(weightFiles.keys)
        func first(of choices: [WeightChoice]) -> WeightChoice {
            choices.first { known.contains($0.rawValue) } ?? .last
        }
        let kind =
            switch choice ?? settings.weights {
            case .best: first(of: [.best, .averaged])
            case .averaged: first(of: [.averaged])
            case .last: WeightChoice.last
            }
        return ChosenWeights(kind, progress)
    }
}
