import ArgumentParser
import Foundation
import GimbalTrain

struct RecipesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "recipes", abstract: "Lists what each kind of model is trained by unless something else is said.",
        discussion: HelpTexts.recipes)

    @Flag(help: "Print one JSON object per recipe.")
    var json = false

    func run() throws {
        let recipes = try KindRecipe.all()
        if json {
            for recipe in recipes { try printJSON(recipe) }
            return
        }
        for recipe in recipes {
            try printLine("gimbal train --model \(recipe.model)\(recipe.isTable ? ", on a table" : "")")
            try printLine("    " + recipe.flags.joined(separator: " "))
        }
    }
}

/// The settings that a kind of model comes with, as flags that spell them.
private struct KindRecipe: Encodable {
    var model: ModelSettings.Kind.RawValue
    var isTable: Bool
    /// Flags and their values in turn, apart from those that are the same for every model.
    var flags: [String]

    /// Of every kind; those of tables for the models that tables are mostly learnt by.
    static func all() throws -> [KindRecipe] {
        let kinds = ModelSettings.Kind.allCases
        return try (kinds.map { ($0, false) } + kinds.filter { !$0.isResNet && !$0.isOfTokens }.map { ($0, true) }).map
        { kind, isTable in
            let model = Defaults.model(kind, isTable: isTable)
            var flags = ["--hidden", "\(model.hidden)"]
            if !kind.isResNet { flags += ["--layers", "\(model.layers)"] }
            if kind == .mlp { flags += ["--norm", model.normalization.rawValue] }
            if model.dropout > 0 { flags += ["--dropout", model.dropout.text] }
            flags += try Self.flags(TrainingSettings(for: kind, isTable: isTable))
            return KindRecipe(model: kind.rawValue, isTable: isTable, flags: flags)
        }
    }

    /// What differs from `TrainingSettings()`, and the optimizer in any case, by name.
    private static func flags(_ settings: TrainingSettings) throws -> [String] {
        let (own, plain) = (try values(settings), try values(TrainingSettings()))
        return own.filter { name, value in name == "optimizer" || plain[name] != value }
            .map { name, value in (flag: SettingFlags.byProperty[name] ?? name, value: value) }
            .sorted { $0.flag < $1.flag }
            .flatMap { $0.value == "true" ? [$0.flag] : [$0.flag, $0.value] }
    }

    private static func values(_ settings: TrainingSettings) throws -> [String: String] {
        let object = try JSONSerialization.jsonObject(with: JSONEncoder().encode(settings)) as? [String: Any] ?? [:]
        return object.mapValues { value in
            switch value {
            case let list as [Any]: list.map { "\($0)" }.joined(separator: ",")
            case let number as NSNumber where RunSettings.isBoolean(number): "\(number.boolValue)"
            case let number as NSNumber: number.doubleValue.text
            default: "\(value)"
            }
        }
    }
}
