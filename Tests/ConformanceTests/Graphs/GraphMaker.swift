import Gimbal
import GimbalTestSupport

/// Makes graphs by chance. Whether a step is kept is decided by what it gives on the reference: most graphs keep to
/// numbers whose errors mean something.
struct GraphMaker {
    private var random: SampleGenerator

    /// - Parameter seed: of one graph.
    init(seed: UInt64) { random = SampleGenerator(seed: seed) }

    private mutating func below(_ bound: Int) -> Int { Int(random.next() % UInt64(bound)) }
    private mutating func chance(_ part: Double) -> Bool { Double(below(1_000_000)) < part * 1_000_000 }

    /// A graph of up to `steps` steps.
    static func make(seed: UInt64, steps: Int = 7) throws -> Graph {
        var maker = GraphMaker(seed: seed)
        return try maker.make(seed: seed % 1_000_000_007, steps: 1 + maker.below(steps))
    }

    private mutating func make(seed: UInt64, steps: Int) throws -> Graph {
        let isWild = chance(0.05)
        let storage: DType? = chance(0.85) ? nil : chance(0.5) ? .bfloat16 : .float16
        let leaves = (0...below(3)).map { _ in
            Graph.Leaf(
                shape: shape(), values: isWild && chance(0.5) ? .wild : chance(0.15) ? .positive : .real,
                storage: chance(0.8) ? storage : nil, requiresGradient: chance(0.85))
        }
        var graph = Graph(leaves: leaves, steps: [], seed: seed)
        graph.use = chance(0.6) ? .plain : Graph.Use.allCases[below(Graph.Use.allCases.count)]
        // Steps are computed as they are drawn, so that what does not fit is seen.
        let empty = graph
        try empty.run(on: Device(backend: ReferenceBackend())) { run in
            for _ in 0..<steps * 20 where graph.steps.count < steps {
                let before = run
                let step = self.step(among: run.tensors.count)
                guard run.compute(step), let made = run.tensors.last, made.elementCount <= 20_000, made.rank <= 6,
                    try isWild || isModest(made)
                else {
                    run = before
                    continue
                }
                graph.steps.append(step)
            }
        }
        return graph
    }

    /// Sizes around the edges of vectors and tiles, few elements in all.
    private mutating func shape() -> [Int] {
        let sizes =
            chance(0.08) ? [0, 1, 2, 3] : [1, 1, 2, 2, 3, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 129]
        var shape: [Int] = []
        var count = 1
        for _ in 0..<[0, 1, 1, 2, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5][below(14)] {
            let size = sizes[below(sizes.count)]
            if count * max(size, 1) <= 2000 { shape.append(size) } else { shape.append(1 + below(3)) }
            count *= max(shape.last!, 1)
        }
        return shape
    }

    /// A step on tensors, of which the latest are the likeliest.
    private mutating func step(among count: Int) -> Graph.Step {
        let rule = GraphRules.weighted[below(GraphRules.weighted.count)]
        let operands = (0..<rule.operands).map { _ in chance(0.6) ? count - 1 : below(count) }
        return Graph.Step(rule: rule.name, operands: operands, choices: (0..<16).map { _ in below(1 << 20) })
    }

    /// Whether all values are finite and neither so large nor so small that float32 ends.
    private func isModest(_ tensor: Tensor) throws -> Bool {
        try tensor.doubles().allSatisfy { abs($0) <= 1000 }
    }
}
