/// Which two neighbouring tokens are joined to one, in the order in which that is done (Sennrich et al. 2016).
struct BytePairMerges: Sendable, Equatable {
    /// Two tokens and what becomes of them.
    struct Merge: Sendable, Equatable {
        var left: Int32
        var right: Int32
        var joined: Int32
    }

    /// Those learned first come first.
    let list: [Merge]
    /// The place in `list` of each pair; of several the last, as other programs have it.
    private let places: [UInt64: UInt32]

    init(_ list: [Merge]) {
        self.list = list
        var places: [UInt64: UInt32] = [:]
        places.reserveCapacity(list.count)
        for (place, merge) in zip((0 as UInt32)..., list) { places[Self.key(merge.left, merge.right)] = place }
        self.places = places
    }

    static func == (left: Self, right: Self) -> Bool { left.list == right.list }

    private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    /// Joins what can be joined: at each step the pair that comes first in the list, and of several such the leftmost. Takes
    /// n log n steps for n tokens.
    func join(_ tokens: [Int32]) -> [Int32] {
        let count = tokens.count
        guard count > 1 else { return tokens }
        var tokens = tokens
        // A token that was joined to the one before it has gone from the list.
        var next = Array(1...count)
        var previous = Array(-1..<count - 1)
        let none = UInt32.max
        // The place of the pair that begins at each token, so that an entry of the queue that is out of date shows.
        var ranks = [UInt32](repeating: none, count: count)
        var queue = PriorityQueue<UInt64>()
        func rank(_ start: Int) -> UInt32 {
            next[start] < count ? places[Self.key(tokens[start], tokens[next[start]])] ?? none : none
        }
        for start in 0..<count - 1 {
            ranks[start] = rank(start)
            if ranks[start] != none { queue.append(UInt64(ranks[start]) << 32 | UInt64(start)) }
        }
        queue.order()
        while let entry = queue.popFirst() {
            let start = Int(entry & 0xFFFF_FFFF)
            guard ranks[start] == UInt32(entry >> 32) else { continue }
            let gone = next[start]
            tokens[start] = list[Int(ranks[start])].joined
            ranks[gone] = none
            next[start] = next[gone]
            if next[gone] < count { previous[next[gone]] = start }
            for changed in [start, previous[start]] where changed >= 0 {
                ranks[changed] = rank(changed)
                if ranks[changed] != none { queue.insert(UInt64(ranks[changed]) << 32 | UInt64(changed)) }
            }
        }
        var result: [Int32] = []
        var position = 0
        while position < count {
            result.append(tokens[position])
            position = next[position]
        }
        return result
    }
}
