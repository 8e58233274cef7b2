import Gimbal

/// Which rows of a table are trained on, which choices are made on, and which are held back, told by what is in a row.
///
/// Every row has a 64-bit hash of its content and the seed, and each class a range of hashes for each part. So the same
/// rows stay held back when the file is put into another order, shortened or appended to, and equal rows never lie in two
/// parts: a model is not tested on what it has seen. Where there are few kinds of rows, as in a table of few categories, equal
/// rows are shared out like others.
public struct TableSplit: Codable, Sendable, Equatable {
    /// A part of a table.
    public enum Part: String, Codable, Sendable, CaseIterable {
        /// The rows that weights are fitted to.
        case training
        /// The rows that choices are made on: the best weights, when to stop, when to lower the rate.
        case validation
        /// The rows that are looked at once, at the end.
        case test
    }

    /// What is asked of a split.
    public struct Request: Codable, Sendable, Equatable {
        /// The share of all rows that is held back for the test, from 0 to below 1.
        public var test: Double
        /// The share of the rest that choices are made on, from 0 to below 1. Of a table so large that chance gives every
        /// class its share, no more than about 131,072 rows: they are gone through after every epoch.
        public var validation: Double
        /// What the hashes of rows follow from, beside their content.
        public var seed: UInt64

        /// A fifth for the test and a tenth of the rest for validation, unless said otherwise.
        public init(test: Double = 0.2, validation: Double = 0.1, seed: UInt64 = 0) {
            self.test = test
            self.validation = validation
            self.seed = seed
        }
    }

    /// The hashes below which rows of a class belong to a part.
    public struct Limits: Codable, Sendable, Equatable {
        /// Rows with a smaller hash are of the test part.
        public var test: UInt64
        /// Other rows with a smaller hash are of the validation part.
        public var validation: UInt64
        /// The hash from which on hashes are counted, beyond the largest from 0 again: where a fold of a cross-validation
        /// begins.
        public var start: UInt64 = 0
    }

    /// What was asked for.
    public var request: Request
    /// The limits of each class, or one for all.
    public var limits: [Limits]
    /// Whether equal rows are shared out among the parts, each time that one is met as a row of its own.
    private(set) var sharesOutEqualRows = false
    /// The smallest row hashes in hexadecimal, which tell whether another file shares rows with this one.
    private var sketch: String

    static let sketchSize = 1024

    /// What tells these rows in these parts from others.
    var fingerprint: String {
        let text = limits.map { "\($0.test) \($0.validation) \($0.start) " }.joined() + sketch
        let bytes = Array(text.utf8)
        let hash = bytes.withUnsafeBufferPointer { bytes in bytes.baseAddress.map { contentHash($0, bytes.count) } ?? 0
        }
        return hexadecimal(hash, digits: 16)
    }

    /// The part that a row belongs to.
    /// - Parameters:
    ///   - hash: of the row's content and the seed; where equal rows are shared out, its own: see `RowOccurrences`.
    ///   - label: the row's class; nil where a number is predicted.
    public func part(of hash: UInt64, label: Int? = nil) -> Part {
        let limit = limits.count > 1 ? limits[min(max(label ?? 0, 0), limits.count - 1)] : limits[0]
        let turned = hash &- limit.start
        return turned < limit.test ? .test : turned < limit.validation ? .validation : .training
    }

    /// A split whose parts have the wanted sizes in each class, as closely as equal rows allow. Of each class at least one
    /// row is left to train on.
    /// - Parameters:
    ///   - request: the shares.
    ///   - hashes: of all rows.
    ///   - labels: the class of each row; empty where numbers are predicted.
    ///   - classCount: how many classes there are; 1 where numbers are predicted.
    init(_ request: Request, hashes: [UInt64], labels: [Int32], classCount: Int) {
        self.request = request
        sharesOutEqualRows = Self.areFewKinds(hashes)
        let strata = Self.strata(hashes, labels, classCount, sharingOut: sharesOutEqualRows)
        let counts = strata.map(\.count)
        let tests = Self.shares(of: counts, fraction: request.test)
        let validations = Self.shares(of: zip(counts, tests).map { $0 - $1 }, fraction: request.validation)
        limits = strata.indices.map { index in
            let hashes = strata[index]
            let test = Self.limit(hashes, tests[index], from: 0)
            let start = hashes.firstIndex { $0 >= test } ?? hashes.count
            return Limits(
                test: test, validation: max(Self.limit(hashes, validations[index], from: start), test))
        }
        sketch = Self.text(Self.smallest(hashes))
    }

    /// A split by the shares alone, for tables so large that chance gives every class its share.
    /// - Parameter rows: about how many there are, where that is known.
    init(plain request: Request, rows: Int? = nil) {
        self.request = request
        func limit(_ share: Double) -> UInt64 {
            let scaled = share * 0x1p64
            return scaled >= 0x1p64 ? .max : UInt64(scaled)
        }
        let most = rows.map { Double(Self.largestValidationCount) / Double(max($0, 1)) } ?? 1
        let validation = request.test + min((1 - request.test) * request.validation, most)
        limits = [Limits(test: limit(request.test), validation: limit(validation))]
        sketch = ""
    }

    /// The same parts, with the smallest row hashes, in their order.
    func with(sketch: [UInt64]) -> TableSplit {
        var split = self
        split.sketch = Self.text(sketch)
        return split
    }

    private static let largestValidationCount = 1 << 17

    /// Whether parts that hold whole kinds of rows would tell little of the others: there are less than a hundred kinds, or
    /// one of them is a twentieth of the table.
    private static func areFewKinds(_ hashes: [UInt64]) -> Bool {
        var counts: [UInt64: Int] = [:]
        for hash in hashes {
            counts[hash, default: 0] += 1
            if 4 * counts.count >= hashes.count { return false }
        }
        return counts.count < 100 && !hashes.isEmpty || 20 * (counts.values.max() ?? 0) > hashes.count
    }

    /// The hashes of each class, sorted.
    private static func strata(
        _ hashes: [UInt64], _ labels: [Int32], _ classCount: Int, sharingOut: Bool
    ) -> [[UInt64]] {
        var strata = [[UInt64]](repeating: [], count: max(classCount, 1))
        var met = RowOccurrences()
        for (row, hash) in hashes.enumerated() {
            strata[labels.isEmpty ? 0 : Int(labels[row])].append(sharingOut ? met.ownHash(of: hash) : hash)
        }
        for index in strata.indices { strata[index].sort() }
        return strata
    }

    private static func limit(_ sorted: [UInt64], _ count: Int, from start: Int) -> UInt64 {
        guard count > 0, start < sorted.count else { return 0 }
        let last = sorted[min(start + count, sorted.count) - 1]
        return last == .max ? .max : last + 1
    }

    /// `fraction` of all, shared out by size, the largest remainders first; everyone keeps one.
    private static func shares(of counts: [Int], fraction: Double) -> [Int] {
        let all = counts.reduce(0, +)
        guard fraction > 0, all > 1 else { return counts.map { _ in 0 } }
        let wanted = min(max(Int((Double(all) * fraction).rounded()), 1), all - 1)
        let exact = counts.map { Double($0) * fraction }
        var shares = zip(exact, counts).map { min(Int($0), max($1 - 1, 0)) }
        let order = counts.indices.sorted {
            (exact[$0] - exact[$0].rounded(.down), $1) > (exact[$1] - exact[$1].rounded(.down), $0)
        }
        var left = wanted - shares.reduce(0, +)
        for index in order where left > 0 && shares[index] < counts[index] - 1 {
            shares[index] += 1
            left -= 1
        }
        return shares
    }

    // MARK: Folds

    /// The split of one fold of a cross-validation: its test part is the fold, and the folds of one table share no row and
    /// leave none out. Every class is shared out evenly, and equal rows lie in one fold.
    /// - Parameters:
    ///   - fold: from 0.
    ///   - count: how many folds there are.
    ///   - request: the share of validation rows among those that are not of the fold.
    ///   - hashes: of all rows; none for a table so large that chance gives every class its share.
    ///   - labels: the class of each row; empty where numbers are predicted.
    ///   - classCount: how many classes there are; 1 where numbers are predicted.
    init(fold: Int, of count: Int, _ request: Request, hashes: [UInt64], labels: [Int32], classCount: Int) {
        self.request = request
        self.request.test = 1 / Double(count)
        sketch = Self.text(Self.smallest(hashes))
        guard !hashes.isEmpty else {
            let plain = TableSplit(plain: self.request)
            let start = fold == 0 ? 0 : UInt64(Double(fold) / Double(count) * 0x1p64)
            let end = fold + 1 == count ? 0 : UInt64(Double(fold + 1) / Double(count) * 0x1p64)
            let validation = plain.limits[0].validation - plain.limits[0].test
            let test = end &- start
            limits = [Limits(test: test, validation: test &+ min(validation, 0 &- test), start: start)]
            return
        }
        sharesOutEqualRows = Self.areFewKinds(hashes)
        let strata = Self.strata(hashes, labels, classCount, sharingOut: sharesOutEqualRows)
        // Where each fold begins in a class. Rows that are over when all folds have equally many go to one fold each, those of a
        // class to the folds before those of the class before: no fold has more than one row more than another.
        var shift = 0
        let bounds = strata.map { hashes in
            let (share, extra) = hashes.count.quotientAndRemainder(dividingBy: count)
            func start(_ fold: Int) -> UInt64 {
                fold % count == 0 || hashes.isEmpty ? 0 : hashes[fold * share + max(0, fold - (count - extra))]
            }
            let turned = (fold + shift) % count
            shift += extra
            return (start: start(turned), test: start(turned + 1) &- start(turned))
        }
        let rest = zip(strata, bounds).map { hashes, bound in
            hashes.map { $0 &- bound.start }.filter { $0 >= bound.test }.sorted()
        }
        let validations = Self.shares(of: rest.map(\.count), fraction: request.validation)
        limits = strata.indices.map { index in
            let (start, test) = bounds[index]
            return Limits(
                test: test, validation: max(Self.limit(rest[index], validations[index], from: 0), test), start: start)
        }
    }

    // MARK: Other files

    private static func smallest(_ hashes: [UInt64]) -> [UInt64] {
        var smallest = SmallestHashes()
        for hash in hashes { smallest.add(hash) }
        return smallest.sorted
    }

    private static func text(_ hashes: [UInt64]) -> String { hashes.map { hexadecimal($0, digits: 16) }.joined() }

    /// The smallest row hashes of the table.
    var smallestHashes: [UInt64] {
        let digits = Array(sketch.utf8)
        return stride(from: 0, to: digits.count - digits.count % 16, by: 16).compactMap {
            UInt64(String(decoding: digits[$0..<$0 + 16], as: UTF8.self), radix: 16)
        }
    }

    /// Whether it is known which rows the table has.
    var hasSketch: Bool { !sketch.isEmpty }

    /// Tells of a row's hash whether it is one of these.
    var rowSketch: RowSketch { RowSketch(smallestHashes) }

    /// Checks what may have come from a file.
    /// - Throws: `GimbalError.invalidSetting`.
    public func validate() throws {
        let isGood =
            !limits.isEmpty && (0..<1).contains(request.test) && (0..<1).contains(request.validation)
            && limits.allSatisfy { $0.test <= $0.validation } && sketch.utf8.count <= 16 * Self.sketchSize
        guard isGood else { throw GimbalError.invalidSetting(name: "split", reason: "is none that a table can have") }
    }
}

extension TableSplit.Request {
    /// - Throws: `GimbalError.invalidSetting` for a share outside of 0..<1.
    func validate() throws {
        for (name, share) in [("test", test), ("validation", validation)] {
            guard (0..<1).contains(share) else {
                throw GimbalError.invalidSetting(name: name, reason: "must be a share from 0 to below 1, not \(share)")
            }
        }
    }
}

/// How often each row of a table was met, to tell equal rows apart.
struct RowOccurrences {
    private var counts: [UInt64: UInt64] = [:]

    /// A hash of the row's own: that of its content where it is met for the first time, else another each time.
    mutating func ownHash(of hash: UInt64) -> UInt64 {
        let occurrence = counts[hash, default: 0]
        counts[hash] = occurrence + 1
        return occurrence == 0 ? hash : RowHash.whole(RowHash.part(hash, occurrence), seed: occurrence)
    }
}

/// The smallest row hashes of a table, for a look at many others, most of which are larger.
struct RowSketch {
    private let known: Set<UInt64>
    private let largest: UInt64

    init(_ hashes: [UInt64]) {
        known = Set(hashes)
        largest = hashes.max() ?? 0
    }

    func contains(_ hash: UInt64) -> Bool { hash <= largest && known.contains(hash) }
}

/// The smallest of many hashes, each once.
struct SmallestHashes {
    private var kept: Set<UInt64> = []
    private var bound = UInt64.max

    mutating func add(_ hash: UInt64) {
        guard hash < bound || kept.count < TableSplit.sketchSize else { return }
        kept.insert(hash)
        // Thinned out now and then, not at each hash.
        if kept.count >= 4 * TableSplit.sketchSize {
            kept = Set(kept.sorted().prefix(TableSplit.sketchSize))
            bound = kept.max()!
        }
    }

    var sorted: [UInt64] { Array(kept.sorted().prefix(TableSplit.sketchSize)) }
}
