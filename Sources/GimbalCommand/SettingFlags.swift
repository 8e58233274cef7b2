import ArgumentParser
import GimbalTrain

/// How the command spells the settings of the library.
enum SettingFlags {
    /// The flag of each property of `ModelSettings`, `TrainingSettings` and what a recipe adds to them. Messages of the
    /// library name properties.
    static let byProperty: [String: String] = [
        "augmentation": "--augment",
        "mixup": "--mixup",
        "loss": "--loss",
        "labelSmoothing": "--label-smoothing",
        "classWeights": "--class-weights",
        "optimizer": "--optimizer",
        "learningRate": "--lr",
        "momentum": "--momentum",
        "isNesterov": "--nesterov",
        "beta1": "--beta1",
        "beta2": "--beta2",
        "weightDecay": "--weight-decay",
        "decaysWeightsOnly": "--decay-weights-only",
        "layerwiseDecay": "--layerwise-decay",
        "l1": "--l1",
        "maxWeightNorm": "--max-norm",
        "gradientNoise": "--gradient-noise",
        "lookahead": "--lookahead",
        "averageDecay": "--ema",
        "schedule": "--schedule",
        "warmup": "--warmup",
        "warmupKind": "--warmup-kind",
        "stepEpochs": "--step-epochs",
        "milestones": "--milestones",
        "stepFactor": "--step-factor",
        "power": "--power",
        "plateauPatience": "--plateau-patience",
        "clipNorm": "--clip-norm",
        "clipOrder": "--clip-order",
        "clipValue": "--clip-value",
        "clipLayer": "--clip-layer",
        "clipAdaptive": "--clip-adaptive",
        "clipPercentile": "--clip-percentile",
        "nonFinite": "--non-finite",
        "precision": "--precision",
        "batchSize": "--batch-size",
        "accumulation": "--accumulate",
        "epochs": "--epochs",
        "patience": "--early-stopping",
        "seed": "--seed",
        "kind": "--model",
        "hidden": "--hidden",
        "layers": "--layers",
        "activation": "--activation",
        "initialization": "--init",
        "initializationScale": "--init-scale",
        "normalization": "--norm",
        "isResidual": "--residual",
        "startsAsIdentity": "--zero-init-residual",
        "isBidirectional": "--bidirectional",
        "forgetGateBias": "--forget-bias",
        "heads": "--heads",
        "dropout": "--dropout",
        "maxSteps": "--max-steps", "weights": "--weights", "validationFraction": "--validation", "inputShape": "--data",
        "outputs": "--data", "data": "--data", "task": "--task",
    ]

    /// Runs `body`; what it throws about a setting names the flag in place of the property, and likewise every `property`
    /// that the reason names.
    static func translating<Result>(_ body: () throws -> Result) throws -> Result {
        do { return try body() } catch GimbalError.invalidSetting(let name, let reason) {
            throw GimbalError.invalidSetting(name: byProperty[name] ?? name, reason: translated(reason))
        }
    }

    /// `reason` with flags in place of the properties between backquotes.
    static func translated(_ reason: String) -> String {
        reason.split(separator: "`", omittingEmptySubsequences: false).enumerated().map { index, part in
            index % 2 == 1 ? byProperty[String(part)] ?? String(part) : String(part)
        }.joined()
    }
}

/// What is in force where nothing is given, for the help.
enum Defaults {
    static let training = TrainingSettings()
    static let kind = ModelSettings.Kind.mlp
    /// The share of the training data that is held back for validation.
    static let validationFraction = 0.1

    static func model(_ kind: ModelSettings.Kind = kind) -> ModelSettings {
        ModelSettings(kind: kind, inputShape: [1], outputs: 1)
    }

    /// A setting of each kind of model: that of most, and those that differ by name.
    static func byKind(
        except isLeftOut: (ModelSettings.Kind) -> Bool = { _ in false },
        _ setting: (ModelSettings) -> some CustomStringConvertible
    ) -> String {
        listed(
            ModelSettings.Kind.allCases.filter { !isLeftOut($0) }.map { ($0.rawValue, setting(model($0)).description) })
    }

    /// The learning rate of each optimizer.
    static var rates: String {
        listed(
            TrainingSettings.OptimizerKind.allCases.map { kind in
                var settings = TrainingSettings()
                settings.optimizer = kind
                return (kind.rawValue, settings.rate.text)
            })
    }

    /// `VALUE for a, b; VALUE for c`, in the order in which values first come.
    private static func listed(_ entries: [(name: String, value: String)]) -> String {
        var groups: [(value: String, names: [String])] = []
        for (name, value) in entries {
            if let known = groups.firstIndex(where: { $0.value == value }) {
                groups[known].names.append(name)
            } else {
                groups.append((value, [name]))
            }
        }
        return groups.map { "\($0.value) for \($0.names.joined(separator: ", "))" }.joined(separator: "; ")
    }
}

extension Double {
    /// As one writes it: whole numbers without a point.
    var text: String { self == rounded() && magnitude < 1e15 ? "\(Int(self))" : "\(self)" }
}

extension Double? {
    /// 0 stands for none.
    var text: String { map(\.text) ?? "0" }
}

extension Int? {
    /// 0 stands for none.
    var text: String { map { "\($0)" } ?? "0" }
}
