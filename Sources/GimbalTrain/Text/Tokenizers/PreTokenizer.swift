/// A step of splitting a text into the pieces within which tokens are joined.
enum PreTokenizer: Sendable, Equatable {
    /// By one of the well-known regular expressions.
    case pattern(SplitPattern)
    /// At every place where a text stands.
    case literal(String, LiteralBehavior)
    /// Numbers apart from what is beside them; each digit for itself, or not.
    case digits(isEachAlone: Bool)
    /// The bytes of the text stand for themselves from here on: the last step. Splits by GPT-2's expression or not.
    case byteLevel(prependsSpace: Bool, splits: Bool)
    /// `mark` for every space, and before the text; the first step. Splits before every mark or not.
    case metaspace(mark: String, prepends: MetaspacePrefix, splits: Bool)

    /// What becomes of the text that `literal` splits at.
    enum LiteralBehavior: String, Sendable {
        case removed = "Removed"
        case isolated = "Isolated"
        case mergedWithPrevious = "MergedWithPrevious"
        case mergedWithNext = "MergedWithNext"
    }

    /// Which parts of a text get the mark before them that have none.
    enum MetaspacePrefix: String, Sendable {
        case always
        /// That at the beginning, unless a special token is there.
        case first
        case never
    }

    /// What the step adds to a text or replaces in it before anything is split.
    /// - Parameter isFirst: whether the text is the beginning of the whole.
    func prepare(_ bytes: [UInt8], isFirst: Bool) -> [UInt8] {
        switch self {
        case .byteLevel(prependsSpace: true, _): return bytes.isEmpty || bytes[0] == 0x20 ? bytes : [0x20] + bytes
        case .metaspace(let mark, let prefix, _):
            let mark = Array(mark.utf8)
            let marked = bytes.replacing([0x20], with: mark)
            let prepends = prefix == .always || prefix == .first && isFirst
            return prepends && !marked.isEmpty && !marked.starts(with: mark) ? mark + marked : marked
        default: return bytes
        }
    }

    /// Calls `body` with the pieces of a part of a text, in its order.
    func split(
        _ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, _ body: (Range<Int>) throws -> Void
    ) rethrows {
        switch self {
        case .pattern(let pattern): try pattern.split(bytes, range, body)
        case .byteLevel(_, splits: true): try SplitPattern.gpt2.split(bytes, range, body)
        case .byteLevel(_, splits: false), .metaspace(_, _, splits: false): try body(range)
        case .metaspace(let mark, _, splits: true):
            try Self.split(bytes, range, at: Array(mark.utf8), .mergedWithNext, body)
        case .literal(let text, let behavior): try Self.split(bytes, range, at: Array(text.utf8), behavior, body)
        case .digits(let isEachAlone):
            let scan = PatternScan(bytes: bytes, end: range.upperBound)
            var position = range.lowerBound
            while position < range.upperBound {
                let isNumber = scan.kind(position).contains(.number)
                let end =
                    isNumber && isEachAlone
                    ? position + UTF8Scan.scalar(at: position, bytes).length
                    : scan.run(position) { $0.contains(.number) == isNumber }
                try body(position..<end)
                position = end
            }
        }
    }

    private static func split(
        _ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, at mark: [UInt8], _ behavior: LiteralBehavior,
        _ body: (Range<Int>) throws -> Void
    ) rethrows {
        var (start, position) = (range.lowerBound, range.lowerBound)
        func cut(_ end: Int) throws {
            if start < end { try body(start..<end) }
            start = end
        }
        while position + mark.count <= range.upperBound {
            guard bytes[position] == mark[0], bytes[position..<position + mark.count].elementsEqual(mark) else {
                position += 1
                continue
            }
            if behavior != .mergedWithPrevious { try cut(position) }
            position += mark.count
            switch behavior {
            case .removed: start = position
            case .isolated, .mergedWithPrevious: try cut(position)
            case .mergedWithNext: break
            }
        }
        try cut(range.upperBound)
    }
}

extension [PreTokenizer] {
    /// Goes through all steps, without keeping the pieces of any.
    func split(
        _ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, from step: Int = 0,
        _ body: (Range<Int>) throws -> Void
    ) rethrows {
        if step == count { return try body(range) }
        try self[step].split(bytes, range) { try split(bytes, $0, from: step + 1, body) }
    }
}
