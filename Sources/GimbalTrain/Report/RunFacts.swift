import Foundation

/// What a run was, beside its figures: what stands at the head of its page, and its settings. What is nil is not known,
/// and left out.
public struct RunFacts: Sendable {
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

    /// What the run is called, such as the last part of its folder's path.
    public var name: String
    /// The run's folder.
    public var path: String?
    /// The data that it was trained on.
    public var data: String?
    /// When it began.
    public var date: Date?
    /// How many samples it was trained, validated and tested on.
    public var samples: String?
    /// What it learnt to predict.
    public var target: String?
    /// Whether numbers to be predicted were standardised, so that the loss is not in their own units.
    public var isTargetStandardized = false
    /// When it ended.
    public var ended: Date?
    /// Whether it was gone on with after it began.
    public var isResumed = false
    /// When it last wrote to its folder.
    public var lastWritten: Date?
    /// The command line that started it.
    public var command: String?
    /// How long it trained, in seconds, since it began or was last gone on with.
    public var seconds: Double?
    /// The version of Gimbal that trained it.
    public var version: String?
    /// The device that it trained on.
    public var device: String?
    /// The model, printed.
    public var model: String?
    /// What was set, and what it would be by default.
    public var settings: [Setting] = []

    /// A run of which only the name is known.
    public init(name: String) { self.name = name }

    /// Adds what a run keeps of itself.
    mutating func add(_ record: RunRecord) {
        let data = record.recipe.data
        self.data = data.name
        let counts = [TableSplit.Part.training: "train", .validation: "validate", .test: "test"]
        let parts = TableSplit.Part.allCases.compactMap { part in
            counts[part].flatMap { word in data.counts[part].map { "\($0) to \(word) on" } }
        }
        samples = parts.isEmpty ? nil : parts.joined(separator: ", ")
        target =
            data.table?.schema.target?.name
            ?? (data.classNames.isEmpty
                ? nil : "\(data.classNames.count) classes: \(listed(data.classNames, limit: 10))")
        isTargetStandardized = data.targetStandardization != nil
        isResumed = record.starts.count > 1
        settings = RunSettings.list(of: record.recipe)
        guard let first = record.starts.first, let last = record.starts.last else { return }
        date = first.date
        command = shellCommand(first.command)
        version = last.version
        device = "\(last.device): \(last.deviceName)"
    }

    /// What is known, by name, for the head of a page.
    package var rows: [(name: String, value: String)] {
        let all = [
            ("data", data), ("samples", samples), ("predicts", target), ("date", date.map(Self.text)),
            ended.map { ("ended", Self.text($0)) } ?? ("last written", lastWritten.map(Self.text)),
            ("command", command),
            ("training took", seconds.map { Self.duration($0) + (isResumed ? " since it was gone on with" : "") }),
            ("device", device),
            ("version", version.map { "Gimbal \($0)" }), ("folder", path),
        ]
        return all.compactMap { name, value in value.map { (name, shown($0, limit: 2000)) } }
    }

    /// What runs are told apart by: their settings, and what they were trained with.
    var compared: [Setting] {
        let others = [("device", device), ("version", version)]
        return settings + others.map { Setting(name: $0, value: $1, hasDefault: false) }
    }

    private static func text(_ date: Date) -> String {
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.dateFormat = "yyyy-MM-dd HH:mm:ss ZZZZZ"
        return formatter.string(from: date)
    }

    private static func duration(_ seconds: Double) -> String {
        guard seconds >= 60, seconds < 1e9 else { return String(format: "%.3g s", seconds) }
        let whole = Int(seconds.rounded())
        let (hours, minutes) = (whole / 3600, whole / 60 % 60)
        return hours > 0 ? "\(hours) h \(minutes) min" : "\(minutes) min \(whole % 60) s"
    }
}
