import GimbalBackend
import GimbalTestSupport
import Testing

extension Conformance {
    @Suite struct Recurrent {
        /// Rows and hidden units around the edges of vectors and work-groups.
        static let sizes = [(0, 3), (1, 1), (2, 5), (3, 16), (5, 33), (33, 64), (65, 17)]

        /// Activations are at most 1, cells at most 3; a result is a sum of two products of such.
        static let forward = Tolerance.elementwise.relative(to: 4)
        /// Gradients of at most 4, times factors of at most 4.
        static let backward = Tolerance.elementwise.relative(to: 16)

        /// Places after, at and before the step, and beyond what a sequence can have.
        static let lengths: [Double] = [7, 2, 3, 0, 1, 2_147_483_647, -1]

        struct Case {
            var kind: RecurrentKind
            var rows: Int
            var size: Int
            /// Nil where all rows go on.
            var lengths: [Double]?
            var layout = Layout.contiguous
            /// Element 3 of the gates, where there is one.
            var special: Double?

            var gates: [Double] {
                var values = samples(rows * size * kind.gateCount, in: -4...4)
                if let special, values.count > 3 { values[3] = special }
                return values
            }

            /// A step on `bench`, its gates in memory of their own: those of ended rows are nobody's business.
            func step(_ bench: Workbench, named name: String = "new ") throws -> RecurrentStep {
                let shape: Shape = [rows, size]
                let gates = try bench.backend.allocate([rows, size * kind.gateCount])
                bench.backend.copy(try bench.input(self.gates, gates.shape), to: gates)
                func state(_ seed: UInt64) throws -> TensorView {
                    try bench.input(samples(rows * size, seed: seed), shape, .offset)
                }
                return RecurrentStep(
                    kind, gates: gates, hidden: try state(2), cell: kind.hasCell ? try state(3) : nil,
                    newHidden: try bench.output(shape, .offset, named: name + "hidden", within: Recurrent.forward),
                    newCell: kind.hasCell
                        ? try bench.output(shape, named: name + "cell", within: Recurrent.forward) : nil,
                    lengths: try lengths.map { try bench.indices($0, nil, layout) }, index: 2)
            }
        }

        /// Forward and backward through one step.
        func expectStep(
            of subject: BackendUnderTest, _ each: Case, sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            try expectConformance(of: subject, within: Self.backward, sourceLocation: sourceLocation) { bench in
                let step = try each.step(bench)
                bench.backend.recurrentCell(step)
                if each.lengths == nil {
                    let activations = try bench.output(step.gates.shape, named: "gates", within: Self.forward)
                    bench.backend.copy(step.gates, to: activations)
                }
                let shape = step.hidden.shape
                let count = shape.elementCount
                bench.backend.recurrentCellGradient(
                    step, outputGradient: try bench.input(samples(count, seed: 4), shape, .offset),
                    gatesGradient: try bench.output(step.gates.shape, named: "gates gradient"),
                    hiddenGradient: try bench.output(
                        shape, .offset, named: "hidden gradient", initially: samples(count, seed: 5)),
                    cellGradient: each.kind.hasCell
                        ? try bench.output(shape, named: "cell gradient", initially: samples(count, seed: 6)) : nil)
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func everySize(on subject: BackendUnderTest) throws {
            try withEvery("kind", in: RecurrentKind.allCases) { kind in
                try withEvery("size", in: Self.sizes) { rows, size in
                    try expectStep(of: subject, Case(kind: kind, rows: rows, size: size))
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func endedRowsKeepTheirState(on subject: BackendUnderTest) throws {
            try withEvery("kind", in: RecurrentKind.allCases) { kind in
                try withEvery("lengths", in: [Layout.contiguous, .stepped]) { layout in
                    try expectStep(
                        of: subject,
                        Case(kind: kind, rows: Self.lengths.count, size: 19, lengths: Self.lengths, layout: layout))
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func extremeAndUndefinedGates(on subject: BackendUnderTest) throws {
            try withEvery("kind", in: RecurrentKind.allCases.filter { $0 != .relu }) { kind in
                try withEvery("value", in: [Double.nan, .infinity, -.infinity, 1e4, -1e4]) { value in
                    try expectStep(of: subject, Case(kind: kind, rows: 2, size: 5, special: value))
                }
            }
        }
    }
}
