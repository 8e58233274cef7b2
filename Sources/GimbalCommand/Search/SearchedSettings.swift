import ArgumentParser
import GimbalTrain

/// The settings that can be varied, by the names of their flags.
enum SearchedSettings {
    /// What a setting takes.
    /// - Throws: `GimbalError.invalidSetting` for a name that cannot be varied.
    static func form(_ name: String) throws -> SearchSpace.SettingForm {
        if let form = forms[name] { return form }
        throw GimbalError.invalidSetting(
            name: "--vary",
            reason: "'\(shown(name))' is no setting that can be varied; there are "
                + listed(forms.keys.sorted(), limit: forms.count))
    }

    private static let forms: [String: SearchSpace.SettingForm] = {
        var forms: [String: SearchSpace.SettingForm] = [:]
        let properties = [
            Mirror(reflecting: Defaults.model()), Mirror(reflecting: Defaults.training),
            Mirror(reflecting: FineTuning()),
        ].flatMap(\.children)
        for property in properties {
            guard let label = property.label, let flag = SettingFlags.byProperty[label], !excluded.contains(flag) else {
                continue
            }
            let name = String(flag.dropFirst(2))
            // A list for each layer has the flag of the number for all.
            guard forms[name] == nil else { continue }
            forms[name] = SearchSpace.SettingForm(
                patterned.contains(label) ? .number : kind(of: property.value),
                isLogarithmic: logarithmic.contains(label) || patterned.contains(label),
                isList: lists.contains(label), hasPattern: patterned.contains(label))
        }
        return forms
    }()

    /// What a trial is judged on, how long it is, and what has no short spelling.
    private static let excluded: Set<String> = [
        "--data", "--task", "--epochs", "--max-steps", "--seed", "--auto-recover", "--weights", "--class-weights",
        "--rename", "--freeze",
    ]
    /// Those whose ranges are spread evenly over orders of magnitude.
    private static let logarithmic: Set<String> = [
        "learningRate", "weightDecay", "l1", "gradientNoise", "initializationScale", "clipNorm", "clipValue",
        "clipLayer", "clipAdaptive", "maxWeightNorm", "batchSize", "hidden",
    ]
    private static let lists: Set<String> = ["hidden", "dropout", "milestones", "augmentation"]
    private static let patterned: Set<String> = ["layerDecays", "layerRates"]

    /// The names of settings whose ranges are spread evenly over orders of magnitude, for the help.
    static var logarithmicNames: [String] {
        logarithmic.compactMap { SettingFlags.byProperty[$0]?.dropFirst(2) }.map(String.init).sorted()
            + patterned.compactMap { SettingFlags.byProperty[$0]?.dropFirst(2) }.map(String.init).sorted()
    }

    private static func kind(of value: Any) -> SearchSpace.SettingForm.Kind {
        switch type(of: value) {
        case is Int.Type, is Int?.Type: .whole
        case is Double.Type, is Double?.Type: .number
        case is Bool.Type: .flag
        default: .word
        }
    }
}
