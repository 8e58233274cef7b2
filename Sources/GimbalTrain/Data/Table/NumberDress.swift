/// What people write around a number: a currency, a per cent sign, spaces of any kind, parentheses or a minus behind it for a
/// negative one, the minus of typography. A per cent is read as the number that stands there.
struct NumberDress {
    /// Where the bare number begins and ends.
    private(set) var start = 0
    private(set) var end: Int
    private(set) var isNegative = false
    /// A per cent sign or a currency, by one name however it is written; empty for none.
    private(set) var unit = ""

    /// What `unit` is of a per cent.
    static let perCentSign = "%"
    private static let currencies = [
        "US$", "R$", "$", "€", "£", "¥", "₹", "₽", "₩", "₺", "₴", "USD", "EUR", "GBP", "CHF", "JPY", "CNY", "INR",
    ].map { Array($0.utf8) }
    private static let names = ["US$": "$", "USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "CNY": "¥", "INR": "₹"]
    private static let spaces = [" ", "\u{A0}", "\u{2009}", "\u{202F}", "\u{2007}"].map { Array($0.utf8) }
    private static let minuses = ["-", "\u{2212}"].map { Array($0.utf8) }
    private static let perCent = [Array(perCentSign.utf8)]

    /// Whether what is known to be a number has nothing around it.
    @inline(__always)
    static func isBare(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        func isPart(_ byte: UInt8) -> Bool {
            byte &- 48 < 10 || byte == UInt8(ascii: ".") || byte == UInt8(ascii: ",")
        }
        let hasSign = bytes[0] == UInt8(ascii: "-") || bytes[0] == UInt8(ascii: "+")
        return isPart(bytes[count - 1]) && isPart(bytes[hasSign ? 1 : 0])
    }

    /// Whether a text may be such a number, by its first and last byte.
    @inline(__always)
    static func isPossible(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        guard count > 1, count < 64 else { return false }
        let (first, last) = (bytes[0], bytes[count - 1])
        let beginsBare = first &- 48 < 10 || first == UInt8(ascii: "-") || first == UInt8(ascii: ".")
        let endsBare = last &- 48 < 10 || last == UInt8(ascii: ".")
        let beginsDressed =
            first == UInt8(ascii: "$") || first == UInt8(ascii: "-") || first >= 0x80 || first &- 0x41 < 26
        let endsDressed =
            last == UInt8(ascii: "%") || last == UInt8(ascii: "-") || last == UInt8(ascii: "$") || last >= 0x80
            || last &- 0x41 < 26
        return beginsDressed && (endsBare || endsDressed && (first < 0x41 || first >= 0x80))
            || beginsBare && endsDressed
            || first == UInt8(ascii: "(") && last == UInt8(ascii: ")")
    }

    /// Nil for what is no number in such a dress.
    init?(_ bytes: UnsafePointer<UInt8>, _ count: Int) {
        end = count
        dropSpaces(bytes)
        var hasSign = false
        if end - start > 2, bytes[start] == UInt8(ascii: "("), bytes[end - 1] == UInt8(ascii: ")") {
            (start, end, isNegative, hasSign) = (start + 1, end - 1, true, true)
        }
        var hasCurrency = false
        for _ in 0..<2 {
            dropSpaces(bytes)
            if !hasSign, drop(Self.minuses, bytes) != nil { (isNegative, hasSign) = (true, true) }
            if !hasCurrency, let mark = drop(Self.currencies, bytes) { (hasCurrency, unit) = (true, mark) }
        }
        var hasPerCent = false
        for _ in 0..<2 {
            dropSpaces(bytes)
            if !hasCurrency, let mark = drop(Self.currencies, bytes, atEnd: true) { (hasCurrency, unit) = (true, mark) }
            if !hasPerCent, let mark = drop(Self.perCent, bytes, atEnd: true) { (hasPerCent, unit) = (true, mark) }
            if !hasSign, drop([Self.minuses[0]], bytes, atEnd: true) != nil { (isNegative, hasSign) = (true, true) }
        }
        dropSpaces(bytes)
        func isPart(_ byte: UInt8) -> Bool {
            byte &- 48 < 10 || byte == UInt8(ascii: ".") || byte == UInt8(ascii: ",")
        }
        guard isPart(bytes[start]), isPart(bytes[end - 1]) else { return nil }
    }

    private mutating func dropSpaces(_ bytes: UnsafePointer<UInt8>) {
        while drop(Self.spaces, bytes) != nil || drop(Self.spaces, bytes, atEnd: true) != nil {}
    }

    /// Takes one of `marks` away where it stands; something must be left.
    /// - Returns: the mark's name; nil where none stands there.
    private mutating func drop(_ marks: [[UInt8]], _ bytes: UnsafePointer<UInt8>, atEnd: Bool = false) -> String? {
        for mark in marks where mark.count < end - start {
            let place = atEnd ? end - mark.count : start
            guard mark.indices.allSatisfy({ bytes[place + $0] == mark[$0] }) else { continue }
            if atEnd { end -= mark.count } else { start += mark.count }
            let text = String(decoding: mark, as: UTF8.self)
            return Self.names[text] ?? text
        }
        return nil
    }
}
