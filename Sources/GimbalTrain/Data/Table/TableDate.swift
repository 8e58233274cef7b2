/// The ways of writing a date or a time that are understood.
enum DateForm: Int, CaseIterable, Sendable {
    /// 2026-11-27, 2026/11/27, 2026.11.27, 2026-11, alone or with a time behind a space or T.
    case yearFirst
    /// 27.11.2026, 27/11/2026, 27-11-2026, with two digits of the year as well, likewise.
    case dayFirst
    /// 11/27/2026, likewise.
    case monthFirst
    /// 14:05, 14:05:33.2, 14.05.33, 2:05 PM
    case time
    /// 20261127, 20261127T140533, 20261127140533
    case compact
    /// 27-Nov-2026, 27 November 2026, Nov 27, 2026, Fri, 27 Nov 2026 14:05:33 GMT
    case monthName
    /// 2026-W48, 2026-W48-5 (ISO 8601)
    case week

    var bit: UInt8 { 1 << UInt8(rawValue) }

    /// The name that `TableSchema` keeps.
    var name: String { "\(self)" }

    init?(name: String) {
        guard let form = DateForm.allCases.first(where: { $0.name == name }) else { return nil }
        self = form
    }
}

/// A date and time read from a text.
struct DateReading {
    /// Seconds since the beginning of 1970 in the time zone that is written, or since midnight for a time alone.
    var seconds: Double
    /// Days since the beginning of 1970.
    var day: Int
    /// Seconds since midnight.
    var secondOfDay: Double
}

/// Days from 1 January 1970 to a date of the Gregorian calendar (Hinnant, "chrono-compatible low-level date algorithms").
private func days(year: Int, month: Int, day: Int) -> Int {
    let year = month <= 2 ? year - 1 : year
    let era = (year >= 0 ? year : year - 399) / 400
    let yearOfEra = year - era * 400
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468
}

private func isDate(year: Int, month: Int, day: Int) -> Bool {
    guard 1...12 ~= month, day >= 1 else { return false }
    let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    let lengths = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    return day <= lengths[month - 1]
}

/// Reads a date or time in one of the forms.
func readDate(_ bytes: UnsafePointer<UInt8>, _ count: Int, _ form: DateForm) -> DateReading? {
    var cursor = DateCursor(bytes: bytes, count: count)
    if form == .time {
        guard let seconds = cursor.time(), cursor.isAtEnd else { return nil }
        return DateReading(seconds: seconds, day: 0, secondOfDay: seconds)
    }
    let date: (year: Int, month: Int, day: Int)?
    switch form {
    case .compact: return readCompactDate(&cursor)
    case .week: return readWeek(&cursor)
    case .monthName: date = cursor.dateWithName()
    default: date = cursor.dateOfNumbers(form)
    }
    guard let date, isDate(year: date.year, month: date.month, day: date.day) else { return nil }
    var secondOfDay = 0.0
    if !cursor.isAtEnd {
        let marks = [UInt8(ascii: "T"), UInt8(ascii: " "), UInt8(ascii: ":"), UInt8(ascii: ",")]
        guard let mark = cursor.mark(of: marks), form == .monthName || mark == marks[0] || mark == marks[1] else {
            return nil
        }
        if mark == marks[3] { _ = cursor.mark(of: [marks[1]]) }
        guard let time = cursor.time() else { return nil }
        secondOfDay = time
        cursor.skipZone()
        guard cursor.isAtEnd else { return nil }
    }
    let number = days(year: date.year, month: date.month, day: date.day)
    return DateReading(seconds: Double(number) * 86_400 + secondOfDay, day: number, secondOfDay: secondOfDay)
}

/// Eight digits, and six more of a time or T and these.
private func readCompactDate(_ cursor: inout DateCursor) -> DateReading? {
    guard let whole = cursor.number(digits: 8...8) else { return nil }
    let (year, month, day) = (whole / 10_000, whole / 100 % 100, whole % 100)
    guard 1700...2200 ~= year, isDate(year: year, month: month, day: day) else { return nil }
    var secondOfDay = 0.0
    if !cursor.isAtEnd {
        _ = cursor.mark(of: [UInt8(ascii: "T"), UInt8(ascii: "t"), UInt8(ascii: "_")])
        guard let time = cursor.number(digits: 6...6), time / 10_000 < 25, time / 100 % 100 < 60, time % 100 < 61 else {
            return nil
        }
        secondOfDay = Double(time / 10_000 * 3600 + time / 100 % 100 * 60 + time % 100)
        cursor.skipZone()
        guard cursor.isAtEnd else { return nil }
    }
    let number = days(year: year, month: month, day: day)
    return DateReading(seconds: Double(number) * 86_400 + secondOfDay, day: number, secondOfDay: secondOfDay)
}

/// A week of a year, and a day of it or its Monday: week 1 is that of 4 January.
private func readWeek(_ cursor: inout DateCursor) -> DateReading? {
    let dash = [UInt8(ascii: "-")]
    guard let year = cursor.number(digits: 4...4) else { return nil }
    _ = cursor.mark(of: dash)
    guard cursor.mark(of: [UInt8(ascii: "W")]) != nil, let week = cursor.number(digits: 2...2), 1...53 ~= week else {
        return nil
    }
    var day = 1
    if !cursor.isAtEnd {
        _ = cursor.mark(of: dash)
        guard let number = cursor.number(digits: 1...1), 1...7 ~= number, cursor.isAtEnd else { return nil }
        day = number
    }
    let fourth = days(year: year, month: 1, day: 4)
    // 1970-01-01 was a Thursday.
    let monday = fourth - ((fourth + 3) % 7 + 7) % 7
    let number = monday + (week - 1) * 7 + day - 1
    return DateReading(seconds: Double(number) * 86_400, day: number, secondOfDay: 0)
}

private struct DateCursor {
    let bytes: UnsafePointer<UInt8>
    let count: Int
    var position = 0

    init(bytes: UnsafePointer<UInt8>, count: Int) {
        self.bytes = bytes
        self.count = count
    }

    var isAtEnd: Bool { position == count }

    mutating func number(digits: ClosedRange<Int>) -> Int? {
        var value = 0
        let start = position
        while position < count, bytes[position] &- 48 < 10, position - start < digits.upperBound {
            value = value * 10 + Int(bytes[position] &- 48)
            position += 1
        }
        return digits.contains(position - start) ? value : nil
    }

    mutating func mark(of marks: [UInt8]) -> UInt8? {
        guard position < count, marks.contains(bytes[position]) else { return nil }
        position += 1
        return bytes[position - 1]
    }

    /// Numbers between marks that are the same, in the order of a form.
    mutating func dateOfNumbers(_ form: DateForm) -> (year: Int, month: Int, day: Int)? {
        let isYearFirst = form == .yearFirst
        guard let first = number(digits: isYearFirst ? 4...4 : 1...2),
            let mark = mark(of: [UInt8(ascii: "-"), UInt8(ascii: "/"), UInt8(ascii: ".")])
        else { return nil }
        let start = position
        guard let second = number(digits: 1...2) else { return nil }
        if isYearFirst, isAtEnd { return position - start == 2 && mark != UInt8(ascii: ".") ? (first, second, 1) : nil }
        guard self.mark(of: [mark]) != nil else { return nil }
        if isYearFirst { return number(digits: 1...2).map { (first, second, $0) } }
        // Two numbers and a point are no year: 1.2.26 may be a version.
        guard let year = year(allowsShort: mark != UInt8(ascii: ".")) else { return nil }
        return form == .dayFirst ? (year, second, first) : (year, first, second)
    }

    /// Four digits, or two: those from 69 on are of the century before, as POSIX has it.
    private mutating func year(allowsShort: Bool) -> Int? {
        let start = position
        guard let year = number(digits: 2...4) else { return nil }
        switch position - start {
        case 4: return year
        case 2: return allowsShort ? year + (year < 69 ? 2000 : 1900) : nil
        default: return nil
        }
    }

    /// A day, the name of a month and a year, or the month before the day; behind the name of a weekday or without.
    mutating func dateWithName() -> (year: Int, month: Int, day: Int)? {
        var name = word()
        if let found = name, Self.index(of: found, in: Self.weekdays) != nil {
            skipSeparators()
            name = word()
        }
        if let name {
            guard let month = Self.index(of: name, in: Self.months) else { return nil }
            skipSeparators()
            guard let day = number(digits: 1...2) else { return nil }
            skipSeparators()
            return year(allowsShort: true).map { ($0, month + 1, day) }
        }
        let start = position
        guard let first = number(digits: 1...4), position - start != 3 else { return nil }
        let isYear = position - start == 4
        skipSeparators()
        guard let month = word().flatMap({ Self.index(of: $0, in: Self.months) }) else { return nil }
        skipSeparators()
        guard let last = isYear ? number(digits: 1...2) : year(allowsShort: true) else { return nil }
        return isYear ? (first, month + 1, last) : (last, month + 1, first)
    }

    private static let months = [
        "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
        "december",
    ].map { Array($0.utf8) }
    private static let weekdays = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"].map {
        Array($0.utf8)
    }

    /// The place of a name of which three letters or more are written.
    private static func index(of word: [UInt8], in names: [[UInt8]]) -> Int? {
        word.count < 3 ? nil : names.firstIndex { $0.starts(with: word) }
    }

    /// Letters, in lower case.
    private mutating func word() -> [UInt8]? {
        var word: [UInt8] = []
        while position < count, word.count < 10, (bytes[position] | 0x20) &- 0x61 < 26 {
            word.append(bytes[position] | 0x20)
            position += 1
        }
        return word.isEmpty ? nil : word
    }

    private mutating func skipSeparators() {
        let marks = [UInt8(ascii: " "), UInt8(ascii: "-"), UInt8(ascii: "/"), UInt8(ascii: "."), UInt8(ascii: ",")]
        var passed = 0
        while passed < 2, mark(of: marks) != nil { passed += 1 }
    }

    /// Hours and minutes, with seconds and a fraction of them or without.
    mutating func time() -> Double? {
        guard let hour = number(digits: 1...2), hour < 25, let mark = mark(of: [UInt8(ascii: ":"), UInt8(ascii: ".")]),
            let minute = number(digits: 2...2), minute < 60
        else { return nil }
        var seconds = Double(minute * 60)
        if self.mark(of: [mark]) != nil {
            guard let second = number(digits: 2...2), second < 61 else { return nil }
            seconds += Double(second)
            if self.mark(of: [UInt8(ascii: "."), UInt8(ascii: ",")]) != nil {
                let start = position
                guard let fraction = number(digits: 1...9) else { return nil }
                var scale = 1.0
                for _ in start..<position { scale *= 10 }
                seconds += Double(fraction) / scale
            }
        } else if mark == UInt8(ascii: ".") {
            // "14.05" is a number.
            return nil
        }
        if let isAfternoon = halfOfDay() {
            guard 1...12 ~= hour else { return nil }
            return seconds + Double((hour % 12 + (isAfternoon ? 12 : 0)) * 3600)
        }
        return seconds + Double(hour * 3600)
    }

    /// AM or PM, with points or without.
    private mutating func halfOfDay() -> Bool? {
        let start = position
        _ = mark(of: [UInt8(ascii: " ")])
        let half = mark(of: [UInt8(ascii: "a"), UInt8(ascii: "A"), UInt8(ascii: "p"), UInt8(ascii: "P")])
        _ = mark(of: [UInt8(ascii: ".")])
        guard let half, mark(of: [UInt8(ascii: "m"), UInt8(ascii: "M")]) != nil else {
            position = start
            return nil
        }
        _ = mark(of: [UInt8(ascii: ".")])
        return half | 0x20 == UInt8(ascii: "p")
    }

    /// A time zone by its offset or by letters, which is passed over: the time of day where it was measured is what
    /// matters.
    mutating func skipZone() {
        let start = position
        _ = mark(of: [UInt8(ascii: " ")])
        if let letters = word() {
            if letters.count > 5 { position = start }
            return
        }
        guard mark(of: [UInt8(ascii: "+"), UInt8(ascii: "-")]) != nil, number(digits: 2...2) != nil else {
            position = start
            return
        }
        _ = mark(of: [UInt8(ascii: ":")])
        _ = number(digits: 2...2)
    }
}
