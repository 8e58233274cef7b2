/// Makes a graph smaller as long as it goes wrong.
enum GraphShrinker {
    /// The smallest graph that was found.
    /// - Parameters:
    ///   - graph: one that goes wrong.
    ///   - tries: how many graphs are tried at most.
    ///   - fails: whether a graph goes wrong.
    static func shrink(_ graph: Graph, tries: Int = 3000, _ fails: (Graph) throws -> Bool) rethrows -> Graph {
        var smallest = graph
        var left = tries
        var wasFound = true
        while wasFound && left > 0 {
            wasFound = false
            var candidates = smaller(than: smallest)[...]
            while let candidate = candidates.popFirst(), left > 0 {
                left -= 1
                guard try fails(candidate) else { continue }
                smallest = candidate
                wasFound = true
                candidates = smaller(than: smallest)[...]
            }
        }
        return smallest
    }

    /// Graphs that are simpler by one thing, the greatest simplifications first.
    private static func smaller(than graph: Graph) -> [Graph] {
        var found: [Graph] = []
        func consider(_ change: (inout Graph) -> Void) {
            var changed = graph
            change(&changed)
            found.append(changed)
        }
        let leafCount = graph.leaves.count
        // Without the last steps; without a step, whose operand takes its place; without a leaf.
        for count in 0..<graph.steps.count { consider { $0.steps.removeLast(graph.steps.count - count) } }
        for step in graph.steps.indices.reversed() {
            for operand in Set(graph.steps[step].operands) {
                consider { $0.remove(leafCount + step, for: operand) }
            }
        }
        for leaf in graph.leaves.indices where leafCount > 1 {
            let others = graph.leaves.indices.filter { $0 != leaf }
            for other in others { consider { $0.remove(leaf, for: other) } }
        }
        if graph.use != .plain { consider { $0.use = .plain } }
        for leaf in graph.leaves.indices {
            let old = graph.leaves[leaf]
            if old.storage != nil { consider { $0.leaves[leaf].storage = nil } }
            if old.values != .real { consider { $0.leaves[leaf].values = .real } }
        }
        // Smaller axes: all of one size together, so that what fits goes on fitting, and then each.
        for size in Set(graph.leaves.flatMap(\.shape)).sorted(by: >) {
            for other in [1, 2, size / 2, size - 1] where other < size && other > 0 {
                consider { graph in
                    for leaf in graph.leaves.indices {
                        graph.leaves[leaf].shape = graph.leaves[leaf].shape.map { $0 == size ? other : $0 }
                    }
                }
                for leaf in graph.leaves.indices {
                    for axis in graph.leaves[leaf].shape.indices where graph.leaves[leaf].shape[axis] == size {
                        consider { $0.leaves[leaf].shape[axis] = other }
                    }
                }
            }
        }
        for leaf in graph.leaves.indices {
            for axis in graph.leaves[leaf].shape.indices where graph.leaves[leaf].shape[axis] == 1 {
                consider { $0.leaves[leaf].shape.remove(at: axis) }
            }
        }
        // Simpler choices.
        for step in graph.steps.indices {
            let choices = graph.steps[step].choices
            if let last = choices.lastIndex(where: { $0 != 0 }) {
                consider { $0.steps[step].choices.removeAll() }
                if last + 1 < choices.count { consider { $0.steps[step].choices.removeLast(choices.count - last - 1) } }
                for place in choices.indices where choices[place] != 0 {
                    consider { $0.steps[step].choices[place] = 0 }
                    for small in 1..<4 where choices[place] > small {
                        consider { $0.steps[step].choices[place] = small }
                    }
                }
            }
        }
        return found
    }
}

extension Graph {
    /// Takes a tensor out; what took it takes `other`, one before it.
    fileprivate mutating func remove(_ number: Int, for other: Int) {
        if number < leaves.count {
            leaves.remove(at: number)
        } else {
            steps.remove(at: number - leaves.count)
        }
        for step in steps.indices {
            steps[step].operands = steps[step].operands.map { operand in
                let kept = operand == number ? other : operand
                return kept > number ? kept - 1 : kept
            }
        }
    }
}
