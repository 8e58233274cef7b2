/// A field that messages name, and the line that it stands on.
struct Witness {
    let text: String
    private(set) var line: Int
    /// Whether the line is counted from the beginning of a stretch of the file.
    private var isOfStretch = true

    init(_ bytes: UnsafePointer<UInt8>, _ count: Int, _ line: Int) {
        text = String(decoding: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self)
        self.line = line
    }

    /// Makes the line one of the file.
    mutating func endStretch(_ linesBefore: () -> Int) {
        guard isOfStretch else { return }
        line += linesBefore()
        isOfStretch = false
    }
}

/// What the fields of a column that are no numbers have in common: few different texts among numbers are marks, and what
/// is a date in most fields should be one in all.
struct TextFacts {
    private(set) var count = 0
    /// The first different texts, and how often each occurs; where there are `limit`, there may be more.
    private(set) var distinct: [(first: Witness, hash: UInt64, count: Int)] = []
    var first: Witness? { distinct.first?.first }

    /// Texts that are a date or a time, and the first of them and of those that are not.
    private(set) var dates = 0
    private(set) var firstDate: Witness?
    private(set) var firstUndated: Witness?
    /// The first date that is written in none of the forms that all dates before it had.
    private(set) var firstOfOtherForm: Witness?
    /// Numbers that are dates of digits alone, and the first number that is none.
    private(set) var compactDates = 0
    private(set) var firstOtherNumber: Witness?
    /// The forms that all dates have, numbers of digits alone included.
    private(set) var dateForms: UInt8 = 0xFF
    /// The latest of the dates, in seconds since 1970.
    private(set) var latest = -Double.infinity
    private(set) var hasTimeOfDay = false

    /// Texts that are a number with a unit behind it, and the units, of which there may be more where there are `limit`.
    private(set) var measures = 0
    private(set) var units: [(unit: String, first: Witness)] = []

    /// Different texts that are kept.
    static let limit = 6
    /// After so many texts that are no dates, or no measures, no further one is looked at.
    private static let patience = 32

    /// Whether there are texts, and each is a date in the same form.
    var areDates: Bool { count > 0 && dates == count && dateForms != 0 }

    mutating func add(_ bytes: UnsafePointer<UInt8>, _ length: Int, _ line: Int, hash: UInt64) {
        count += 1
        if distinct.count < Self.limit {
            if let known = distinct.firstIndex(where: { $0.hash == hash }) {
                distinct[known].count += 1
            } else {
                distinct.append((Witness(bytes, length, line), hash, 1))
            }
        }
        if dates > 0 || count <= Self.patience { addDate(bytes, length, line) }
        if measures > 0 || count <= Self.patience { addMeasure(bytes, length, line) }
    }

    /// Takes in a number, which may be a date of digits alone.
    @inline(__always)
    mutating func addNumber(_ bytes: UnsafePointer<UInt8>, _ length: Int, _ line: Int) {
        guard compactDates > 0 || dateForms & DateForm.compact.bit != 0 else { return }
        if let date = readDate(bytes, length, .compact) {
            compactDates += 1
            if date.secondOfDay != 0 { hasTimeOfDay = true }
        } else {
            dateForms &= ~DateForm.compact.bit
            if firstOtherNumber == nil { firstOtherNumber = Witness(bytes, length, line) }
        }
    }

    private mutating func addDate(_ bytes: UnsafePointer<UInt8>, _ length: Int, _ line: Int) {
        var forms: UInt8 = 0
        for form in DateForm.allCases where dateForms & form.bit != 0 {
            guard let date = readDate(bytes, length, form) else { continue }
            forms |= form.bit
            latest = max(latest, date.seconds)
            if date.secondOfDay != 0 { hasTimeOfDay = true }
        }
        let isOther = forms == 0 && DateForm.allCases.contains { readDate(bytes, length, $0) != nil }
        guard forms != 0 || isOther else {
            if firstUndated == nil { firstUndated = Witness(bytes, length, line) }
            return
        }
        if dates == 0 { firstDate = Witness(bytes, length, line) }
        if isOther, firstOfOtherForm == nil { firstOfOtherForm = Witness(bytes, length, line) }
        dates += 1
        dateForms = forms
    }

    private mutating func addMeasure(_ bytes: UnsafePointer<UInt8>, _ length: Int, _ line: Int) {
        guard let unit = unitBehindNumber(bytes, length) else { return }
        measures += 1
        if units.count < Self.limit, !units.contains(where: { $0.unit == unit }) {
            units.append((unit, Witness(bytes, length, line)))
        }
    }

    mutating func endStretch(_ linesBefore: () -> Int) {
        for index in distinct.indices { distinct[index].first.endStretch(linesBefore) }
        for index in units.indices { units[index].first.endStretch(linesBefore) }
        firstDate?.endStretch(linesBefore)
        firstOtherNumber?.endStretch(linesBefore)
        firstUndated?.endStretch(linesBefore)
        firstOfOtherForm?.endStretch(linesBefore)
    }
}

/// What follows a number in a text, such as kg, km/h, °C or m2: a few letters or signs, with a digit at their end at most.
private func unitBehindNumber(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> String? {
    var place = 0
    func isDigit(_ place: Int) -> Bool { bytes[place] &- 48 < 10 }
    if bytes[0] == UInt8(ascii: "-") || bytes[0] == UInt8(ascii: "+") { place = 1 }
    guard place < count, isDigit(place) else { return nil }
    while place < count, isDigit(place) || bytes[place] == UInt8(ascii: ".") || bytes[place] == UInt8(ascii: ",") {
        place += 1
    }
    while place < count, bytes[place] == UInt8(ascii: " ") { place += 1 }
    guard 1...12 ~= count - place, !isDigit(place) else { return nil }
    for index in place..<count {
        let isLetter = (bytes[index] | 0x20) &- 0x61 < 26 || bytes[index] >= 0x80
        let isSign = bytes[index] == UInt8(ascii: "/") || bytes[index] == UInt8(ascii: "%")
        guard
            isLetter || (index > place && (isSign || bytes[index] == UInt8(ascii: ".")))
                || (index == count - 1 && isDigit(index))
        else { return nil }
    }
    return String(decoding: UnsafeBufferPointer(start: bytes + place, count: count - place), as: UTF8.self)
}

/// The smallest and the largest of numbers, how often each occurs, and those next to them.
struct Extremes {
    private(set) var lowest = Double.infinity
    private(set) var lowestCount = 0
    private(set) var nextLowest = Double.infinity
    private(set) var highest = -Double.infinity
    private(set) var highestCount = 0
    private(set) var nextHighest = -Double.infinity

    @inline(__always)
    mutating func add(_ number: Double) {
        if number <= lowest {
            if number < lowest { (nextLowest, lowest, lowestCount) = (lowest, number, 0) }
            lowestCount += 1
        } else if number < nextLowest {
            nextLowest = number
        }
        if number >= highest {
            if number > highest { (nextHighest, highest, highestCount) = (highest, number, 0) }
            highestCount += 1
        } else if number > nextHighest {
            nextHighest = number
        }
    }

    /// What is said of numbers that may stand for a missing value.
    func doubts(of name: String, among count: Int, isOneEnough: Bool = false) -> [String] {
        sentinels(among: count, isOneEnough: isOneEnough).map { sentinel in
            let (number, range) = (TableProfile.short(sentinel.number), sentinel.others)
            let rows = sentinel.count == 1 ? "1 row has" : "\(sentinel.count) rows have"
            return "\(rows) \(number) in \(shown(name)), whose other values go from "
                + "\(TableProfile.short(range.lowerBound)) to \(TableProfile.short(range.upperBound)); where it stands for a "
                + "missing value, --missing \(number) says so (missingMarks)"
        }
    }

    /// Numbers that stand for something else by their looks: 99, -999, 888, 1e30 and the like, far from all others, or the only one
    /// below 0; and that in one of a hundred rows at least.
    /// - Parameters:
    ///   - count: of all rows.
    ///   - isOneEnough: whether what looks like no number counts where a single row has it.
    private func sentinels(
        among count: Int, isOneEnough: Bool
    ) -> [(number: Double, count: Int, others: ClosedRange<Double>)] {
        // One digit over and over, or a size that nothing has.
        func isMark(_ number: Double) -> Bool {
            let digits = "\(abs(number))".replacing(".0", with: "").filter { $0 != "." }
            let isOneDigit = Set(digits).count == 1 && digits.allSatisfy(\.isNumber) && abs(number) >= 77
            return isOneDigit && (digits.count > 2 || digits.first == "9") || abs(number) >= 1e20
        }
        guard nextLowest < highest, nextHighest > lowest else { return [] }
        func isFrequent(_ found: Int) -> Bool { found >= 3 && 100 * found >= count }
        let isLow = (isOneEnough || isFrequent(lowestCount)) && isMark(lowest)
        let isHigh = (isOneEnough || isFrequent(highestCount)) && isMark(highest)
        let (least, most) = (isLow ? nextLowest : lowest, isHigh ? nextHighest : highest)
        guard least < most else { return [] }
        var found: [(number: Double, count: Int, others: ClosedRange<Double>)] = []
        if isLow && 2 * (least - lowest) >= most - least
            || (isFrequent(lowestCount) && lowest < 0 && lowest == lowest.rounded() && nextLowest >= 0)
        {
            found.append((lowest, lowestCount, nextLowest...most))
        }
        if isHigh && 2 * (highest - most) >= most - least { found.append((highest, highestCount, least...most)) }
        return found
    }
}

/// What stands around the numbers of a column: a per cent sign or currencies.
struct UnitFacts {
    /// The units, and the first number with each; more than two are not kept.
    private(set) var units: [(unit: String, first: Witness)] = []
    /// The first number other than 0 without a unit.
    private(set) var firstBare: Witness?

    @inline(__always)
    mutating func add(_ number: Double, _ bytes: UnsafePointer<UInt8>, _ count: Int, _ line: Int) {
        if NumberDress.isBare(bytes, count) {
            if firstBare == nil, number != 0 { firstBare = Witness(bytes, count, line) }
        } else {
            addDressed(bytes, count, line)
        }
    }

    private mutating func addDressed(_ bytes: UnsafePointer<UInt8>, _ count: Int, _ line: Int) {
        let unit = NumberDress(bytes, count)?.unit ?? ""
        if unit.isEmpty {
            if firstBare == nil { firstBare = Witness(bytes, count, line) }
        } else if units.count < 2, !units.contains(where: { $0.unit == unit }) {
            units.append((unit, Witness(bytes, count, line)))
        }
    }

    /// The one unit; empty for numbers that stand alone.
    var unit: String { units.first?.unit ?? "" }

    /// Two numbers whose units do not go together: different ones, or a per cent beside a number that is none.
    var conflict: (Witness, Witness)? {
        if units.count > 1 { return (units[0].first, units[1].first) }
        guard unit == NumberDress.perCentSign, let firstBare, let first = units.first?.first else { return nil }
        return (first, firstBare)
    }

    mutating func endStretch(_ linesBefore: () -> Int) {
        for index in units.indices { units[index].first.endStretch(linesBefore) }
        firstBare?.endStretch(linesBefore)
    }
}
