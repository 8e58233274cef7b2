import ArgumentParser
import Foundation
import GimbalTrain

/// How the command spells the settings of the library.
enum SettingFlags {
    /// The flag of each property of `ModelSettings`, `TrainingSettings` and what a recipe adds to them. Messages of the
    /// library name properties.
    static let byProperty: [String: String] = [
        "fineTuning": "--pretrained",
        "pretrained": "--pretrained",
        "renames": "--rename",
        "frozen": "--freeze",
        "layerRates": "--layer-rate",
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
        "layerDecays": "--layer-decay",
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
        "recoveries": "--auto-recover",
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
        "widths": "--hidden", "dropouts": "--dropout",
        "maxSteps": "--max-steps", "weights": "--weights", "validationFraction": "--validation",
        "validationPath": "--validation",
        "testFraction": "--test", "testPath": "--test", "folds": "--folds",
        "size": "--image-size", "channels": "--image-channels",
        "tokenizer": "--tokenizer", "vocabulary": "--vocabulary", "length": "--length", "padding": "--data",
        "vary": "--vary", "trials": "--trials", "factor": "--factor", "searchDir": "--search-dir", "resume": "--resume",
        "window": "--window", "horizon": "--horizon", "season": "--season",
        "target": "--target", "columns": "--columns", "missing": "--missing-rows", "excluded": "--exclude",
        "ids": "--id", "types": "--types", "encoding": "--encoding",
        "inputShape": "--data",
        "outputs": "--data", "data": "--data", "task": "--task", "part": "--part", "runs": "--checkpoint",
    ]

    /// Runs `body`; what it throws about a setting names the flag in place of the property, and likewise every `property`
    /// that the reason names.
    static func translating<Result>(_ body: () throws -> Result) throws -> Result {
        do { return try body() } catch GimbalError.invalidSetting(let name, let reason) {
            throw GimbalError.invalidSetting(name: byProperty[name] ?? name, reason: translated(reason))
        }
    }

    /// The flags that turn one recipe into another: what differs in its model and in how it is trained.
    static func changes(from old: Recipe, to new: Recipe) -> [(flag: String, words: [String])] {
        let before = Dictionary(words(of: old), uniquingKeysWith: { $1 })
        return words(of: new).filter { before[$0.flag] != $0.words }
    }

    /// The flags that spell a recipe, each once: a list for each layer stands for the number that would go for all.
    private static func words(of recipe: Recipe) -> [(flag: String, words: [String])] {
        var result: [(flag: String, words: [String])] = []
        for property in [Mirror(reflecting: recipe.model), Mirror(reflecting: recipe.training)].flatMap(\.children) {
            guard let flag = byProperty[property.label ?? ""] else { continue }
            let words = spelled(flag, property.value)
            guard !words.isEmpty else { continue }
            if let known = result.firstIndex(where: { $0.flag == flag }) {
                result[known].words = words
            } else {
                result.append((flag, words))
            }
        }
        return result
    }

    /// A flag with a value, as the command takes it; nothing for nil.
    private static func spelled(_ flag: String, _ value: Any) -> [String] {
        switch value {
        case let value as Bool: [value ? flag : flag.replacingOccurrences(of: "--", with: "--no-")]
        case let value as any RawRepresentable: [flag, "\(value.rawValue)"]
        default:
            switch Mirror(reflecting: value).displayStyle {
            case .optional: Mirror(reflecting: value).children.first.map { spelled(flag, $0.value) } ?? []
            case .collection where value is [LayerDecay]:
                (value as? [LayerDecay] ?? []).flatMap { [flag, "\($0.pattern)=\($0.factor)"] }
            case .collection where Mirror(reflecting: value).children.isEmpty: []
            case .collection:
                [flag, Mirror(reflecting: value).children.map { spelled(flag, $0.value)[1] }.joined(separator: ",")]
            default: [flag, "\(value)"]
            }
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
    static let plan = SplitPlan()

    static func model(_ kind: ModelSettings.Kind = kind, isTable: Bool = false) -> ModelSettings {
        ModelSettings(kind: kind, inputShape: [1], outputs: 1, isTable: isTable)
    }

    /// A setting of each kind of model: that of most, and those that differ by name.
    static func byKind(
        except isLeftOut: (ModelSettings.Kind) -> Bool = { _ in false },
        _ setting: (ModelSettings) -> some CustomStringConvertible
    ) -> String {
        listed(
            ModelSettings.Kind.allCases.filter { !isLeftOut($0) }.map { ($0.rawValue, setting(model($0)).description) })
    }

    /// A training setting in the recipe of each kind of model, and of tables where that differs.
    static func byRecipe(_ setting: (TrainingSettings) -> String) -> String {
        let kinds = ModelSettings.Kind.allCases
        let entries = kinds.map { ($0.rawValue, setting(TrainingSettings(for: $0))) }
        // Texts are no tables.
        let tables = zip(kinds, entries).filter { !$0.0.isOfTokens }.map { kind, entry in
            (name: kind.rawValue, value: setting(TrainingSettings(for: kind, isTable: true)), other: entry.1)
        }
        let different = tables.filter { $0.value != $0.other }
        let isOne = different.count == tables.count && Set(tables.map(\.value)).count == 1
        let rest = isOne ? [("tables", tables[0].value)] : different.map { ("\($0.name) of a table", $0.value) }
        guard isOne, Set(entries.map(\.1)).count == 1 else { return listed(entries + rest) }
        // One value stands alone.
        return listed([entries[0]] + rest).replacingOccurrences(of: " for \(kinds[0].rawValue)", with: "")
    }

    /// The learning rate of each recipe, and of each optimizer in place of the recipe's own.
    static var rates: String {
        byRecipe { $0.rate.text } + "; with another optimizer "
            + byOptimizer { $0.rate }
    }

    /// A setting that follows from the optimizer; those without it are left out.
    static func byOptimizer(_ setting: (TrainingSettings) -> Double?) -> String {
        listed(
            TrainingSettings.OptimizerKind.allCases.compactMap { kind in
                var settings = TrainingSettings()
                settings.optimizer = kind
                return setting(settings).map { (kind.rawValue, $0.text) }
            })
    }

    /// What `--augment` takes.
    static let imageChanges = TrainingSettings.ImageChange.allCases.map(\.rawValue)

    /// `VALUE for a, b; VALUE for c`, in the order in which values first come; one value that all have stands alone.
    private static func listed(_ entries: [(name: String, value: String)]) -> String {
        var groups: [(value: String, names: [String])] = []
        for (name, value) in entries {
            if let known = groups.firstIndex(where: { $0.value == value }) {
                groups[known].names.append(name)
            } else {
                groups.append((value, [name]))
            }
        }
        if groups.count == 1 { return groups[0].value }
        return groups.map { "\($0.value) for \($0.names.joined(separator: ", "))" }.joined(separator: "; ")
    }
}

extension Double? {
    /// 0 stands for none.
    var text: String { map(\.text) ?? "0" }
}

extension Int? {
    /// 0 stands for none.
    var text: String { map { "\($0)" } ?? "0" }
}

extension Bool {
    /// Whether a flag is in force.
    var text: String { self ? "yes" : "no" }
}

extension [TrainingSettings.ImageChange] {
    /// As `--augment` takes them.
    var text: String { isEmpty ? "none" : map(\.rawValue).joined(separator: ",") }
}
