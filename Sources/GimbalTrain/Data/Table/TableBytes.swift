import Glibc

/// Multiplies to 128 bits and folds the halves together (as in wyhash): every bit of the result depends on every bit of
/// both.
@inline(__always)
func folded(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let (high, low) = a.multipliedFullWidth(by: b)
    return high ^ low
}

/// A 64-bit hash of bytes that is the same in every process and on every machine.
@inline(__always)
func contentHash(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> UInt64 {
    var hash: UInt64 = 0x9E37_79B9_7F4A_7C15 ^ UInt64(truncatingIfNeeded: count)
    var position = 0
    while count - position >= 8 {
        let word = UnsafeRawPointer(bytes + position).loadUnaligned(as: UInt64.self).littleEndian
        hash = folded(hash ^ word, 0xA076_1D64_78BD_642F)
        position += 8
    }
    var rest: UInt64 = 0
    var shift: UInt64 = 0
    while position < count {
        rest |= UInt64(bytes[position]) << shift
        shift += 8
        position += 1
    }
    return folded(hash ^ rest, 0xE703_7ED1_A0B4_28DB)
}

/// A 64-bit hash of a number: alike for 1 and 1.0, and for 0 and -0.
@inline(__always)
func contentHash(_ value: Double) -> UInt64 {
    folded((value == 0 ? 0 : value.bitPattern) ^ 0x8EBC_6AF0_9C88_C6E3, 0x5899_65CC_7537_4CC3)
}

/// Distinct texts in the order they were met, exact to the byte, and how often each was.
struct ValueTable {
    private(set) var count = 0
    /// The place of the text that was inserted last.
    private(set) var lastInserted = 0
    private var slots: [Int32]
    private var hashes: [UInt64] = []
    private var arena: [UInt8] = []
    private var ends: [Int] = []
    /// How often each text was met.
    var counts: [Int] = []
    /// The one class that each text goes with; -1 before there is one, -2 for several.
    var classes: [Int32] = []

    init() { slots = [Int32](repeating: -1, count: 16) }

    init(_ texts: [String]) {
        self.init()
        for text in texts {
            var text = text
            text.withUTF8 { bytes in
                withUnsafeBase(of: bytes) { _ = insert($0, bytes.count, hash: contentHash($0, bytes.count)) }
            }
        }
    }

    var byteCount: Int { arena.count }

    /// The place of a text; nil where it was never inserted.
    func find(_ bytes: UnsafePointer<UInt8>, _ length: Int, hash: UInt64) -> Int? {
        var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
        while slots[slot] >= 0 {
            let index = Int(slots[slot])
            if hashes[index] == hash, equals(index, bytes, length) { return index }
            slot = (slot + 1) & (slots.count - 1)
        }
        return nil
    }

    func find(_ text: String) -> Int? {
        var text = text
        return text.withUTF8 { bytes in
            withUnsafeBase(of: bytes) { find($0, bytes.count, hash: contentHash($0, bytes.count)) }
        }
    }

    private func equals(_ index: Int, _ bytes: UnsafePointer<UInt8>, _ length: Int) -> Bool {
        let start = index == 0 ? 0 : ends[index - 1]
        guard ends[index] - start == length else { return false }
        return length == 0 || arena.withUnsafeBufferPointer { memcmp($0.baseAddress! + start, bytes, length) == 0 }
    }

    /// The place of a text, new or not. Counts it.
    mutating func insert(_ bytes: UnsafePointer<UInt8>, _ length: Int, hash: UInt64) -> Int {
        if let index = find(bytes, length, hash: hash) {
            counts[index] += 1
            lastInserted = index
            return index
        }
        if 2 * count >= slots.count { grow() }
        var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
        while slots[slot] >= 0 { slot = (slot + 1) & (slots.count - 1) }
        slots[slot] = Int32(count)
        hashes.append(hash)
        arena.append(contentsOf: UnsafeBufferPointer(start: bytes, count: length))
        ends.append(arena.count)
        counts.append(1)
        classes.append(-1)
        count += 1
        lastInserted = count - 1
        return count - 1
    }

    private mutating func grow() {
        slots = [Int32](repeating: -1, count: 2 * slots.count)
        for index in 0..<count {
            var slot = Int(truncatingIfNeeded: hashes[index]) & (slots.count - 1)
            while slots[slot] >= 0 { slot = (slot + 1) & (slots.count - 1) }
            slots[slot] = Int32(index)
        }
    }

    func text(_ index: Int) -> String {
        String(decoding: arena[(index == 0 ? 0 : ends[index - 1])..<ends[index]], as: UTF8.self)
    }

    /// All texts, in the order they were met.
    var texts: [String] { (0..<count).map(text) }
}

/// Calls `body` with a pointer that is valid even where there are no bytes.
private func withUnsafeBase<Result>(
    of bytes: UnsafeBufferPointer<UInt8>, _ body: (UnsafePointer<UInt8>) -> Result
) -> Result {
    if let base = bytes.baseAddress { return body(base) }
    return withUnsafePointer(to: 0 as UInt8) { body($0) }
}

/// Reads numbers as a table writes them.
struct NumberReader: Sendable {
    private let decimalMark: UInt8
    private let thousandsMark: [UInt8]
    private let powers: [Double]
    /// Whether a number may stand among what `NumberDress` knows.
    private let allowsDress: Bool

    init(decimalMark: UInt8 = UInt8(ascii: "."), thousandsMark: [UInt8] = [], allowsDress: Bool = false) {
        self.allowsDress = allowsDress
        self.decimalMark = decimalMark
        self.thousandsMark = thousandsMark
        var power = 1.0
        powers = (0...22).map { _ in
            defer { power *= 10 }
            return power
        }
    }

    /// The number nearest to what is written; infinite where it is too large; nil for what is no decimal number.
    @inline(__always)
    func callAsFunction(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Double? {
        guard count > 0 else { return nil }
        // What no number begins with ends here: most texts.
        if bytes[0] < 0x3A, let number = bare(bytes, count) { return number }
        return allowsDress && NumberDress.isPossible(bytes, count) ? dressed(bytes, count) : nil
    }

    @inline(__always)
    private func bare(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Double? {
        thousandsMark.isEmpty ? plain(bytes, count, mark: decimalMark) : grouped(bytes, count)
    }

    private func dressed(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Double? {
        guard let dress = NumberDress(bytes, count), let number = bare(bytes + dress.start, dress.end - dress.start)
        else { return nil }
        return dress.isNegative ? -number : number
    }

    private func plain(_ bytes: UnsafePointer<UInt8>, _ count: Int, mark: UInt8) -> Double? {
        var position = 0
        let isNegative = bytes[0] == UInt8(ascii: "-")
        if isNegative || bytes[0] == UInt8(ascii: "+") { position = 1 }
        var mantissa: UInt64 = 0
        var digits = 0
        var exponent = 0
        while position < count, bytes[position] &- 48 < 10 {
            mantissa = mantissa &* 10 &+ UInt64(bytes[position] &- 48)
            digits += 1
            position += 1
        }
        if position < count, bytes[position] == mark {
            position += 1
            let start = position
            while position < count, bytes[position] &- 48 < 10 {
                mantissa = mantissa &* 10 &+ UInt64(bytes[position] &- 48)
                position += 1
            }
            digits += position - start
            exponent = start - position
        }
        guard digits > 0 else { return nil }
        if position < count {
            guard bytes[position] | 0x20 == UInt8(ascii: "e") else { return nil }
            position += 1
            guard position < count else { return nil }
            let isBelow = bytes[position] == UInt8(ascii: "-")
            if isBelow || bytes[position] == UInt8(ascii: "+") { position += 1 }
            guard position < count else { return nil }
            var power = 0
            while position < count, bytes[position] &- 48 < 10 {
                if power < 100_000 { power = power * 10 + Int(bytes[position] &- 48) }
                position += 1
            }
            guard position == count else { return nil }
            exponent += isBelow ? -power : power
        }
        // Exact factors and one rounding (Clinger 1990): what nearly every field is.
        if digits <= 19, mantissa <= 1 << 53, -22...22 ~= exponent {
            let value = exponent < 0 ? Double(mantissa) / powers[-exponent] : Double(mantissa) * powers[exponent]
            return isNegative ? -value : value
        }
        return slow(bytes, count, mark: mark)
    }

    /// By C's reader, which rounds rightly however many digits there are.
    private func slow(_ bytes: UnsafePointer<UInt8>, _ count: Int, mark: UInt8) -> Double {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: count + 1) { text in
            for index in 0..<count {
                text[index] = CChar(bitPattern: bytes[index] == mark ? UInt8(ascii: ".") : bytes[index])
            }
            text[count] = 0
            return strtod(text.baseAddress!, nil)
        }
    }

    /// A number whose whole part may be cut into groups of three digits.
    private func grouped(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Double? {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: count) { plainBytes in
            var (length, position, sinceMark) = (0, 0, -1)
            var isWholePart = true
            while position < count {
                let isMark =
                    isWholePart && position + thousandsMark.count <= count
                    && (0..<thousandsMark.count).allSatisfy { bytes[position + $0] == thousandsMark[$0] }
                if isMark {
                    let firstGroup = length - (length > 0 && plainBytes[0] < 48 ? 1 : 0)
                    guard sinceMark == 3 || (sinceMark == -1 && 1...3 ~= firstGroup) else { return nil }
                    sinceMark = 0
                    position += thousandsMark.count
                    continue
                }
                if bytes[position] &- 48 < 10 {
                    if isWholePart, sinceMark >= 0 { sinceMark += 1 }
                } else if length > 0 || bytes[position] == decimalMark {
                    isWholePart = false
                }
                plainBytes[length] = bytes[position]
                length += 1
                position += 1
            }
            guard length > 0, sinceMark == -1 || sinceMark == 3 else { return nil }
            return plain(plainBytes.baseAddress!, length, mark: decimalMark)
        }
    }
}
