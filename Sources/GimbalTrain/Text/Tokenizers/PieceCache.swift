import Gimbal

/// What pieces of text were encoded to, so that a word is joined once. What is kept is bounded.
final class PieceCache: Sendable {
    private static let (greatestCount, greatestLength) = (1 << 16, 64)
    private let kept = Lock<[ByteString: [Int32]]>([:])

    /// Calls `body` with what is known, to look up and to add to. Several threads may do so at once: one has all that is
    /// known, and of what they come to know that of one stays.
    func using<Result>(_ body: (inout Known) throws -> Result) rethrows -> Result {
        // Taken out, so that a text is encoded without holding the lock.
        let tokens = kept.withLock { kept in
            defer { kept = [:] }
            return kept
        }
        var known = Known(tokens: tokens)
        defer { kept.withLock { if known.tokens.count > $0.count { $0 = known.tokens } } }
        return try body(&known)
    }

    /// What pieces were encoded to.
    struct Known {
        fileprivate var tokens: [ByteString: [Int32]]

        /// The tokens of a piece, by `encode` where it is new.
        mutating func tokens(
            of piece: UnsafeBufferPointer<UInt8>, _ encode: (UnsafeBufferPointer<UInt8>) throws -> [Int32]
        ) rethrows -> [Int32] {
            guard piece.count <= PieceCache.greatestLength else { return try encode(piece) }
            let key = ByteString(piece)
            if let tokens = tokens[key] { return tokens }
            let new = try encode(piece)
            if tokens.count < PieceCache.greatestCount { tokens[key] = new }
            return new
        }
    }
}
