import Gimbal

extension BytePairTokenizer {
    /// Learns a vocabulary from texts: it begins with the 256 bytes, and the pair of neighbouring tokens that is most often
    /// together within a piece becomes a new token, until there are `count`.
    ///
    /// Of pairs that are as often together, the one whose left token has the smaller number is taken, and of such with the
    /// same left token the one whose right token has: the result depends on the texts alone, and is what Hugging Face's
    /// trainer learns with the same alphabet. Special tokens come first in the numbers, then the bytes in the order of the
    /// characters that files spell them by, then the joined tokens as they were learned.
    /// - Parameters:
    ///   - texts: what is learned from. Names of special tokens in them are cut out.
    ///   - count: how many tokens there are to be, at least 256 and those that are special. There will be fewer where no
    ///     pair is left that comes often enough.
    ///   - specialTokens: names, not empty and all different. None unless given.
    ///   - pattern: splits the texts into the pieces that tokens stay within.
    ///   - minimumPairCount: how often a pair must come to become a token; at least 1.
    public init(
        training texts: some Sequence<String>, count: Int, specialTokens: [String] = [], pattern: SplitPattern = .gpt2,
        minimumPairCount: Int = 2
    ) {
        let bytes = ByteAlphabet.order.map { ByteAlphabet.text(of: CollectionOfOne($0)) }
        require(
            count >= 256 + specialTokens.count && count <= Int(Int32.max) && minimumPairCount >= 1, "BytePairTokenizer",
            "\(count) tokens, with \(specialTokens.count) special ones and 256 bytes, of pairs that come "
                + "\(minimumPairCount) times")
        require(
            !specialTokens.contains { name in bytes.contains { ExactText($0) == ExactText(name) } },
            "BytePairTokenizer",
            "a special token cannot be called like a byte: \(listed(specialTokens))")
        let added = AddedTokens(named: specialTokens, unknown: nil, from: 0, "BytePairTokenizer")
        let preTokenizers: [PreTokenizer] =
            pattern == .gpt2
            ? [.byteLevel(prependsSpace: false, splits: true)]
            : [.pattern(pattern), .byteLevel(prependsSpace: false, splits: false)]

        var pieces: [ByteString: Int] = [:]
        for text in texts {
            let whole = Array(text.utf8)
            for case .text(let range) in added.segments(of: whole) {
                whole.withUnsafeBufferPointer { whole in
                    preTokenizers.split(whole, range) { pieces[ByteString(whole[$0]), default: 0] += 1 }
                }
            }
        }
        var names = specialTokens + bytes
        var byteTokens = [Int32](repeating: 0, count: 256)
        for (number, byte) in zip(specialTokens.count..., ByteAlphabet.order) { byteTokens[Int(byte)] = Int32(number) }
        var learner = BytePairLearner(
            words: pieces.filter { $0.key.bytes.count > 1 }.map { piece, count in
                (piece.bytes.map { byteTokens[Int($0)] }, count)
            })
        let merges = learner.learn(names: &names, count: count, minimumPairCount: minimumPairCount)
        self.init(
            model: BytePairModel(names: names, alphabet: .bytes, merges: BytePairMerges(merges)),
            preTokenizers: preTokenizers, decoder: .byteLevel, added: added.tokens)
    }
}

/// Counts pairs of neighbouring tokens and joins the most frequent, in time of what changes.
struct BytePairLearner {
    private var words: [(tokens: [Int32], count: Int)]
    private var pairs: [UInt64: PairOccurrences] = [:]
    private var candidates = PriorityQueue<Candidate>()

    private struct PairOccurrences {
        var count = 0
        /// Words that have the pair, or had it.
        var words: [Int32] = []
    }

    /// What comes first in the queue is to be joined first.
    private struct Candidate: Comparable {
        var count: Int
        /// The number of the left token, and that of the right one.
        var pair: UInt64

        static func < (left: Self, right: Self) -> Bool {
            left.count != right.count ? left.count > right.count : left.pair < right.pair
        }
    }

    /// - Parameter words: their tokens, and how often they come.
    init(words: [(tokens: [Int32], count: Int)]) {
        self.words = words
        for (word, (tokens, count)) in words.enumerated() {
            for (left, right) in zip(tokens, tokens.dropFirst()) { add(Self.pair(left, right), count, word) }
        }
        for (pair, occurrences) in pairs { candidates.append(Candidate(count: occurrences.count, pair: pair)) }
        candidates.order()
    }

    private static func pair(_ left: Int32, _ right: Int32) -> UInt64 { UInt64(left) << 32 | UInt64(right) }

    private mutating func add(_ pair: UInt64, _ count: Int, _ word: Int) {
        pairs[pair, default: PairOccurrences()].count += count
        // A word has a pair several times one after the other at most.
        if pairs[pair]!.words.last != Int32(word) { pairs[pair]!.words.append(Int32(word)) }
    }

    /// - Parameter names: of the tokens there are, to which those that are learned are added.
    mutating func learn(names: inout [String], count: Int, minimumPairCount: Int) -> [BytePairMerges.Merge] {
        var numbers = Dictionary(uniqueKeysWithValues: zip(names.map { ExactText($0) }, (0 as Int32)...))
        var merges: [BytePairMerges.Merge] = []
        var known: Set<UInt64> = []
        while names.count < count, let candidate = candidates.popFirst() {
            let (pair, now) = (candidate.pair, pairs[candidate.pair]?.count ?? 0)
            guard now == candidate.count else {
                // Since it was queued, others have taken from it; where it has grown, it was queued again.
                if now > 0 && now < candidate.count { candidates.insert(Candidate(count: now, pair: pair)) }
                continue
            }
            if now < minimumPairCount { break }
            let (left, right) = (Int32(pair >> 32), Int32(pair & 0xFFFF_FFFF))
            let name = names[Int(left)] + names[Int(right)]
            // Two ways may lead to one token.
            let joined = numbers[ExactText(name)] ?? Int32(names.count)
            if joined == names.count {
                names.append(name)
                numbers[ExactText(name)] = joined
            }
            if known.insert(pair).inserted { merges.append(.init(left: left, right: right, joined: joined)) }
            join(left, right, joined)
        }
        return merges
    }

    /// Joins the pair wherever it is.
    private mutating func join(_ left: Int32, _ right: Int32, _ joined: Int32) {
        let places = pairs.removeValue(forKey: Self.pair(left, right))!.words
        var grown: Set<UInt64> = []
        for word in places {
            let (old, count) = words[Int(word)]
            var new: [Int32] = []
            new.reserveCapacity(old.count)
            var position = 0
            while position < old.count {
                guard position + 1 < old.count, old[position] == left, old[position + 1] == right else {
                    new.append(old[position])
                    position += 1
                    continue
                }
                if let before = new.last {
                    pairs[Self.pair(before, left)]?.count -= count
                    add(Self.pair(before, joined), count, Int(word))
                    grown.insert(Self.pair(before, joined))
                }
                position += 2
                new.append(joined)
                if position < old.count {
                    pairs[Self.pair(right, old[position])]?.count -= count
                    add(Self.pair(joined, old[position]), count, Int(word))
                    grown.insert(Self.pair(joined, old[position]))
                }
            }
            words[Int(word)].tokens = new
        }
        for pair in grown { candidates.insert(Candidate(count: pairs[pair]!.count, pair: pair)) }
    }
}
