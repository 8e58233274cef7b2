import Gimbal

/// The classes that the labels of a table stand for.
struct TableLabels {
    /// The names of the classes, as they stand in the file.
    let names: [String]
    /// The class of each label, by its place among the values of the target.
    let classes: [Int32]
    /// Rows of each class.
    let counts: [Int]

    /// Classes in the order of the numbers where all labels are whole numbers, else of the bytes of the texts. Labels of
    /// which only the writing differs (1 and 1.0) are one class; 01 and 1 are two.
    /// - Parameters:
    ///   - given: the names in an order of their own, which refuse other labels; nil for those of the file.
    ///   - reader: of numbers as the file writes them.
    ///   - column: what messages call the column.
    init(_ facts: ColumnFacts, given: [String]?, reader: NumberReader, column: String, path: String) throws {
        let labels = facts.values.texts
        let keys = labels.map { Self.key($0) }
        func read(by reader: NumberReader) -> [Double?] {
            labels.map { text in
                var text = text
                return text.withUTF8 { bytes in bytes.baseAddress.flatMap { reader($0, bytes.count) } }
            }
        }
        let numbers = read(by: NumberReader())
        let areNumbers = numbers.allSatisfy { $0 != nil }
        func fraction(_ values: [Double?]) -> Int? {
            guard values.allSatisfy({ $0 != nil }) else { return nil }
            return values.firstIndex { $0!.isFinite && $0! != $0!.rounded() }
        }
        // As the file writes numbers too: 1,5 among decimal commas.
        if given == nil, let fraction = fraction(numbers) ?? fraction(read(by: reader)) {
            throw GimbalError.invalidFile(
                path: path,
                reason:
                    "\(column): '\(shown(labels[fraction]))' is not a class, which is a whole number or a text; numbers "
                    + "are predicted by regression (--task regression)")
        }
        // The labels of each class, by what is the same in them.
        var groups: [[UInt8]: [Int]] = [:]
        for index in labels.indices {
            groups[Array((areNumbers ? keys[index] : labels[index]).utf8), default: []].append(index)
        }
        func name(_ group: [Int]) -> String {
            labels[group.first { areNumbers && keys[$0].utf8.elementsEqual(labels[$0].utf8) } ?? group[0]]
        }
        let found = groups.values.map { (name: name($0), labels: $0) }.sorted { a, b in
            if areNumbers, numbers[a.labels[0]]! != numbers[b.labels[0]]! {
                return numbers[a.labels[0]]! < numbers[b.labels[0]]!
            }
            return a.name.utf8.lexicographicallyPrecedes(b.name.utf8)
        }
        let names = given ?? found.map(\.name)
        let table = ValueTable(names)
        let plain = ValueTable(names.map { Self.key($0) })
        var classes = [Int32](repeating: 0, count: labels.count)
        var counts = [Int](repeating: 0, count: names.count)
        for group in found {
            guard let index = table.find(group.name) ?? (areNumbers ? plain.find(Self.key(group.name)) : nil) else {
                throw GimbalError.invalidFile(
                    path: path, reason: "\(column): '\(shown(group.name))' is none of the classes \(listed(names))")
            }
            for label in group.labels {
                classes[label] = Int32(index)
                counts[index] += facts.values.counts[label]
            }
        }
        self.names = names
        self.classes = classes
        self.counts = counts
    }

    /// What is the same in whole numbers that only differ in how they are written: 1, 1.0 and 1e0. Numbers that begin with
    /// zeros or a plus may be codes, and stand for themselves.
    static func key(_ label: String) -> String {
        let digits = Array(label.utf8)
        var start = 0
        if digits.first == UInt8(ascii: "-") { start = 1 }
        let whole = digits[start...].prefix { 48...57 ~= $0 }
        guard !whole.isEmpty, whole.count == 1 || whole.first != 48, whole.count < 16 else { return label }
        let rest = digits[(start + whole.count)...]
        let text = String(decoding: digits[..<(start + whole.count)], as: UTF8.self)
        if rest.isEmpty || (rest.first == UInt8(ascii: ".") && rest.dropFirst().allSatisfy { $0 == 48 }) {
            return text == "-0" ? "0" : text
        }
        guard rest.contains(where: { $0 | 0x20 == 0x65 }), let value = Double(label), let number = Int64(exactly: value)
        else { return label }
        return String(number)
    }

    /// What is doubtful about the classes: it may be that numbers were meant.
    func warnings(column: String, rows: Int) -> [String] {
        var warnings: [String] = []
        let present = counts.filter { $0 > 0 }
        let single = present.count { $0 == 1 }
        if present.count > 2, rows > 2, 2 * single > rows {
            warnings.append(
                "\(single == rows ? "every row has a label of its own" : "\(single) of \(rows) rows have a label of their own")"
                    + " in \(column); numbers are predicted by regression (--task regression)")
        }
        var folded: [[UInt8]: String] = [:]
        for name in names {
            guard let other = folded.updateValue(name, forKey: Array(name.lowercased().utf8)) else { continue }
            warnings.append(
                "'\(shown(other))' and '\(shown(name))' in \(column) are two classes, and differ only in upper and lower case"
            )
            break
        }
        if let most = counts.firstIndex(of: counts.max() ?? 0), let fewest = present.min(),
            let rare = counts.firstIndex(of: fewest), rare != most, counts[most] >= 20 * fewest
        {
            warnings.append(
                "the classes are uneven: \(counted(fewest, "row")) of '\(shown(names[rare]))', \(counts[most]) of "
                    + "'\(shown(names[most]))'; accuracy says little of the rare class")
        }
        return warnings
    }
}
