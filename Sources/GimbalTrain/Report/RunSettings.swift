import Foundation

/// The settings in a recipe or a manifest, by name, whatever they are.
enum RunSettings {
    /// What a recipe holds beside settings.
    private static let others: Set = [
        "data", "standardization", "classNames", "table",
    ]

    private struct Default { var value: String? }

    static func list(_ manifest: [String: Any]) -> [RunFacts.Setting] {
        let defaults = defaults(manifest)
        var found: [RunFacts.Setting] = []
        func add(_ value: Any, _ path: [String]) {
            if let fields = value as? [String: Any] {
                for (key, value) in fields.sorted(by: { $0.key < $1.key }) { add(value, path + [key]) }
            } else if let key = path.last {
                let byDefault = defaults[path.joined(separator: ".")]
                found.append(
                    .init(
                        name: title(key), value: text(value), defaultValue: byDefault?.value,
                        hasDefault: byDefault != nil))
            }
        }
        for (key, value) in manifest.sorted(by: { $0.key < $1.key }) where !others.contains(key) { add(value, [key]) }
        return found
    }

    /// The values by default of the settings that this version knows, by their path in the manifest.
    private static func defaults(_ manifest: [String: Any]) -> [String: Default] {
        var values: [String: Default] = [:]
        func add(_ settings: some Codable, _ name: String) {
            let encoder = JSONEncoder()
            encoder.nonConformingFloatEncodingStrategy = .convertToString(
                positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
            guard let data = try? encoder.encode(settings),
                let fields = try? JSONSerialization.jsonObject(with: data) as? [String: Any]
            else { return }
            for (key, value) in fields { values["\(name).\(key)"] = Default(value: text(value)) }
            // A property that is nil by default is not in JSON at all.
            for case (let key?, let value) in Mirror(reflecting: settings).children where fields[key] == nil {
                if Mirror(reflecting: value).displayStyle == .optional {
                    values["\(name).\(key)"] = Default(value: nil)
                }
            }
        }
        add(TrainingSettings(), "training")
        add(TrainerSettings(), "settings")
        if let model = manifest["model"] as? [String: Any],
            let data = try? JSONSerialization.data(withJSONObject: model),
            let own = try? JSONDecoder().decode(ModelSettings.self, from: data)
        {
            add(
                ModelSettings(kind: own.kind, inputShape: own.inputShape, outputs: own.outputs, task: own.task), "model"
            )
            // These follow from the data or have no default.
            for key in ["inputShape", "outputs", "task"] { values["model.\(key)"] = nil }
        }
        return values
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
