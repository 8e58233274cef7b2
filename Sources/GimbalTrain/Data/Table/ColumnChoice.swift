import Gimbal

/// Which columns are inputs, which is the target, as options say.
struct ColumnChoice {
    var target: Int
    var roles: [TableSchema.Column.Role]
    var types: [Int: ColumnType] = [:]
    /// Inputs that are asked for by name: they stay, whatever they look like.
    var askedFor: Set<Int> = []

    /// - Parameter last: the column that is the target unless said otherwise.
    init(_ options: TableOptions, names: [String], last: Int, path: String) throws {
        let width = names.count
        func place(_ written: String, _ setting: String) throws -> Int {
            if let place = names.firstIndex(where: { $0.utf8.elementsEqual(written.utf8) }) { return place }
            if let number = Int(written), 1...width ~= number { return number - 1 }
            let numbers = Int(written) == nil ? "" : ", counted from 1 to \(width)"
            throw GimbalError.invalidSetting(
                name: setting,
                reason:
                    "no column '\(shown(written))' in \(path); its columns are \(listed(names, limit: 20))\(numbers)")
        }
        switch options.target {
        case .last: target = last
        case .column(let number):
            guard 1...width ~= number else {
                throw GimbalError.invalidSetting(
                    name: "target column",
                    reason: "\(number), where \(path) has columns 1 to \(width): \(listed(names, limit: 20))")
            }
            target = number - 1
        case .written(let name): target = try place(name, "target column")
        case .named(let name):
            guard let place = names.firstIndex(where: { $0.utf8.elementsEqual(name.utf8) }) else {
                throw GimbalError.invalidSetting(
                    name: "target column",
                    reason: "no column '\(shown(name))' in \(path); its columns are \(listed(names, limit: 20))")
            }
            target = place
        }
        if names.contains("\(names[target]) (2)"), case .named = options.target {
            throw GimbalError.invalidSetting(
                name: "target column",
                reason: "\(path) has two columns '\(shown(names[target]))'; name it by its number")
        }
        roles = [TableSchema.Column.Role](repeating: options.columns == nil ? .input : .ignored, count: width)
        for name in options.columns ?? [] {
            let index = try place(name, "columns")
            roles[index] = .input
            askedFor.insert(index)
        }
        for name in options.excluded { roles[try place(name, "excluded")] = .ignored }
        for name in options.ids { roles[try place(name, "ids")] = .id }
        for (name, type) in options.types { types[try place(name, "types")] = type }
        roles[target] = .target
    }
}
