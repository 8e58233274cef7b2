import Foundation

/// The settings of a run by name, each with what it is by default.
package enum RunSettings {
    /// Names of those that say where files lie.
    static let paths: Set<String> = ["data path", "validation file", "test file"]

    static func list(of recipe: Recipe) -> [RunFacts.Setting] {
        let model = recipe.model
        let isTable = recipe.data.kind == .table
        let usual = ModelSettings(
            kind: model.kind, inputShape: model.inputShape, outputs: model.outputs, task: model.task, isTable: isTable)
        // The sizes of a model follow from the data.
        var training = list(
            recipe.training, byDefault: TrainingSettings(for: model.kind, isTable: isTable))
        for index in training.indices where training[index].name == title("classWeights") {
            training[index].value = recipe.training.classWeights.map(classWeightsText)
        }
        for index in training.indices where training[index].name == title("fineTuning") {
            training[index].value = recipe.training.fineTuning.map(fineTuningText)
        }
        return list(of: recipe.data)
            + list(model, byDefault: usual, following: ["inputShape", "outputs", "task"]) + training
    }

    static func list(of settings: TrainerSettings) -> [RunFacts.Setting] {
        list(settings, byDefault: TrainerSettings())
    }

    /// What tells the data and its parts from others.
    private static func list(of data: DataRecord) -> [RunFacts.Setting] {
        let (plan, usual) = (data.plan, SplitPlan())
        let inputs = data.table?.schema.columns.filter { $0.role == .input }
        let known: [(name: String, value: String?)] =
            [
                ("data", data.name.isEmpty ? nil : data.name), ("data path", data.path),
                ("predicted column", data.table?.schema.target?.name),
                ("input columns", inputs.map { listed($0.map(\.name), limit: 20) }),
                ("tokens", data.text.map(\.tokenizerName)), ("tokens in a sample", data.text.map { "\($0.length)" }),
                ("fingerprint of the tokenizer", data.text.map { textFingerprint($0.tokenizer) }),
                ("samples to train on", data.counts[.training].map(String.init)),
                ("samples to validate on", data.counts[.validation].map(String.init)),
                ("samples to test on", data.counts[.test].map(String.init)),
                ("validation file", plan.validationPath), ("test file", plan.testPath),
                ("fold", plan.fold.map { "\($0.number + 1) of \($0.count)" }),
                ("fingerprint of the training data", data.fingerprints[.training]),
                ("fingerprint of the test data", data.fingerprints[.test]),
                ("fingerprint of the rows and their parts", data.table?.split.fingerprint),
                ("classes", data.classNames.isEmpty ? nil : listed(data.classNames, limit: 20)),
            ] + readings(of: data)
        var settings = known.compactMap { name, value in
            value.map { RunFacts.Setting(name: name, value: $0, hasDefault: false) }
        }
        guard data.kind != .samples else { return settings }
        if plan.validationPath == nil {
            settings.append(
                .init(
                    name: "validation fraction", value: plan.validationFraction?.text,
                    defaultValue: usual.validationFraction?.text))
        }
        // Images have test files of their own.
        if data.kind != .images, plan.testPath == nil, plan.fold == nil {
            settings.append(
                .init(
                    name: "test fraction", value: plan.testFraction.text,
                    defaultValue: usual.testFraction.text))
        }
        return settings
    }

    /// How data becomes inputs, whatever kind it is of: all that the record says of it.
    private static func readings(of data: DataRecord) -> [(name: String, value: String?)] {
        func all(_ what: String, _ record: (any Encodable)?) -> [(name: String, value: String?)] {
            guard let record else { return [] }
            return fields(record).sorted { $0.key < $1.key }.map { ("\(title($0.key)) of \(what)", text($0.value)) }
        }
        let schema = data.table?.schema
        let types = schema?.columns.filter { $0.role == .input || $0.role == .target }
        return all("pictures", data.pictures) + all("the series", data.series)
            + [
                ("types of columns", types.map { listed($0.map { "\($0.name) \($0.type.rawValue)" }, limit: 20) }),
                ("rows without an input", schema?.missing.rawValue),
                ("marks of missing values", schema?.missingMarks.map { listed($0) }),
            ] + all("the table's text", schema?.dialect)
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
            isBoolean(number) ? (number.boolValue ? "yes" : "no") : number.doubleValue.text
        case let fields as [String: Any]:
            fields.sorted { $0.key < $1.key }.map { "\(title($0.key)) \(text($0.value) ?? "-")" }
                .joined(separator: ", ")
        default: "\(value)"
        }
    }

    /// Each class with its weight.
    private static func classWeightsText(_ weights: ClassWeights) -> String {
        let list = weights.weights.map { "\(shown($0.name, limit: 40)) \(String(format: "%.6g", $0.weight))" }
            .joined(separator: ", ")
        return weights.isBalanced ? "balanced" + (list.isEmpty ? "" : " (\(list))") : list
    }

    /// The file and the patterns: what tells runs apart comes first, as little of a long line is shown.
    private static func fineTuningText(_ tuning: FineTuning) -> String {
        let lists = [
            ("frozen", tuning.frozen), ("rates", tuning.layerRates.map { "\($0.pattern)=\($0.factor.text)" }),
            ("renamed", tuning.renames.map { "\($0.pattern)=\($0.name ?? "")" }),
        ]
        let file = tuning.pretrained.map { URL(filePath: $0).lastPathComponent }
        let patterns = lists.filter { !$0.1.isEmpty }.map { "\($0) \($1.joined(separator: " "))" }
        return ([file].compactMap { $0 } + patterns).joined(separator: ", ")
    }

    /// JSON's true and false are numbers too.
    package static func isBoolean(_ number: NSNumber) -> Bool { String(cString: number.objCType) == "c" }

    /// `learningRate` as "learning rate".
    private static func title(_ key: String) -> String {
        key.reduce(into: "") { result, character in
            let follows = result.last?.isLowercase == true || result.last?.isNumber == true
            result += character.isUppercase && follows ? " " + character.lowercased() : String(character)
        }
    }
}
