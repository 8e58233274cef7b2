import Gimbal

/// Which columns are inputs, which is the target, as options say.
struct ColumnChoice {
    var target: Int
    var roles: [TableSchema.Column.Role]
    var types: [Int: ColumnType] = [:]
    /// Inputs that are asked for by name: they stay, whatever they look like.
    var askedFor: Set<Int> = []

    /// - Parameters:
    ///   - repeated: the names that several columns have, and the places of these.
    ///   - last: the column that is the target unless said otherwise.
    init(
        _ options: TableOptions, names: [String], repeated: [(name: String, places: [Int])] = [], last: Int,
        path: String
    ) throws {
        let width = names.count
        // Which of several of one name is meant, nothing but its number tells.
        func requireOne(_ written: String, _ setting: String) throws {
            guard let (name, places) = repeated.first(where: { $0.name.utf8.elementsEqual(written.utf8) }) else {
                return
            }
            let numbers = listed(places.map { "\($0 + 1)" })
            throw GimbalError.invalidSetting(
                name: setting,
                reason:
                    "\(path) has \(places.count == 2 ? "two" : "\(places.count)") columns '\(shown(name))', numbers "
                    + "\(numbers); name the one that is meant by its number")
        }
        func place(_ written: String, _ setting: String) throws -> Int {
            try requireOne(written, setting)
            if let place = names.firstIndex(where: { $0.utf8.elementsEqual(written.utf8) }) { return place }
            if let number = Int(written), 1...width ~= number { return number - 1 }
            let numbers = Int(written) == nil ? "" : ", counted from 1 to \(width)"
            throw GimbalError.invalidSetting(
                name: setting,
                reason:
                    "no column '\(shown(written))' in \(path); its columns are \(listed(names, limit: 20))\(numbers)")
        }
        switch options.target {
        case .last:
            target = last
            if let (name, _) = repeated.first(where: { $0.places.contains(last) }) { try requireOne(name, "target") }
        case .column(let number):
            guard 1...width ~= number else {
                throw GimbalError.invalidSetting(
                    name: "target column",
                    reason: "\(number), where \(path) has columns 1 to \(width): \(listed(names, limit: 20))")
            }
            target = number - 1
        case .written(let name): target = try place(name, "target column")
        case .named(let name):
            try requireOne(name, "target column")
            guard let place = names.firstIndex(where: { $0.utf8.elementsEqual(name.utf8) }) else {
                throw GimbalError.invalidSetting(
                    name: "target column",
                    reason: "no column '\(shown(name))' in \(path); its columns are \(listed(names, limit: 20))")
            }
            target = place
        }
        roles = [TableSchema.Column.Role](repeating: options.columns == nil ? .input : .ignored, count: width)
        for name in options.columns ?? [] {
            let index = try place(name, "columns")
            roles[index] = .input
            askedFor.insert(index)
        }
        for (setting, list, role) in [
            ("excluded", options.excluded, TableSchema.Column.Role.ignored), ("ids", options.ids, .id),
        ] {
            for name in list {
                let index = try place(name, setting)
                guard index != target else {
                    throw GimbalError.invalidSetting(
                        name: setting,
                        reason: "\(shown(names[index])) is what is to be predicted"
                            + (options.target == .last ? ", as the last column; `target` names another" : ""))
                }
                roles[index] = role
            }
        }
        for (name, type) in options.types { types[try place(name, "types")] = type }
        roles[target] = .target
    }
}
