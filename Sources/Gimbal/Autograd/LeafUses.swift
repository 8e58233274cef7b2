/// How many operations will still add to the gradient of each leaf in a backward pass: when none will, it is whole, long before
/// the pass comes to the leaf itself, which is older than all that was made of it.
struct LeafUses {
    private var left: [UInt64: Int] = [:]
    private var seen: Set<UInt64> = []
    /// Whether a recomputed block may reach leaves that are not seen from here: nothing is told early then.
    private var isBlind = false

    /// Goes through all that `output` was computed from, as far as that is new.
    mutating func explore(_ output: Node) {
        var pending = [output]
        while let node = pending.popLast() {
            guard seen.insert(node.sequence).inserted else { continue }
            isBlind = isBlind || node.mayReachOthers
            for case let input? in node.inputs {
                if input.isLeaf { left[input.sequence, default: 0] += 1 } else { pending.append(input) }
            }
        }
    }

    /// Notes that an operation has added to `leaf` what it will. Gives whether it was the last.
    mutating func takeOne(of leaf: Node) -> Bool {
        guard !isBlind, let count = left[leaf.sequence] else { return false }
        left[leaf.sequence] = count - 1
        return count == 1
    }
}

/// Is told of each leaf whose gradient is whole while a backward pass still goes on, so that it can be sent away meanwhile.
///
/// It is used by one task at a time, which is why it may be called sendable.
package final class GradientArrivals: @unchecked Sendable {
    @TaskLocal package static var current: GradientArrivals?

    private let body: (Node) throws -> Void
    private var told: Set<UInt64> = []

    /// - Parameter body: is called once for each leaf.
    package init(_ body: @escaping (_ leaf: Node) throws -> Void) { self.body = body }

    func tell(_ leaf: Node) throws {
        guard leaf.gradient != nil, told.insert(leaf.sequence).inserted else { return }
        leaf.settleInSlot()
        try body(leaf)
    }
}
