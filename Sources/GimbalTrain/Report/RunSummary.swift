import Foundation

/// What is told about one run, by value: what it was, how it went and what it came to. `Report` makes a page of one,
/// `RunComparison` of several.
public struct RunSummary: Sendable {
    /// One setting of a run.
    public struct Setting: Sendable, Equatable, Codable {
        /// What is set, in words.
        public var name: String
        /// The value; nil where nothing is set.
        public var value: String?
        /// The value unless one is given; nil for nothing.
        public var defaultValue: String?
        /// Whether there is a value to fall back on, rather than one that follows from the data.
        public var hasDefault: Bool
        /// Whether the value was chosen, not left at its default.
        public var isGiven: Bool { hasDefault && value != defaultValue }

        /// A setting `name` with its `value` and, unless it follows from the data, the value that it has by default.
        public init(name: String, value: String?, defaultValue: String? = nil, hasDefault: Bool = true) {
            self.name = name
            self.value = value
            self.defaultValue = defaultValue
            self.hasDefault = hasDefault
        }
    }

    /// What a run came to on one part of the data.
    public struct Part: Sendable {
        /// What the part is called: training, validation or test.
        public var name: String
        /// Figures, by the names that `metrics.csv` has them under: `loss`, `accuracy`, `r2`.
        public var figures: [String: Double]
        /// The scores of a classifier, where the part was evaluated.
        public var classes: ClassificationReport?
        /// The scores of a regression, where the part was evaluated.
        public var numbers: RegressionReport?

        /// The results on the part called `name`: all that is known, the rest is left out.
        public init(
            name: String, figures: [String: Double], classes: ClassificationReport? = nil,
            numbers: RegressionReport? = nil
        ) {
            self.name = name
            self.figures = figures
            self.classes = classes
            self.numbers = numbers
        }
    }

    /// What the run is called: the last part of its folder's path.
    public var name: String
    /// The run's folder.
    public var path: String
    /// The data it was trained on.
    public var data: String?
    /// When it began or, of a run that is read from its folder, when it last wrote.
    public var date: String?
    /// The command line that started it.
    public var command: String?
    /// How long it trained, in seconds.
    public var seconds: Double?
    /// The version of Gimbal that trained it.
    public var version: String?
    /// The device that it trained on.
    public var device: String?
    /// What was set, and what it would be by default.
    public var settings: [Setting] = []
    /// What was measured on the way.
    public var metrics: MetricsTable
    /// What it came to on each part of the data.
    public var parts: [Part]
    /// The model, printed.
    public var model: String?

    /// A run by its name and what it measured; the results are those of the last epoch until `parts` is set to others.
    public init(name: String, path: String = "", metrics: MetricsTable) {
        self.name = name
        self.path = path
        self.metrics = metrics
        let names = ["train", "validation", "test"].filter { part in
            metrics.figures.contains { $0.parts.contains(part) }
        }
        parts = names.map { part in
            let figures = metrics.figures.filter { $0.parts.contains(part) }
            let values = figures.compactMap { figure in
                metrics.last("\(part)_\(figure.name)").map { (figure.name, $0) }
            }
            return Part(name: MetricsTable.title(ofPart: part), figures: Dictionary(values) { $1 })
        }
    }

    /// Reads a run's folder: its `metrics.csv` and the manifest of its newest checkpoint. The run may be over,
    /// interrupted or still going on.
    /// - Throws: `GimbalError.fileSystem` for a folder that is not there or is no run's, `GimbalError.invalidFile` for a
    ///   manifest that cannot be read.
    public init(folder: String) throws {
        let metricsPath = folder + "/metrics.csv"
        let checkpoint = RunFolder.newestCheckpoint(at: folder)
        let manifestPath = checkpoint + "/manifest.json"
        let files = FileManager.default
        guard files.fileExists(atPath: metricsPath) || files.fileExists(atPath: manifestPath) else {
            throw GimbalError.fileSystem(
                operation: "read", path: folder,
                reason: files.fileExists(atPath: folder)
                    ? "it holds neither metrics.csv nor a checkpoint; name the folder of a run"
                    : "there is no such folder; name the folder of a run")
        }
        let name = URL(fileURLWithPath: folder).standardizedFileURL.lastPathComponent
        self.init(name: name, path: folder, metrics: MetricsTable(path: metricsPath))
        let written = (try? files.attributesOfItem(atPath: metricsPath))?[.modificationDate] as? Date
        date = written.map { Self.text($0) }
        guard files.fileExists(atPath: manifestPath) else { return }
        guard let bytes = files.contents(atPath: manifestPath),
            let manifest = try? JSONSerialization.jsonObject(with: bytes) as? [String: Any]
        else {
            throw GimbalError.invalidFile(path: manifestPath, reason: "is not the manifest of a checkpoint")
        }
        // A run of the command's has a recipe; one of a program's own, the trainer's settings alone.
        let recipe = files.contents(atPath: checkpoint + "/recipe.json")
            .flatMap { try? JSONSerialization.jsonObject(with: $0) as? [String: Any] }
        data = recipe?["data"] as? String
        settings = RunSettings.list(recipe ?? ["settings": manifest["settings"] ?? [:]])
    }

    /// A date as it is shown.
    public static func text(_ date: Date) -> String {
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.dateFormat = "yyyy-MM-dd HH:mm:ss ZZZZZ"
        return formatter.string(from: date)
    }

    /// The part called `name`; nil for one that there are no results of.
    public func part(_ name: String) -> Part? { parts.first { $0.name == name } }
}

/// The settings in a recipe or a manifest, by name, whatever they are.
enum RunSettings {
    /// What a recipe holds beside settings.
    private static let others: Set = [
        "data", "standardization", "classNames", "table",
    ]

    private struct Default { var value: String? }

    static func list(_ manifest: [String: Any]) -> [RunSummary.Setting] {
        let defaults = defaults(manifest)
        var found: [RunSummary.Setting] = []
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
