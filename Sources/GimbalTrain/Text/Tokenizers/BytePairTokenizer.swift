import Gimbal

/// Numbers for parts of words, learned from a text: neighbouring tokens that are often together become one, again and again
/// (Sennrich et al. 2016, "Neural machine translation of rare words with subword units").
///
/// ```swift
/// let tokenizer = BytePairTokenizer(training: [text], count: 4096, specialTokens: ["<|endoftext|>"])
/// let tokens = try tokenizer.encode("To be, or not to be")
/// ```
/// One that is trained here begins with bytes, as GPT-2's (Radford et al. 2019): every text has numbers, and decoding gives
/// back its bytes. `TokenizerFile.read` also reads those of other programs, from Hugging Face's `tokenizer.json`, with all
/// that they do to a text, and the numbers are the same; what it cannot do it refuses. `write` writes that format.
public struct BytePairTokenizer: Tokenizer, Equatable {
    let model: BytePairModel
    let normalizers: [TextNormalizer]
    let preTokenizers: [PreTokenizer]
    let decoder: TokenDecoder
    let added: AddedTokens
    let frame: SequenceFrame
    private let pieces: [[UInt8]]
    private let cache = PieceCache()

    public let count: Int

    init(
        model: BytePairModel, normalizers: [TextNormalizer] = [], preTokenizers: [PreTokenizer], decoder: TokenDecoder,
        added: [AddedToken], frame: SequenceFrame = SequenceFrame()
    ) {
        self.model = model
        self.normalizers = normalizers
        self.preTokenizers = preTokenizers
        self.decoder = decoder
        self.added = AddedTokens(added) { text in
            String(decoding: normalizers.apply(Array(text.utf8)), as: UTF8.self)
        }
        self.frame = frame
        pieces = decoder.pieces(model)
        count = max(model.names.count, (added.map { Int($0.number) + 1 }.max() ?? 0))
    }

    public var specialTokens: [SpecialToken] { added.special }

    public var unknownNumber: Int32? { model.unknown }

    /// How many pairs become one token.
    public var mergeCount: Int { model.merges.list.count }

    /// The numbers of a text's tokens, without those that a file asks for around a text.
    /// - Throws: `GimbalError.invalidSetting` where a tokenizer of another program has no token for a character or byte. One
    ///   that is trained here has one for each.
    public func encode(_ text: String) throws -> [Int32] {
        var result: [Int32] = []
        let whole = Array(text.utf8)
        try cache.using { known in
            for segment in added.segments(of: whole) {
                switch segment {
                case .token(let token): result.append(token)
                case .text(let range):
                    let bytes = range.count == whole.count ? whole : Array(whole[range])
                    try encodeNormalized(normalizers.apply(bytes), isFirst: range.lowerBound == 0, &known, &result)
                }
            }
        }
        return result
    }

    /// The numbers of a text's tokens, with those around it that the tokenizer's file asks for, such as one that begins
    /// every text; none for one that is trained here.
    /// - Throws: as `encode(_:)`.
    public func encodeWhole(_ text: String) throws -> [Int32] { try frame.before + encode(text) + frame.behind }

    private func encodeNormalized(
        _ bytes: [UInt8], isFirst: Bool, _ known: inout PieceCache.Known, _ result: inout [Int32]
    ) throws {
        for segment in added.segments(of: bytes, isNormalized: true) {
            switch segment {
            case .token(let token): result.append(token)
            case .text(let range):
                let part = range.count == bytes.count ? bytes : Array(bytes[range])
                let isFirst = isFirst && range.lowerBound == 0
                let prepared = preTokenizers.reduce(part) { $1.prepare($0, isFirst: isFirst) }
                try prepared.withUnsafeBufferPointer { bytes in
                    try preTokenizers.split(bytes, 0..<bytes.count) {
                        result += try known.tokens(of: UnsafeBufferPointer(rebasing: bytes[$0]), model.encode)
                    }
                }
            }
        }
    }

    public func bytes(of token: Int32, after previous: Int32?) -> [UInt8] {
        check(token)
        if let name = added.bytes(of: token) { return name }
        guard Int(token) < pieces.count else { return [] }
        let piece = pieces[Int(token)]
        guard previous == nil, decoder.strippedSpaces > 0 else { return piece }
        return Array(piece.dropFirst(piece.prefix(decoder.strippedSpaces).prefix { $0 == 0x20 }.count))
    }

    public static func == (left: Self, right: Self) -> Bool {
        left.model == right.model && left.normalizers == right.normalizers && left.preTokenizers == right.preTokenizers
            && left.decoder == right.decoder && left.added == right.added && left.frame == right.frame
    }
}

/// The tokens that a file asks for around every text.
struct SequenceFrame: Sendable, Equatable {
    var before: [Int32] = []
    var behind: [Int32] = []
}
