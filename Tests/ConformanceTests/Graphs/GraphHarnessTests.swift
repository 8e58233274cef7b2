import Gimbal
import GimbalTestSupport
import Testing

/// That what compares graphs and what makes them smaller do their work.
@Suite struct GraphHarnessTests {
    let graph = Graph(
        leaves: [Graph.Leaf(shape: [5, 3]), Graph.Leaf(shape: [3])],
        steps: [
            Graph.Step(rule: "linear", operands: [0], choices: [4]),
            Graph.Step(rule: "tanh()", operands: [2], choices: []),
            Graph.Step(rule: "$0 * $1", operands: [3, 3], choices: []),
            Graph.Step(rule: "sum", operands: [4], choices: [2]),
            Graph.Step(rule: "$0 + $1", operands: [0, 1], choices: []),
        ], seed: 1)

    @Test func wrongValuesAreFound() throws {
        var expectation = try #require(try GraphExpectation(graph))
        #expect(try expectation.mismatch(expectation.values) == nil)
        let changes: [(Double) -> Double] = [{ $0 + 1e-4 }, { -$0 - 1 }, { _ in .nan }, { _ in .infinity }]
        for (place, value) in expectation.values.enumerated() {
            for change in changes {
                var wrong = expectation.values
                wrong[place].elements?[0] = change(try #require(value.elements)[0])
                let complaint = try expectation.mismatch(wrong)
                #expect(complaint?.hasPrefix("\(value.name): 1 of ") ?? false, "\(complaint ?? "nothing")")
            }
            var missing = expectation.values
            missing[place].elements = nil
            #expect(try expectation.mismatch(missing) == "\(value.name) is nil")
        }
    }

    @Test func whatGoesWrongIsMadeSmall() throws {
        // As if tanh of more than two elements went wrong.
        let smallest = try GraphShrinker.shrink(graph) { candidate in
            guard let values = try candidate.values(on: Device(backend: ReferenceBackend())) else { return false }
            return candidate.steps.enumerated().contains { place, step in
                let operand = values[step.operands[0]].elements ?? []
                return step.rule == "tanh()" && operand.count > 2
            }
        }
        #expect(smallest.steps.map(\.rule) == ["tanh()"])
        #expect(smallest.leaves.map(\.shape) == [[3]])
        #expect(
            try smallest.source() == """
                let x0 = Tensor([\(samples(3, seed: 1).map { "\($0)" }.joined(separator: ", "))] as [Double], [3])\
                .requiringGradient()
                let y0 = x0.tanh()
                let loss1 = (y0 * Tensor([\(samples(3, seed: 79).map { "\($0)" }.joined(separator: ", "))] as [Double], \
                [3])).sum()
                try (loss1).backward()
                """)
    }

    /// A rule that never fits is never tried.
    @Test func everyRuleIsDrawn() throws {
        var drawn: Set<String> = []
        var seed: UInt64 = 0
        while drawn.count < GraphRules.all.count && seed < 4000 {
            drawn.formUnion(try GraphMaker.make(seed: seed).steps.map(\.rule))
            seed += 1
        }
        #expect(Set(GraphRules.named.keys).subtracting(drawn) == [])
    }
}
