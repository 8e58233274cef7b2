/// Which rows of a batch a rank computes.
///
/// Rows are shared out in their order and as evenly as can be. Where a batch has fewer rows than there are ranks, those without
/// one compute the first row as stand-ins, so that all ranks make the same exchanges; their results count for nothing.
///
/// Random numbers that are drawn for the rows are those that one rank would draw for them with the whole batch. A draw is for rows
/// where its batch axis has `count` entries; any other is the same on all ranks: see ``RandomGenerator``.
public struct BatchShare: Sendable, Hashable {
    /// The first row that is computed here, of the whole batch.
    public var first: Int
    /// Rows that are computed here, at least 1 unless the batch has none.
    public var count: Int
    /// Rows of the whole batch.
    public var total: Int
    /// Whether this rank has no row of its own.
    public var isStandIn: Bool

    /// That of the training step under way; nil outside of steps, and where one rank computes all.
    @TaskLocal public static var current: BatchShare?

    /// - Parameters:
    ///   - rank: which one of them, in 0..<size.
    ///   - size: how many ranks there are.
    ///   - rows: of the whole batch.
    public init(rank: Int, of size: Int, rows: Int) {
        require(
            size > 0 && (0..<size).contains(rank) && rows >= 0, "BatchShare",
            "rank \(rank) of \(size), \(rows) rows")
        let (start, end) = (rows * rank / size, rows * (rank + 1) / size)
        total = rows
        isStandIn = start == end
        (first, count) = isStandIn ? (0, min(rows, 1)) : (start, end - start)
    }

    /// The rows, of the whole batch.
    public var rows: Range<Int> { first..<first + count }
    /// How many samples it counts for.
    public var weight: Int { isStandIn ? 0 : count }
}
