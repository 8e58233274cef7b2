import GimbalBackend
import GimbalOpenCL
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

        // MARK: Sequences

        struct SequenceCase {
            var kind: RecurrentKind
            var steps: Int
            var batch: Int
            var size: Int
            var hasLengths = false
            var hasMask = false
            var isReversed = false
            /// Whether the weight lies as its transpose.
            var weightLayout = Layout.contiguous
            /// Element 3 of the gates.
            var special: Double?
            /// Has an OpenCL backend divide the work as on a device of so many units, and whether its groups wait for each
            /// other; nil for what the backend does by itself.
            var groups: (computeUnits: Int, meets: Bool)?
        }

        /// All steps of a layer and their gradient.
        ///
        /// Rounding errors pass from step to step, which is why they are held against the largest value: 30 units for a
        /// few steps.
        func expectSequence(
            of subject: BackendUnderTest, _ each: SequenceCase, sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            let tolerance = Tolerance(relative: 32 * 0x1p-23, scale: .largest)
            try expectConformance(of: subject, within: tolerance, sourceLocation: sourceLocation) { bench in
                let (kind, steps, batch, size) = (each.kind, each.steps, each.batch, each.size)
                let backend = bench.backend
                func scratch(_ shape: Shape, seed: UInt64) throws -> TensorView {
                    let view = try backend.allocate(shape)
                    backend.copy(try bench.input(samples(shape.elementCount, in: -1...1, seed: seed), shape), to: view)
                    return view
                }
                /// What `groups` asks for, where it can be had.
                func inGroups(_ body: (OpenCLBackend, (computeUnits: Int, meets: Bool)) -> Bool) -> Bool {
                    guard let groups = each.groups, let openCL = backend as? OpenCLBackend else { return false }
                    let isDone = body(openCL, groups)
                    #expect(isDone, "groups cannot hold \(each)", sourceLocation: sourceLocation)
                    return isDone
                }
                func compare(_ view: TensorView, _ name: String) throws {
                    backend.copy(view, to: try bench.output(view.shape, named: name))
                }
                let rows = (kind == .gru ? 3 : kind.gateCount) * size
                let bound = 1 / Double(size).squareRoot()
                let gates = try scratch([steps, batch, kind.gateCount * size], seed: 1)
                if let special = each.special { backend.fill(gates.flattened.sliced(axis: 0, 3..<4), with: special) }
                let sequence = RecurrentSequence(
                    kind, gates: gates,
                    states: try scratch([steps + 1, batch, size], seed: 2),
                    cells: kind.hasCell ? try scratch([steps + 1, batch, size], seed: 3) : nil,
                    hiddenWeight: try bench.input(
                        samples(rows * size, in: -bound...bound, seed: 4), [rows, size], each.weightLayout),
                    hiddenMask: each.hasMask
                        ? try bench.input(integerSamples(batch * size, in: 0...1, seed: 5), [batch, size]) : nil,
                    masked: each.hasMask ? try backend.allocate([steps, batch, size]) : nil,
                    lengths: each.hasLengths
                        ? try bench.indices((0..<batch).map { Double(($0 * 5 + 1) % (steps + 1)) }, nil, .stepped)
                        : nil,
                    isReversed: each.isReversed)
                if !inGroups({ $0.runInGroups(sequence, computeUnits: $1.computeUnits, meets: $1.meets) }) {
                    backend.recurrentSequence(sequence)
                }
                try compare(sequence.states, "states")
                if let cells = sequence.cells { try compare(cells, "cells") }
                if let masked = sequence.masked { try compare(masked, "masked") }

                let gatesGradient = try scratch(sequence.gates.shape, seed: 6)
                let hiddenGradient = try scratch([batch, size], seed: 7)
                let cellGradient = kind.hasCell ? try scratch([batch, size], seed: 8) : nil
                let outputGradient = try scratch([steps + 1, batch, size], seed: 9)
                let isDone = inGroups {
                    $0.differentiateInGroups(
                        sequence, outputGradient: outputGradient, gatesGradient: gatesGradient,
                        hiddenGradient: hiddenGradient, cellGradient: cellGradient, computeUnits: $1.computeUnits,
                        meets: $1.meets)
                }
                if !isDone {
                    backend.recurrentSequenceGradient(
                        sequence, outputGradient: outputGradient, gatesGradient: gatesGradient,
                        hiddenGradient: hiddenGradient, cellGradient: cellGradient)
                }
                try compare(gatesGradient, "gates gradient")
                try compare(hiddenGradient, "hidden gradient")
                if let cellGradient { try compare(cellGradient, "cell gradient") }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func sequencesOfEverySize(on subject: BackendUnderTest) throws {
            // Around the edges of blocks of 16 rows, panels of 16 columns and depths of 256.
            let sizes = [(0, 3), (1, 1), (3, 15), (8, 16), (16, 17), (17, 33), (33, 66)]
            try withEvery("kind", in: RecurrentKind.allCases) { kind in
                try withEvery("batch and hidden size", in: sizes) { batch, size in
                    try expectSequence(of: subject, SequenceCase(kind: kind, steps: 3, batch: batch, size: size))
                }
            }
            try expectSequence(of: subject, SequenceCase(kind: .tanh, steps: 3, batch: 9, size: 260))
        }

        @Test(arguments: BackendUnderTest.fused)
        func extremeAndUndefinedSequences(on subject: BackendUnderTest) throws {
            try withEvery("kind", in: [RecurrentKind.tanh, .lstm, .gru]) { kind in
                try withEvery("value", in: [Double.nan, .infinity, -.infinity]) { value in
                    try expectSequence(
                        of: subject, SequenceCase(kind: kind, steps: 4, batch: 3, size: 6, special: value))
                }
            }
        }

        // MARK: Groups that hold the weights; see Kernels/recurrent_groups.cl

        /// Layers that one group holds, some of whose blocks have more rows than are computed together.
        @Test(arguments: BackendUnderTest.openCL)
        func sequencesWithinAGroup(on subject: BackendUnderTest) throws {
            // A program is built for each size, which takes PoCL a second: kinds take turns.
            let cases: [(RecurrentKind, Int, Int)] = [
                (.lstm, 1, 1), (.gru, 3, 3), (.tanh, 3, 16), (.lstm, 16, 31), (.relu, 16, 31), (.gru, 3, 32),
                (.tanh, 33, 33), (.lstm, 33, 33), (.gru, 1, 64), (.lstm, 3, 65), (.relu, 40, 9), (.gru, 40, 9),
            ]
            try withEvery("kind, batch and hidden size", in: cases) { kind, batch, size in
                try expectSequence(
                    of: subject,
                    SequenceCase(
                        kind: kind, steps: 3, batch: batch, size: size, hasLengths: batch == 16, hasMask: batch > 16,
                        isReversed: batch == 33, groups: (batch == 3 ? 132 : 1, false)))
            }
        }

        /// Layers whose units are divided among groups, with a launch for each step.
        @Test(arguments: BackendUnderTest.openCL)
        func sequencesAmongGroups(on subject: BackendUnderTest) throws {
            let cases: [(RecurrentKind, Int, Int)] = [
                (.lstm, 3, 128), (.gru, 33, 128), (.tanh, 16, 256), (.relu, 1, 256), (.lstm, 2, 256), (.gru, 3, 131),
            ]
            try withEvery("kind, batch and hidden size", in: cases) { kind, batch, size in
                try withEvery("units", in: [16, 132]) { units in
                    try expectSequence(
                        of: subject,
                        SequenceCase(
                            kind: kind, steps: 2, batch: batch, size: size, hasLengths: batch == 3,
                            hasMask: batch == 3, isReversed: units == 16, groups: (units, false)))
                }
            }
        }

        /// The same in one launch, whose two groups wait for each other. On a CPU they run at the same time only when two
        /// threads of PoCL are free for them; a launch without is reported, and tried again.
        @Test(arguments: BackendUnderTest.openCL)
        func sequencesAmongGroupsThatMeet(on subject: BackendUnderTest) throws {
            let cases: [(RecurrentKind, Int)] = [(.lstm, 96), (.gru, 110), (.tanh, 200)]
            try withEvery("kind and hidden size", in: cases) { kind, size in
                for attempt in 0... {
                    do {
                        return try expectSequence(
                            of: subject, SequenceCase(kind: kind, steps: 7, batch: 3, size: size, groups: (2, true)))
                    } catch GimbalError.deviceFailed where attempt < 50 {
                        continue
                    }
                }
            }
        }

        /// Sixteen groups that wait for each other end, whether they run at the same time or not, and if not, the next wait
        /// says so.
        @Test(arguments: BackendUnderTest.openCL)
        func groupsDoNotWaitForever(on subject: BackendUnderTest) throws {
            do {
                try expectSequence(
                    of: subject, SequenceCase(kind: .lstm, steps: 2, batch: 1, size: 256, groups: (132, true)))
            } catch GimbalError.deviceFailed(_, let operation, _) {
                #expect(operation == "recurrent_sequence")
            }
            try subject.backend.synchronize()
            try expectSequence(of: subject, SequenceCase(kind: .lstm, steps: 2, batch: 1, size: 6))
        }

        @Test(arguments: BackendUnderTest.fused)
        func sequencesOfEveryKind(on subject: BackendUnderTest) throws {
            try withEvery("kind", in: RecurrentKind.allCases) { kind in
                try withEvery("steps", in: [0, 1, 2, 5]) { steps in
                    try withEvery("reversed", in: [false, true]) { isReversed in
                        try withEvery("lengths, mask", in: [(false, true), (true, false), (true, true)]) {
                            hasLengths, hasMask in
                            try expectSequence(
                                of: subject,
                                SequenceCase(
                                    kind: kind, steps: steps, batch: 11, size: 6, hasLengths: hasLengths,
                                    hasMask: hasMask, isReversed: isReversed,
                                    weightLayout: isReversed ? .transposed : .padded))
                        }
                    }
                }
            }
        }
    }
}
