import Foundation

/// The settings that a search varies, and what each of them may be.
///
/// ```swift
/// let space = SearchSpace([
///     .init("lr", range: .init(1e-4...1e-1, isLogarithmic: true)),
///     .init("hidden", choices: ["64", "128", "128,64"]),
/// ])
/// ```
public struct SearchSpace: Codable, Sendable, Equatable {
    /// A setting, and what it may be.
    public struct Dimension: Codable, Sendable, Equatable {
        /// The setting as `gimbal train` spells its flag, without the dashes; with the pattern behind a `=` for a flag that
        /// takes pattern and factor, such as `layer-decay=0.*`.
        public var name: String
        /// What it may be, as the flag takes it; empty where it is a number of `range`.
        public var choices: [String]
        /// What it lies in; nil where it is one of `choices`.
        public var range: Range?

        /// A setting that is one of `choices`, each as the flag takes it.
        public init(_ name: String, choices: [String]) { (self.name, self.choices) = (name, choices) }

        /// A setting that is a number of `range`.
        public init(_ name: String, range: Range) { (self.name, choices, self.range) = (name, [], range) }

        /// How many values there are; infinity for numbers that are not whole.
        var mostValues: Double {
            guard let range else { return Double(choices.count) }
            return range.isWhole ? range.high.rounded(.down) - range.low.rounded(.up) + 1 : .infinity
        }

        /// A value for a number from 0 to 1, each as likely as any other.
        func value(at share: Double) -> String {
            range?.text(at: share) ?? choices[min(Int(share * Double(choices.count)), choices.count - 1)]
        }

        /// The settings of a child that has `value`, as words of its command line.
        package func words(_ value: String) -> [String] {
            let parts = name.split(separator: "=", maxSplits: 1)
            if parts.count == 2 { return ["--\(parts[0])", "\(parts[1])=\(value)"] }
            switch value {
            case "yes": return ["--\(name)"]
            case "no": return ["--no-\(name)"]
            // What begins with a dash would be taken for a flag.
            default: return value.hasPrefix("-") ? ["--\(name)=\(value)"] : ["--\(name)", value]
            }
        }
    }

    /// Numbers between two others.
    public struct Range: Codable, Sendable, Equatable {
        /// The least.
        public var low: Double
        /// The largest.
        public var high: Double
        /// Whether numbers are spread evenly over orders of magnitude.
        public var isLogarithmic: Bool
        /// Whether there is nothing between whole numbers.
        public var isWhole: Bool

        /// Numbers of `bounds`, which are above 0 where they are spread over orders of magnitude.
        public init(_ bounds: ClosedRange<Double>, isLogarithmic: Bool = false, isWhole: Bool = false) {
            (low, high) = (bounds.lowerBound, bounds.upperBound)
            (self.isLogarithmic, self.isWhole) = (isLogarithmic, isWhole)
        }

        /// The number at a share of the way from the least to the largest, to four digits, as people write it: a command line
        /// shows it.
        func text(at share: Double) -> String {
            // Each whole number has as much room as the others.
            isWhole && !isLogarithmic
                ? text(at: share, from: low - 0.5, to: high + 0.5) : text(at: share, from: low, to: high)
        }

        private func text(at share: Double, from: Double, to: Double) -> String {
            let number = isLogarithmic ? from * pow(to / from, share) : from + (to - from) * share
            let near = isWhole ? number.rounded() : Double(String(format: "%.4g", number)) ?? number
            return min(max(near, low), high).text
        }

        /// `count` numbers at even distances from the least to the largest, each once.
        func texts(_ count: Int) -> [String] {
            let last = Double(max(count - 1, 1))
            var known: Set<String> = []
            return (0..<count).map { text(at: Double($0) / last, from: low, to: high) }
                .filter { known.insert($0).inserted }
        }
    }

    /// The settings, in the order in which they are shown.
    public var dimensions: [Dimension]

    /// A space of these settings, of distinct names.
    public init(_ dimensions: [Dimension]) { self.dimensions = dimensions }

    /// How many points there are; nil where a range has more than can be counted.
    var count: Int? {
        dimensions.reduce(1) { count, dimension in
            guard let count, dimension.range == nil else { return nil }
            let (product, isTooLarge) = count.multipliedReportingOverflow(by: dimension.choices.count)
            return isTooLarge ? nil : product
        }
    }

    /// The point of a number in 0..<`count`: the last setting changes fastest.
    func point(_ number: Int) -> [String] {
        var rest = number
        return dimensions.reversed().map { dimension in
            defer { rest /= dimension.choices.count }
            return dimension.choices[rest % dimension.choices.count]
        }.reversed()
    }

    /// Up to `count` distinct points that are drawn at random; all there are, in order, where they are no more than that.
    func randomPoints(_ count: Int, seed: UInt64) -> [[String]] {
        if let all = self.count, all <= count { return (0..<all).map(point) }
        var points: [[String]] = []
        var known: Set<[String]> = []
        // Where whole numbers have been drawn up, no draw finds another.
        let most = dimensions.reduce(1.0) { $0 * $1.mostValues }
        for number in 0..<count where Double(points.count) < most {
            // Of its own number alone, so that a longer search begins as a shorter one does.
            var random = Philox(seed: seed, stream: .search, number: UInt32(number))
            for _ in 0..<Self.mostDraws {
                let point = dimensions.map { $0.value(at: (Double(random.next()) + 0.5) / 4_294_967_296) }
                guard known.insert(point).inserted else { continue }
                points.append(point)
                break
            }
        }
        return points
    }

    /// Draws for a point that is not there yet: a range of whole numbers may have few.
    private static let mostDraws = 1000

    /// The command line of a point, as words.
    package func words(_ point: [String]) -> [String] { zip(dimensions, point).flatMap { $0.words($1) } }
}

extension SearchSpace.Dimension: CustomStringConvertible {
    /// The name, and what there is to choose from.
    public var description: String {
        guard let range else { return "\(shown(name)) \(choices.map { shown($0) }.joined(separator: " | "))" }
        let manner = range.isLogarithmic ? ", by orders of magnitude" : ""
        return "\(shown(name)) \(range.low.text) to \(range.high.text)\(manner)"
    }
}

extension SearchSpace {
    /// Checks what may have come from a file or a command line.
    /// - Throws: `GimbalError.invalidSetting`.
    func validate() throws {
        try checkSetting(!dimensions.isEmpty, "vary", "names nothing that is to be varied")
        let names = dimensions.map(\.name)
        if let twice = names.first(where: { name in names.count { $0 == name } > 1 }) {
            throw GimbalError.invalidSetting(name: "vary", reason: "names \(shown(twice)) twice")
        }
        for dimension in dimensions {
            guard let range = dimension.range else {
                try checkSetting(!dimension.choices.isEmpty, "vary", "gives \(shown(dimension.name)) no choice")
                continue
            }
            let name = shown(dimension.name)
            try checkSetting(
                range.low.isFinite && range.high.isFinite && range.low < range.high, "vary",
                "\(name) must go from a number to a larger one, not from \(range.low.text) to \(range.high.text)")
            try checkSetting(
                !range.isLogarithmic || range.low > 0, "vary",
                "\(name) is spread over orders of magnitude, so its range must begin above 0, not at \(range.low.text); "
                    + "name choices for 0")
            try checkSetting(
                !range.isWhole || (range.low == range.low.rounded() && range.high == range.high.rounded()), "vary",
                "\(name) is a whole number, and so must be the ends of its range")
        }
    }
}
