/// The regular expressions by which well-known byte-pair tokenizers split a text before they join bytes: no token goes
/// across a border of two pieces.
public enum SplitPattern: String, Sendable, CaseIterable {
    /// Words, numbers and signs, each with a space before it (Radford et al. 2019).
    case gpt2
    /// Of `cl100k_base`, GPT-4 and Llama 3: digits by threes, contractions in any case, line ends with what is before them.
    case llama3
    /// Of Qwen 2 and 3: as `llama3`, but each digit for itself.
    case qwen2
    /// Of `o200k_base` and GPT-4o: as `llama3`, and split where a small letter is followed by a capital.
    case o200k

    /// As tokenizers' files spell it.
    public var expression: String {
        switch self {
        case .gpt2: #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
        case .llama3: Self.withContractions(digits: #"\p{N}{1,3}"#)
        case .qwen2: Self.withContractions(digits: #"\p{N}"#)
        case .o200k:
            #"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"#
                + #"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"#
                + #"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
        }
    }

    private static func withContractions(digits: String) -> String {
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"# + digits
            + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    }

    /// The pattern that a file spells so; nil for any other.
    init?(expression: String) {
        // An older spelling of the same, without a group: the letters behind ' in either case.
        let plain = expression.replacing(
            "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])", with: "(?i:'s|'t|'re|'ve|'m|'ll|'d)")
        guard let pattern = Self.allCases.first(where: { $0.expression == plain }) else { return nil }
        self = pattern
    }

    /// Calls `body` with the pieces of a text, which together are all of it, in its order.
    /// - Parameters:
    ///   - bytes: valid UTF-8.
    ///   - range: the part of it to be split.
    func split(
        _ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, _ body: (Range<Int>) throws -> Void
    ) rethrows {
        let scan = PatternScan(bytes: bytes, end: range.upperBound)
        var position = range.lowerBound
        while position < range.upperBound {
            let end = piece(scan, position)
            try body(position..<end)
            position = end
        }
    }

    /// Where the piece that begins at `start` ends.
    private func piece(_ scan: PatternScan, _ start: Int) -> Int {
        switch self {
        case .gpt2:
            if let end = scan.contraction(start, ignoresCase: false) { return end }
            let word = scan.byte(start) == 0x20 ? start + 1 : start
            if word < scan.end {
                let kind = scan.kind(word)
                if kind.contains(.letter) { return scan.run(word) { $0.contains(.letter) } }
                if kind.contains(.number) { return scan.run(word) { $0.contains(.number) } }
                if kind.isOther { return scan.run(word) { $0.isOther } }
            }
            return scan.space(start, splitsLines: false)
        case .llama3, .qwen2:
            if let end = scan.contraction(start, ignoresCase: true) { return end }
            let word = scan.wordStart(start)
            if word < scan.end, scan.kind(word).contains(.letter) { return scan.run(word) { $0.contains(.letter) } }
            return scan.numberOrSigns(start, digits: self == .llama3 ? 3 : 1, lineEnds: [0x0A, 0x0D])
        case .o200k:
            if let end = scan.casedWord(scan.wordStart(start)) ?? scan.casedWord(start) {
                return scan.contraction(end, ignoresCase: true) ?? end
            }
            return scan.numberOrSigns(start, digits: 3, lineEnds: [0x0A, 0x0D, 0x2F])
        }
    }
}
