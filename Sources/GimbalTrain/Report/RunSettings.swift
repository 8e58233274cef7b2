import Foundation

/// The settings of a run by name, each with what it is by default.
enum RunSettings {
    static func list(of recipe: Recipe) -> [RunFacts.Setting] {
        let model = recipe.model
        let isTable = recipe.data.kind == .table
        let usual = ModelSettings(
            kind: model.kind, inputShape: model.inputShape, outputs: model.outputs, task: model.task, isTable: isTable)
        // The sizes of a model follow from the data.
        return list(model, byDefault: usual, following: ["inputShape", "outputs", "task"])
            + list(recipe.training, byDefault: TrainingSettings(for: model.kind, isTable: isTable))
    }

    static func list(of settings: TrainerSettings) -> [RunFacts.Setting] {
        list(settings, byDefault: TrainerSettings())
    }

    /// - Parameter following: the names of those that have no default.
    private static func list<Settings: Encodable>(
        _ settings: Settings, byDefault: Settings, following: Set<String> = []
    ) -> [RunFacts.Setting] {
        let (values, defaults) = (fields(settings), fields(byDefault))
        // A property that is nil is not in JSON at all.
        let names = Set(values.keys).union(defaults.keys)
            .union(Mirror(reflecting: settings).children.compactMap(\.label))
        return names.sorted().map { name in
            RunFacts.Setting(
                name: title(name), value: values[name].flatMap(text), defaultValue: defaults[name].flatMap(text),
                hasDefault: !following.contains(name))
        }
    }

    private static func fields(_ settings: some Encodable) -> [String: Any] {
        (try? CheckpointManifest.encoder.encode(settings))
            .flatMap { try? JSONSerialization.jsonObject(with: $0) as? [String: Any] } ?? [:]
    }

    /// A value of JSON as it is read; nil for null.
    private static func text(_ value: Any) -> String? {
        switch value {
        case is NSNull: nil
        case let list as [Any]:
            list.isEmpty ? "none" : list.map { text($0) ?? "-" }.joined(separator: ", ")
        case let number as NSNumber:
            // JSON's true and false are numbers too.
            isBoolean(number) ? (number.boolValue ? "yes" : "no") : numberText(number)
        default: "\(value)"
        }
    }

    private static func isBoolean(_ number: NSNumber) -> Bool { String(cString: number.objCType) == "c" }

    private static func numberText(_ number: NSNumber) -> String {
        let value = number.doubleValue
        return value == value.rounded() && abs(value) < 1e15 ? String(number.int64Value) : "\(value)"
    }

    /// `learningRate` as "learning rate".
    private static func title(_ key: String) -> String {
        key.reduce(into: "") { result, character in
            let follows = result.last?.isLowercase == true || result.last?.isNumber == true
            result += character.isUppercase && follows ? " " + character.lowercased() : String(character)
        }
    }
}
