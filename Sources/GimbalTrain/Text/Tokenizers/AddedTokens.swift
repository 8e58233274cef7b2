import Gimbal

/// A token that is looked for in a text before the text is split: its name, as it stands, becomes the one number.
struct AddedToken: Sendable, Equatable {
    var number: Int32
    var text: ExactText
    /// Whether it has a name instead of a spelling, so that it may be left out of decoded text.
    var isSpecial = true
    /// Whether it is looked for in the text as the normalizer has made it, rather than as it was.
    var isNormalized = false
    /// Whether it counts only where no letter, digit, mark or underscore stands beside it.
    var isSingleWord = false
    /// Whether the white space before it goes with it.
    var takesSpaceBefore = false
    /// Whether the white space behind it goes with it.
    var takesSpaceBehind = false
}

/// The tokens that are looked for before a text is split, of one tokenizer.
struct AddedTokens: Sendable, Equatable {
    /// In the order of their numbers.
    let tokens: [AddedToken]
    private let places: [Int32: Int]
    /// Of those that are looked for in the text as it was, and in the normalized one.
    private let searches: (plain: ByteTrie, normalized: ByteTrie)

    /// - Parameters:
    ///   - tokens: with texts and numbers all different.
    ///   - normalize: makes of a text what the tokenizer's normalizer does.
    init(_ tokens: [AddedToken], normalize: (String) -> String = { $0 }) {
        self.tokens = tokens.sorted { $0.number < $1.number }
        places = Dictionary(uniqueKeysWithValues: zip(self.tokens.map(\.number), 0...))
        var searches = (plain: ByteTrie(), normalized: ByteTrie())
        for (place, token) in self.tokens.enumerated() {
            if token.isNormalized {
                searches.normalized.insert(normalize(token.text.text).utf8, place)
            } else {
                searches.plain.insert(token.text.text.utf8, place)
            }
        }
        self.searches = searches
    }

    /// Special tokens whose numbers follow each other from `first`; a name that is empty or comes twice stops the program.
    /// - Parameter unknown: the name of one of them, or of one more, the last.
    init(named names: [String], unknown: String?, from first: Int, _ operation: String) {
        var names = names.map { ExactText($0) }
        if let unknown, !names.contains(ExactText(unknown)) { names.append(ExactText(unknown)) }
        require(
            Set(names).count == names.count && names.allSatisfy { !$0.text.isEmpty }, operation,
            "names of special tokens are not empty and all different, unlike \(listed(names.map(\.text)))")
        self.init(zip(names, first...).map { AddedToken(number: Int32($1), text: $0) })
    }

    static func == (left: Self, right: Self) -> Bool { left.tokens == right.tokens }

    var special: [SpecialToken] {
        tokens.filter(\.isSpecial).map { SpecialToken(name: $0.text.text, number: $0.number) }
    }

    /// The name of a token in UTF-8; nil where `number` is that of none.
    func bytes(of number: Int32) -> [UInt8]? { places[number].map { Array(tokens[$0].text.text.utf8) } }

    /// A part of a text.
    enum Segment: Equatable {
        case token(Int32)
        /// Bytes without such a token; not empty.
        case text(Range<Int>)
    }

    /// The parts of a text, of which the longest token that begins first is taken.
    /// - Parameters:
    ///   - bytes: UTF-8.
    ///   - isNormalized: which of the tokens are looked for.
    func segments(of bytes: [UInt8], isNormalized: Bool = false) -> [Segment] {
        let search = isNormalized ? searches.normalized : searches.plain
        guard !bytes.isEmpty else { return [] }
        guard !search.isEmpty else { return [.text(0..<bytes.count)] }
        var result: [Segment] = []
        var (start, position) = (0, 0)
        bytes.withUnsafeBufferPointer { bytes in
            while position < bytes.count {
                guard let match = search.longest(in: bytes, at: position) else {
                    position += 1
                    continue
                }
                let token = tokens[match.value]
                var range = position..<position + match.length
                position = range.upperBound
                if token.isSingleWord && Self.isWithinWord(range, bytes) { continue }
                if token.takesSpaceBefore {
                    while range.lowerBound > start, let space = Self.space(before: range.lowerBound, bytes) {
                        range = max(space, start)..<range.upperBound
                    }
                }
                if token.takesSpaceBehind {
                    while let space = Self.space(behind: range.upperBound, bytes) {
                        range = range.lowerBound..<space
                    }
                }
                if start < range.lowerBound { result.append(.text(start..<range.lowerBound)) }
                result.append(.token(token.number))
                (start, position) = (range.upperBound, range.upperBound)
            }
        }
        if start < bytes.count { result.append(.text(start..<bytes.count)) }
        return result
    }

    private static func isWithinWord(_ range: Range<Int>, _ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        let before = range.lowerBound > 0 ? UTF8Scan.scalar(before: range.lowerBound, bytes).value : 0x20
        let behind = range.upperBound < bytes.count ? UTF8Scan.scalar(at: range.upperBound, bytes).value : 0x20
        return [before, behind].contains { CharacterClass.of($0).isPartOfWord || $0 == 0x5F }
    }

    /// Where the white space that ends at `position` begins; nil where there is none.
    private static func space(before position: Int, _ bytes: UnsafeBufferPointer<UInt8>) -> Int? {
        guard position > 0 else { return nil }
        let scalar = UTF8Scan.scalar(before: position, bytes)
        return CharacterClass.of(scalar.value).contains(.space) ? position - scalar.length : nil
    }

    private static func space(behind position: Int, _ bytes: UnsafeBufferPointer<UInt8>) -> Int? {
        guard position < bytes.count else { return nil }
        let scalar = UTF8Scan.scalar(at: position, bytes)
        return CharacterClass.of(scalar.value).contains(.space) ? position + scalar.length : nil
    }
}

/// Texts in a tree by their bytes, in which the longest that a text goes on with is found in time of its length.
struct ByteTrie: Sendable {
    /// By node · 256 + byte.
    private var children: [Int: Int] = [:]
    private var values: [Int?] = [nil]
    /// Most bytes begin none: told without looking for a child.
    private var begins = [Bool](repeating: false, count: 256)

    var isEmpty: Bool { children.isEmpty }

    /// Of two equal texts the first stays; an empty one is never found.
    mutating func insert(_ text: some Sequence<UInt8>, _ value: Int) {
        var node = 0
        for byte in text {
            if node == 0 { begins[Int(byte)] = true }
            if let child = children[node << 8 | Int(byte)] {
                node = child
            } else {
                children[node << 8 | Int(byte)] = values.count
                node = values.count
                values.append(nil)
            }
        }
        if node > 0, values[node] == nil { values[node] = value }
    }

    func longest(in bytes: UnsafeBufferPointer<UInt8>, at start: Int) -> (value: Int, length: Int)? {
        guard begins[Int(bytes[start])] else { return nil }
        var (node, position) = (0, start)
        var result: (value: Int, length: Int)?
        while position < bytes.count, let child = children[node << 8 | Int(bytes[position])] {
            node = child
            position += 1
            if let value = values[node] { result = (value, position - start) }
        }
        return result
    }
}
