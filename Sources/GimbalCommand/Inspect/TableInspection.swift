import GimbalTrain

/// A table as training would see it.
struct TableInspection: Inspection {
    struct Column: Encodable {
        var name: String
        var role: String
        var type: String
        var missing: Int
        var minimum: Double?
        var maximum: Double?
        var distinct: Int?
        var features: Int
        var reason: String?
    }

    var path: String
    var rows: Int
    var rowsWithoutTarget: Int
    var target: String?
    var task: String
    var dialect: TableDialect
    var columns: [Column]
    var classes: [ClassCount]?
    var warnings: [String]
    var notes: [String]
    private let description: String

    private enum CodingKeys: String, CodingKey {
        case path, rows, rowsWithoutTarget, target, task, dialect, columns, classes, warnings, notes
    }

    /// What a table holds, with the target that is named or, unless one is, the last column: as what is said
    /// or, unless it is, what the file proves.
    init(path: String, flags: TableFlags, target: String?, task: ModelSettings.Task?) throws {
        let profile = try Table(path: path, options: try flags.options(target: target, task: task)).profile
        self.path = path
        rows = profile.rows
        rowsWithoutTarget = profile.rowsWithoutTarget
        self.target = profile.columns.first { $0.role == .target }?.name
        self.task = (profile.classNames.isEmpty ? ModelSettings.Task.regression : .classification).rawValue
        dialect = profile.dialect
        columns = profile.columns.map { column in
            Column(
                name: column.name, role: column.role.rawValue, type: column.type.rawValue, missing: column.missing,
                minimum: column.range?.lowerBound, maximum: column.range?.upperBound, distinct: column.distinct,
                features: column.features, reason: column.reason.isEmpty ? nil : column.reason)
        }
        classes =
            profile.classNames.isEmpty ? nil : ClassCount.list(profile.classNames, profile.classCounts)
        (warnings, notes) = (profile.warnings, profile.notes)
        description = profile.description
    }

    var text: String {
        guard let target else { return description }
        return description + "\nto be predicted: \(shown(target)), by \(task); --target and --task change that"
    }
}
