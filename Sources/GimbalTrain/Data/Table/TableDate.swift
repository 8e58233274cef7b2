/// The ways of writing a date or a time that are understood.
enum DateForm: Int, CaseIterable, Sendable {
    /// 2026-11-27, 2026/11/27, 2026.11.27, alone or with a time behind a space or T.
    case yearFirst
    /// 27.11.2026, 27/11/2026, 27-11-2026, likewise.
    case dayFirst
    /// 11/27/2026, likewise.
    case monthFirst
    /// 14:05, 14:05:33.2, 14.05.33
    case time
    /// 20261127
    case compact

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
    if form == .compact {
        guard count == 8, let whole = cursor.number(digits: 8...8) else { return nil }
        let (year, month, day) = (whole / 10_000, whole / 100 % 100, whole % 100)
        guard 1700...2200 ~= year, isDate(year: year, month: month, day: day) else { return nil }
        let number = days(year: year, month: month, day: day)
        return DateReading(seconds: Double(number) * 86_400, day: number, secondOfDay: 0)
    }
    guard let first = cursor.number(digits: form == .yearFirst ? 4...4 : 1...2),
        let mark = cursor.mark(of: [UInt8(ascii: "-"), UInt8(ascii: "/"), UInt8(ascii: ".")]),
        let second = cursor.number(digits: 1...2), cursor.mark(of: [mark]) != nil,
        let third = cursor.number(digits: form == .yearFirst ? 1...2 : 4...4)
    else { return nil }
    let (year, month, day) =
        switch form {
        case .yearFirst: (first, second, third)
        case .dayFirst: (third, second, first)
        default: (third, first, second)
        }
    guard isDate(year: year, month: month, day: day) else { return nil }
    var secondOfDay = 0.0
    if !cursor.isAtEnd {
        guard cursor.mark(of: [UInt8(ascii: "T"), UInt8(ascii: " ")]) != nil, let time = cursor.time() else {
            return nil
        }
        secondOfDay = time
        cursor.skipZone()
        guard cursor.isAtEnd else { return nil }
    }
    let number = days(year: year, month: month, day: day)
    return DateReading(seconds: Double(number) * 86_400 + secondOfDay, day: number, secondOfDay: secondOfDay)
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

    /// Hours and minutes, with seconds and a fraction of them or without.
    mutating func time() -> Double? {
        guard let hour = number(digits: 1...2), hour < 25, let mark = mark(of: [UInt8(ascii: ":"), UInt8(ascii: ".")]),
            let minute = number(digits: 2...2), minute < 60
        else { return nil }
        var seconds = Double(hour * 3600 + minute * 60)
        // "14.05" is a number.
        guard self.mark(of: [mark]) != nil else { return mark == UInt8(ascii: ":") ? seconds : nil }
        guard let second = number(digits: 2...2), second < 61 else { return nil }
        seconds += Double(second)
        if self.mark(of: [UInt8(ascii: "."), UInt8(ascii: ",")]) != nil {
            let start = position
            guard let fraction = number(digits: 1...9) else { return nil }
            var scale = 1.0
            for _ in start..<position { scale *= 10 }
            seconds += Double(fraction) / scale
        }
        return seconds
    }

    /// The offset of a time zone, which is passed over: the time of day where it was measured is what matters.
    mutating func skipZone() {
        let start = position
        if mark(of: [UInt8(ascii: "Z"), UInt8(ascii: "z")]) != nil { return }
        _ = mark(of: [UInt8(ascii: " ")])
        guard mark(of: [UInt8(ascii: "+"), UInt8(ascii: "-")]) != nil, number(digits: 2...2) != nil else {
            position = start
            return
        }
        _ = mark(of: [UInt8(ascii: ":")])
        _ = number(digits: 2...2)
    }
}
