import Gimbal

/// The vocabulary of a byte-pair tokenizer, and how a piece of text becomes numbers of it.
struct BytePairModel: Sendable, Equatable {
    /// What pieces are made of at first.
    enum Alphabet: Sendable, Equatable {
        /// Bytes, which the vocabulary spells as `ByteAlphabet` has them.
        case bytes
        /// Unicode scalars; one that has no token is spelled by those of its bytes, `<0x00>` to `<0xFF>`, if `fallback`.
        case characters(fallback: Bool)
    }

    /// By number, as a file spells them; nil where a number is left out.
    let names: [String?]
    let alphabet: Alphabet
    let merges: BytePairMerges
    /// The token for what has none.
    let unknown: Int32?
    /// Whether neighbouring unknown characters become one token.
    let fusesUnknown: Bool
    /// Whether a piece that is a token is that token, whatever the merges make of it.
    let ignoresMerges: Bool
    /// What each token spells: bytes, or UTF-8 of its name.
    let spellings: [[UInt8]]
    private let numbers: [ByteString: Int32]
    /// The tokens of single bytes; -1 where there is none.
    private let byteTokens: [Int32]

    init(
        names: [String?], alphabet: Alphabet, merges: BytePairMerges, unknown: Int32? = nil, fusesUnknown: Bool = false,
        ignoresMerges: Bool = false
    ) {
        self.names = names
        self.alphabet = alphabet
        self.merges = merges
        self.unknown = unknown
        self.fusesUnknown = fusesUnknown
        self.ignoresMerges = ignoresMerges
        var numbers: [ByteString: Int32] = [:]
        numbers.reserveCapacity(names.count)
        var byteTokens = [Int32](repeating: -1, count: 256)
        spellings = zip((0 as Int32)..., names).map { number, name in
            guard let name else { return [] }
            guard alphabet == .bytes else {
                numbers[ByteString(name.utf8)] = number
                if let byte = Self.fallbackByte(name) { byteTokens[Int(byte)] = number }
                return Array(name.utf8)
            }
            // What is no text of the alphabet, such as a special token with a space in it, no piece can be.
            guard let bytes = ByteAlphabet.bytes(of: name) else { return Array(name.utf8) }
            numbers[ByteString(bytes)] = number
            if bytes.count == 1 { byteTokens[Int(bytes[0])] = number }
            return bytes
        }
        self.numbers = numbers
        self.byteTokens = byteTokens
    }

    /// The byte that a token such as `<0x0A>` stands for.
    static func fallbackByte(_ name: String) -> UInt8? {
        let text = name.utf8
        guard text.count == 6, name.hasPrefix("<0x"), name.hasSuffix(">") else { return nil }
        let digits = name.dropFirst(3).dropLast()
        return digits.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x41...0x46).contains($0) }
            ? UInt8(digits, radix: 16) : nil
    }

    static func == (left: Self, right: Self) -> Bool {
        left.names.map { $0.map { ExactText($0) } } == right.names.map { $0.map { ExactText($0) } }
            && left.alphabet == right.alphabet && left.merges == right.merges && left.unknown == right.unknown
            && left.fusesUnknown == right.fusesUnknown && left.ignoresMerges == right.ignoresMerges
    }

    /// The numbers of one piece.
    /// - Parameter piece: UTF-8; not empty.
    /// - Throws: `GimbalError.invalidSetting` for what no token spells, where there is none for the unknown.
    func encode(_ piece: UnsafeBufferPointer<UInt8>) throws -> [Int32] {
        if ignoresMerges, let whole = numbers[ByteString(piece)] { return [whole] }
        var tokens: [Int32] = []
        var position = 0
        var isAfterUnknown = false
        while position < piece.count {
            let length = alphabet == .bytes ? 1 : UTF8Scan.scalar(at: position, piece).length
            let part = piece[position..<position + length]
            position += length
            if let known = alphabet == .bytes ? byteToken(part.first!) : numbers[ByteString(part)] {
                tokens.append(known)
            } else if let fallback = fallback(part) {
                tokens += fallback
            } else {
                guard let unknown else { throw missing(part) }
                if !(isAfterUnknown && fusesUnknown) { tokens.append(unknown) }
                isAfterUnknown = true
                continue
            }
            isAfterUnknown = false
        }
        return merges.join(tokens)
    }

    private func byteToken(_ byte: UInt8) -> Int32? {
        let token = byteTokens[Int(byte)]
        return token < 0 ? nil : token
    }

    private func fallback(_ part: Slice<UnsafeBufferPointer<UInt8>>) -> [Int32]? {
        guard alphabet == .characters(fallback: true) else { return nil }
        let tokens = part.map { byteTokens[Int($0)] }
        return tokens.contains(-1) ? nil : tokens
    }

    private func missing(_ part: Slice<UnsafeBufferPointer<UInt8>>) -> GimbalError {
        let name =
            alphabet == .bytes
            ? "the byte 0x\(hexadecimal(part.first!, digits: 2).uppercased())"
            : "the character \(shown(String(decoding: part, as: UTF8.self)))"
        return .invalidSetting(
            name: "text",
            reason: "\(name) is not in the vocabulary of \(names.count), which has no token for what is unknown")
    }
}
