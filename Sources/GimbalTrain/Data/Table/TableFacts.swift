import Gimbal

/// What one pass over a column finds out.
struct ColumnFacts {
    /// Fields with nothing in them, or with a mark that the user named.
    var empty = 0
    /// Fields with one of the usual marks for a missing value.
    var marks = 0
    /// Fields that are finite numbers, and those of them that are whole.
    var numbers = 0
    var whole = 0
    /// Fields that are none of these.
    var texts: Int { text.count }
    var text = TextFacts()
    /// Fields that are infinite or too large for a float64, and the first of them.
    var infinite = 0
    var firstInfinite: Witness?
    var extremes = Extremes()
    var minimum: Double { extremes.lowest }
    var maximum: Double { extremes.highest }
    /// What stands around the numbers.
    var units = UnitFacts()
    /// The forms of date that all dates have, and of numbers those that are written in digits alone.
    var dateForms: UInt8 { text.dateForms }
    var hasTimeOfDay: Bool { text.hasTimeOfDay }
    /// The distinct fields; fewer than there are where they became too many.
    var values = ValueTable()
    var hasAllValues = true
    /// Whether the numbers rise by one from row to row.
    var isRising = true
    var lastNumber = 0.0
    var firstNumber = 0.0
    /// The smallest hashes of distinct numbers, for an estimate of how many there are.
    var smallest = SmallestHashes()
    var fingerprint: UInt64 = 0
    /// Over the rows to train on, where it is known during the pass which these are.
    var statistics = ColumnStatistics()

    static let largestValueCount = 10_000
    static let largestNumberCount = 1_000
    private static let largestByteCount = 1 << 20

    /// Takes in a field of a row.
    /// - Returns: the hash of what it means, and its number if it is one.
    @inline(__always)
    mutating func add(
        _ bytes: UnsafePointer<UInt8>, _ count: Int, line: Int, label: Int32, reader: NumberReader, isId: Bool,
        isTarget: Bool
    ) -> (hash: UInt64, number: Double) {
        let textHash = contentHash(bytes, count)
        var result = (hash: textHash, number: Double.nan)
        if let number = reader(bytes, count) {
            if number.isFinite {
                addNumber(number, bytes, count, line, isId: isId)
                result = (contentHash(number), number)
            } else {
                addInfinite(bytes, count, line)
            }
        } else {
            addText(bytes, count, line, hash: textHash)
        }
        fingerprint = fingerprint &* 0x2545_F491_4F6C_DD1D &+ result.hash
        if hasAllValues || isTarget { addValue(bytes, count, hash: textHash, label: label, isTarget: isTarget) }
        return result
    }

    /// Goes on with another stretch of the file.
    mutating func beginStretch() { isRising = false }

    /// Makes lines of the stretch lines of the file.
    /// - Parameter linesBefore: the stretch; counting them takes a while.
    mutating func endStretch(linesBefore: () -> Int) {
        firstInfinite?.endStretch(linesBefore)
        text.endStretch(linesBefore)
        units.endStretch(linesBefore)
    }

    mutating func addEmpty() -> UInt64 {
        empty += 1
        isRising = false
        fingerprint = fingerprint &* 0x2545_F491_4F6C_DD1D &+ 1
        return RowHash.empty
    }

    @inline(__always)
    private mutating func addNumber(
        _ number: Double, _ bytes: UnsafePointer<UInt8>, _ count: Int, _ line: Int, isId: Bool
    ) {
        if numbers == 0 {
            firstNumber = number
        } else if isRising, number != lastNumber + 1 {
            isRising = false
        }
        numbers += 1
        lastNumber = number
        extremes.add(number)
        units.add(number, bytes, count, line)
        if number == number.rounded(.towardZero) {
            whole += 1
            if isId { smallest.add(contentHash(number)) }
        }
        text.addNumber(bytes, count, line)
    }

    private mutating func addInfinite(_ bytes: UnsafePointer<UInt8>, _ count: Int, _ line: Int) {
        if infinite == 0 { firstInfinite = Witness(bytes, count, line) }
        infinite += 1
        isRising = false
    }

    private mutating func addText(_ bytes: UnsafePointer<UInt8>, _ count: Int, _ line: Int, hash: UInt64) {
        isRising = false
        if MissingMarks.usual.contains(bytes, count) {
            marks += 1
        } else if count <= 9, MissingMarks.infinities.contains(bytes, count) {
            addInfinite(bytes, count, line)
        } else {
            text.add(bytes, count, line, hash: hash)
        }
    }

    private mutating func addValue(
        _ bytes: UnsafePointer<UInt8>, _ count: Int, hash: UInt64, label: Int32, isTarget: Bool
    ) {
        let index = values.insert(bytes, count, hash: hash)
        if label >= 0 {
            let known = values.classes[index]
            values.classes[index] = known == -1 ? label : known == label ? label : -2
        }
        guard !isTarget else { return }
        let limit = texts > 0 ? Self.largestValueCount : Self.largestNumberCount
        if values.count > limit || values.byteCount > Self.largestByteCount { hasAllValues = false }
    }

    /// How many different numbers there are, or how many there are at least.
    var distinctNumbers: Int { max(values.count - text.distinct.count, 0) }

    /// About how many distinct whole numbers there are.
    var distinctEstimate: Double {
        let sorted = smallest.sorted
        guard sorted.count == TableSplit.sketchSize else { return Double(sorted.count) }
        return Double(sorted.count - 1) / (Double(sorted.last!) / 0x1p64)
    }
}

extension MissingMarks {
    static let infinities = MissingMarks(["inf", "+inf", "-inf", "infinity", "+infinity", "-infinity"])
}

/// Mean, deviation and median of what a column holds in the rows that are trained on.
struct ColumnStatistics {
    private var spread = Spread()
    /// Numbers for the median, with the hashes of their rows; of many rows, those whose hashes end in zeros.
    private var sample: [(hash: UInt64, value: Double)] = []
    private var mask: UInt64 = 0

    private static let sampleSize = 1 << 16

    @inline(__always)
    mutating func add(_ value: Double, hash: UInt64, isSampled: Bool) {
        spread.add(value)
        if isSampled, hash & mask == 0 { addSample(value, hash) }
    }

    private mutating func addSample(_ value: Double, _ hash: UInt64) {
        sample.append((hash, value))
        guard sample.count > Self.sampleSize else { return }
        // Rows alike in content have one hash: where no hash ends in zeros the half of the numbers goes.
        mask = mask << 1 | 1
        sample.removeAll { $0.hash & mask != 0 }
    }

    var mean: Double { spread.mean }

    /// 1 where nothing varies.
    var deviation: Double { spread.deviation > 0 ? spread.deviation : 1 }

    var median: Double {
        guard !sample.isEmpty else { return mean }
        let sorted = sample.map(\.value).sorted()
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : sorted[middle - 1] / 2 + sorted[middle] / 2
    }
}
