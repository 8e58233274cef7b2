import Gimbal
import GimbalTestSupport

/// Graphs of one step in which one element, of an operand or a weight, is a number where formulas break.
enum GraphSpecials {
    static let values: [Double] = [
        .nan, .infinity, -.infinity, roundedToFloat(1e-40), -0.0, Double(Float.greatestFiniteMagnitude),
    ]

    /// Each rule on small operands, by so many draws of its choices, with each number in the place of each element.
    static func all(draws: Int = 2) throws -> [Graph] {
        try GraphRules.all.flatMap { rule in
            try (0..<draws).flatMap { draw in try plain(rule, draw).map(specials) ?? [] }
        }
    }

    /// A graph of `rule` on the first operands that fit.
    private static func plain(_ rule: GraphRule, _ draw: Int) throws -> Graph? {
        let shapes = [[2, 3], [6], [1, 2, 3], [1, 2, 3, 3], [2, 2, 3, 3], []]
        let choices = integerSamples(16, in: 0...1 << 20, seed: UInt64(draw)).map { draw == 0 ? 0 : Int($0) }
        for first in shapes {
            for second in rule.operands == 2 ? [first, [3, 2]] : [first] {
                let leaves = [first, second].prefix(rule.operands).map { Graph.Leaf(shape: $0) }
                let step = Graph.Step(rule: rule.name, operands: Array(leaves.indices), choices: choices)
                let graph = Graph(leaves: leaves, steps: [step], seed: UInt64(draw + 5))
                let fits = try graph.run(on: Device(backend: ReferenceBackend())) { $0.compute(step) }
                if fits { return graph }
            }
        }
        return nil
    }

    private static func specials(of graph: Graph) throws -> [Graph] {
        let drawn = try graph.run(on: Device(backend: ReferenceBackend())) { run in
            _ = run.compute(graph.steps[0])
            return run.drawn
        }
        return drawn.flatMap { tensor in
            (0..<min(tensor.count, 12)).flatMap { element in
                values.map { value in
                    var changed = graph
                    changed.replacement = (tensor.name, element, value)
                    return changed
                }
            }
        }
    }
}
