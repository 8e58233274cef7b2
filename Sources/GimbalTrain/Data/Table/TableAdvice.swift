/// What is said of columns that hold more than one kind of thing.
enum TableAdvice {
    /// No more different values than these may be categories, whatever they look like.
    static let fewValues = 10

    /// Whether the texts among numbers stand for missing values, or are mistakes: few in number, or few different ones among
    /// many different numbers. Numbers and texts may else be categories.
    static func areMarks(_ facts: ColumnFacts, filled: Int) -> Bool {
        if facts.texts < 10 || facts.texts * 20 < filled { return true }
        let isManyNumbers = !facts.hasAllValues || facts.distinctNumbers > fewValues
        return 2 * facts.numbers >= filled && isManyNumbers && facts.text.distinct.count < TextFacts.limit
    }

    /// What may be told of a column to go on, as the end of a sentence.
    /// - Parameter marks: what may stand for a missing value in it.
    static func waysOn(_ column: String, missing marks: [String], isTarget: Bool = false) -> String {
        var ways: [String] = []
        // The flag takes marks between commas.
        let plain = marks.filter { !$0.contains(",") }
        if !plain.isEmpty {
            ways.append(
                "say that \(plain.count == 1 ? "it is" : "these are") missing (missingMarks, --missing "
                    + "'\(plain.map { shown($0, limit: 30) }.joined(separator: ","))')")
        }
        if isTarget {
            ways.append("that the column holds classes (--task classification)")
        } else {
            ways.append(
                "\(ways.isEmpty ? "say " : "")that the column holds categories (types, --types \(shown(column))=category)"
            )
            ways.append("leave it out (excluded, --exclude)")
        }
        return "; " + ways.dropLast().joined(separator: ", ") + (ways.count > 1 ? " or " : "") + ways.last!
    }

    /// What to do with a field that cannot be read where the columns are known already: a run keeps what it was told of its own
    /// file, and may be told more of another.
    static let mend =
        "correct the field, or leave it empty where the value is missing; of another file than the run's own, "
        + "missingMarks (--missing) names what stands for a missing value"
}
