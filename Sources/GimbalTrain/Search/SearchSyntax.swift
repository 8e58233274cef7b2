import Foundation

extension SearchSpace {
    /// What a setting can be, which tells what may be said of it.
    public struct SettingForm: Sendable, Equatable {
        /// What its flag takes.
        public enum Kind: Sendable {
            /// A whole number.
            case whole
            /// A number.
            case number
            /// Nothing: it is there, or its opposite is.
            case flag
            /// One of some words, or a text.
            case word
        }

        /// What its flag takes.
        public var kind: Kind
        /// Whether a range of it is spread evenly over orders of magnitude.
        public var isLogarithmic: Bool
        /// Whether it takes several numbers or words, with commas between them.
        public var isList: Bool
        /// Whether it takes a pattern of names and a factor.
        public var hasPattern: Bool

        /// A setting that takes one value of `kind`, unless something else is said.
        public init(_ kind: Kind, isLogarithmic: Bool = false, isList: Bool = false, hasPattern: Bool = false) {
            (self.kind, self.isLogarithmic, self.isList, self.hasPattern) = (kind, isLogarithmic, isList, hasPattern)
        }
    }
}

extension SearchSpace.Dimension {
    /// What `gimbal search --vary` says: `NAME=a,b,c` for choices, `NAME=low..high` for a range, `NAME=low..high/count` for so
    /// many numbers at even distances. A choice that is a list has `:` between its parts. The name of a setting with a pattern
    /// is `NAME=PATTERN`.
    /// - Parameters:
    ///   - text: what was said.
    ///   - form: of a name; nil for one that cannot be varied.
    /// - Throws: `GimbalError.invalidSetting`.
    public init(parsing text: String, form: (_ name: String) throws -> SearchSpace.SettingForm) throws {
        func refused(_ reason: String) -> GimbalError {
            .invalidSetting(name: "vary", reason: "'\(shown(text, limit: 200))' \(reason)")
        }
        guard let mark = text.firstIndex(of: "="), mark > text.startIndex else {
            throw refused("is not NAME=VALUES, such as lr=1e-4..1e-1 or hidden=64,128,128:64")
        }
        var name = String(text[..<mark])
        while name.hasPrefix("-") { name.removeFirst() }
        let form = try form(name)
        var values = text[text.index(after: mark)...]
        if form.hasPattern {
            guard let last = values.lastIndex(of: "="), last > values.startIndex else {
                throw refused("must name a pattern and its factors: \(name)=PATTERN=0.1,1,10")
            }
            name += "=" + values[..<last]
            values = values[values.index(after: last)...]
        }
        if let dots = values.range(of: "..") {
            guard form.kind == .whole || form.kind == .number else {
                throw refused("is a range, but \(shown(name)) is no number: name its choices, separated by commas")
            }
            let end = values[dots.upperBound...].split(separator: "/", omittingEmptySubsequences: false)
            // Of a NaN there is no range to check.
            guard let low = Double(values[..<dots.lowerBound]), let high = end.first.flatMap({ Double($0) }),
                !low.isNaN, !high.isNaN
            else { throw refused("is no range of numbers: 1e-4..1e-1") }
            self.init(
                name,
                range: .init(
                    low...max(low, high), isLogarithmic: form.isLogarithmic, isWhole: form.kind == .whole))
            if high < low { range?.high = high }
            try SearchSpace([self]).validate()
            if end.count > 1 {
                guard end.count == 2, let count = Int(end[1]), count >= 2, let range else {
                    throw refused("must have a whole number of 2 or more behind the /: 1e-4..1e-1/4")
                }
                guard count <= SearchPlan.mostTrials else {
                    throw refused("has \(count) numbers, more than \(SearchPlan.mostTrials)")
                }
                self.init(name, choices: range.texts(count))
            }
            return
        }
        var choices: [String] = []
        for word in values.split(separator: ",", omittingEmptySubsequences: false) {
            let choice = form.isList ? String(word).replacing(":", with: ",") : String(word)
            guard !choice.isEmpty else { throw refused("has an empty choice") }
            guard !choices.contains(choice) else { throw refused("names \(shown(choice)) twice") }
            let isKnown =
                switch form.kind {
                case .whole, .number:
                    choice.split(separator: ",", omittingEmptySubsequences: false).allSatisfy { Double($0) != nil }
                case .flag: choice == "yes" || choice == "no"
                case .word: true
                }
            guard isKnown else {
                throw refused(
                    "has the choice '\(shown(choice))', which is \(form.kind == .flag ? "neither yes nor no" : "no number")"
                )
            }
            choices.append(choice)
        }
        self.init(name, choices: choices)
    }
}
