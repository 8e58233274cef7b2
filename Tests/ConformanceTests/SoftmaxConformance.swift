import Foundation
import GimbalBackend
import GimbalTestSupport
import Testing

extension Conformance {
    @Suite struct Softmax {
        static let classCounts = [1, 2, 10, 31, 32, 33, 64, 65, 127, 129, 256, 257, 1000, 4099]
        static let rowCounts = [0, 1, 2, 33, 64]

        /// Rows where exp overflows, vanishes or is not defined.
        static let hardRows: [[Double]] = [
            [1e4, 0, -1e4, 9999], [1e30, -1e30, 0, 1], [-1e30, -1e30, -1e30, -1e30], [88, 89, 90, 91],
            [-.infinity, 0, 1, -.infinity], [-.infinity, -.infinity, -.infinity, 3],
            [-.infinity, -.infinity, -.infinity, -.infinity], [.infinity, 0, 1, 2], [.infinity, -.infinity, 0, 1],
            [.nan, 0, 1, 2], [0, 1, 2, .nan], [0, 0, 0, 0], [-1e4, -1e4, -1e4, -1e4], [3.4e38, -3.4e38, 0, 0],
        ]

        /// A probability is exp of a difference of logits, whose rounding is relative to the difference; so its error is
        /// relative to p (1 + |log p|), which is at most 1.
        static let probability = Tolerance.elementwise.relative(to: 1)

        /// The logarithm of a probability is the difference of a logit from the row's largest, less log Σ: its error is
        /// relative to that difference, at most the row's spread, however large the logits themselves are.
        static func logarithm(_ logits: [Double], classes: Int) -> Tolerance {
            .elementwise.relative(
                to: stride(from: 0, to: logits.count, by: classes).flatMap { start -> [Double] in
                    let finite = logits[start..<start + classes].filter(\.isFinite)
                    let spread = (finite.max() ?? 0) - (finite.min() ?? 0)
                    return Array(repeating: 1 + spread, count: classes)
                })
        }

        func expectSoftmax(
            of subject: BackendUnderTest, _ values: [Double], rows: Int, classes: Int,
            sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            try withEvery("is logarithmic", in: [false, true]) { isLogarithmic in
                try withEvery("layout", in: Layout.rowMajor) { layout in
                    let tolerance = isLogarithmic ? Self.logarithm(values, classes: classes) : Self.probability
                    try expectConformance(of: subject, within: tolerance, sourceLocation: sourceLocation) { bench in
                        bench.backend.softmax(
                            try bench.input(values, [rows, classes], layout),
                            out: try bench.output([rows, classes], layout), isLogarithmic: isLogarithmic)
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func softmaxOfEverySize(on subject: BackendUnderTest) throws {
            try withEvery("classes", in: Self.classCounts) { classes in
                try withEvery("rows", in: Self.rowCounts) { rows in
                    let values = samples(rows * classes, in: -8...8)
                    try expectSoftmax(of: subject, values, rows: rows, classes: classes)
                }
            }
            try expectSoftmax(of: subject, samples(3000), rows: 1000, classes: 3)
        }

        @Test(arguments: BackendUnderTest.fused)
        func softmaxOfHugeInfiniteAndNaNLogits(on subject: BackendUnderTest) throws {
            try expectSoftmax(of: subject, Self.hardRows.flatMap { $0 }, rows: Self.hardRows.count, classes: 4)
            // The same among many classes.
            let long = Self.hardRows.flatMap { $0 + [Double](repeating: -1e5, count: 297) }
            try expectSoftmax(of: subject, long, rows: Self.hardRows.count, classes: 301)
        }

        /// Differences of terms that cancel, each rounded relative to the largest gradient of about 3.
        @Test(arguments: BackendUnderTest.fused)
        func softmaxGradient(on subject: BackendUnderTest) throws {
            try withEvery("classes", in: Self.classCounts) { classes in
                try withEvery("rows", in: Self.rowCounts) { rows in
                    let (values, count) = (samples(rows * classes, in: -4...4), rows * classes)
                    let reference = ReferenceBackend()
                    try withEvery("is logarithmic", in: [false, true]) { isLogarithmic in
                        let forward = Workbench(reference)
                        reference.softmax(
                            try forward.input(values, [rows, classes]), out: try forward.output([rows, classes]),
                            isLogarithmic: isLogarithmic)
                        let y = try forward.results().outputs[0].values
                        // The sum of all gradients of a row enters the logarithm's.
                        let magnitude = isLogarithmic ? 3 + Double(classes).squareRoot() : 3
                        try expectConformance(of: subject, within: .elementwise.relative(to: magnitude)) { bench in
                            bench.backend.softmaxGradient(
                                try bench.input(y, [rows, classes]),
                                outputGradient: try bench.input(samples(count, in: -3...3, seed: 2), [rows, classes]),
                                out: try bench.output([rows, classes]), isLogarithmic: isLogarithmic)
                        }
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func softmaxGradientKeepsNaNInItsRow(on subject: BackendUnderTest) throws {
            try withEvery("is logarithmic", in: [false, true]) { isLogarithmic in
                // Sums of 65 gradients of at most 2, times at most 1.
                try expectConformance(of: subject, within: .elementwise.relative(to: 130)) { bench in
                    var gradient = samples(3 * 65)
                    gradient[70] = .nan
                    let y = isLogarithmic ? samples(3 * 65, in: -9 ... -3) : samples(3 * 65, in: 0...0.03)
                    bench.backend.softmaxGradient(
                        try bench.input(y, [3, 65]),
                        outputGradient: try bench.input(gradient, [3, 65]), out: try bench.output([3, 65]),
                        isLogarithmic: isLogarithmic)
                }
            }
        }
    }

    @Suite struct CrossEntropy {
        /// Loss and gradient of one batch; the gradient takes the normalizers of the reference, rounded.
        func expectCrossEntropy(
            of subject: BackendUnderTest, _ logits: [Double], targets: [Double], classes: Int, ignored: Int? = nil,
            sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            let rows = targets.count
            let tolerances = Softmax.logarithm(logits, classes: classes)
            guard case .each(let magnitudes) = tolerances.scale else { return }
            let perRow = Tolerance.elementwise.relative(to: (0..<rows).map { magnitudes[$0 * classes] })
            try withEvery("targets", in: [Layout.contiguous, .stepped]) { layout in
                try expectConformance(of: subject, within: perRow, sourceLocation: sourceLocation) { bench in
                    bench.backend.crossEntropy(
                        try bench.input(logits, [rows, classes]), targets: try bench.indices(targets, nil, layout),
                        ignoredIndex: ignored, losses: try bench.output([rows], named: "losses"),
                        normalizers: try bench.output([rows, 2], named: "normalizers"))
                }
            }
            let reference = ReferenceBackend()
            let forward = Workbench(reference)
            reference.crossEntropy(
                try forward.input(logits, [rows, classes]), targets: try forward.indices(targets),
                ignoredIndex: ignored, losses: try forward.output([rows]), normalizers: try forward.output([rows, 2]))
            let normalizers = try forward.results().outputs[1].values

            let gradientTolerance = Softmax.probability
            try withEvery("loss gradient", in: ["contiguous", "stepped", "one for all"]) { kind in
                try expectConformance(of: subject, within: gradientTolerance, sourceLocation: sourceLocation) { bench in
                    let lossGradient =
                        switch kind {
                        case "contiguous": try bench.input(samples(rows), [rows])
                        case "stepped": try bench.input(samples(rows), [rows], .stepped)
                        default: try bench.input([1 / 64], [1]).broadcast(to: [rows])
                        }
                    bench.backend.crossEntropyGradient(
                        try bench.input(logits, [rows, classes]), targets: try bench.indices(targets),
                        ignoredIndex: ignored, normalizers: try bench.input(normalizers, [rows, 2]),
                        lossGradient: lossGradient,
                        out: try bench.output([rows, classes]))
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func everySize(on subject: BackendUnderTest) throws {
            try withEvery("classes", in: Softmax.classCounts) { classes in
                try withEvery("rows", in: Softmax.rowCounts) { rows in
                    let logits = samples(rows * classes, in: -8...8)
                    var targets = integerSamples(rows, in: 0...classes - 1)
                    try expectCrossEntropy(of: subject, logits, targets: targets, classes: classes)
                    for row in stride(from: 0, to: rows, by: 3) { targets[row] = -100 }
                    try expectCrossEntropy(of: subject, logits, targets: targets, classes: classes, ignored: -100)
                }
            }
        }

        /// Mean over the rows that count, and its gradient, which takes the normalizers of the reference, rounded.
        func expectMean(
            of subject: BackendUnderTest, _ logits: [Double], targets: [Double], classes: Int, ignored: Int?,
            sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            let rows = targets.count
            // No loss is larger than its logits' spread and the logarithm of the number of classes.
            let largest = 1 + 16 + log(Double(classes))
            try expectConformance(
                of: subject, within: .elementwise.relative(to: largest), sourceLocation: sourceLocation
            ) { bench in
                bench.backend.crossEntropyMean(
                    try bench.input(logits, [rows, classes]), targets: try bench.indices(targets),
                    ignoredIndex: ignored, mean: try bench.output([1], named: "mean"),
                    keptRows: try bench.output([1], named: "kept rows"),
                    normalizers: try bench.output([rows, 2], named: "normalizers"))
            }
            let reference = ReferenceBackend()
            let forward = Workbench(reference)
            reference.crossEntropyMean(
                try forward.input(logits, [rows, classes]), targets: try forward.indices(targets),
                ignoredIndex: ignored,
                mean: try forward.output([1]), keptRows: try forward.output([1]),
                normalizers: try forward.output([rows, 2]))
            let results = try forward.results().outputs.map(\.values)
            try expectConformance(of: subject, within: Softmax.probability, sourceLocation: sourceLocation) { bench in
                bench.backend.crossEntropyMeanGradient(
                    try bench.input(logits, [rows, classes]), targets: try bench.indices(targets),
                    ignoredIndex: ignored, keptRows: try bench.input(results[1], [1]),
                    normalizers: try bench.input(results[2], [rows, 2]), meanGradient: try bench.input([0.75], [1]),
                    out: try bench.output([rows, classes]))
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func meanOfEverySize(on subject: BackendUnderTest) throws {
            try withEvery("classes", in: [1, 10, 33, 64, 257, 4099]) { classes in
                try withEvery("rows", in: [0, 1, 2, 33, 300]) { rows in
                    let logits = samples(rows * classes, in: -8...8)
                    var targets = integerSamples(rows, in: 0...classes - 1)
                    try expectMean(of: subject, logits, targets: targets, classes: classes, ignored: nil)
                    for row in stride(from: 0, to: rows, by: 3) { targets[row] = -100 }
                    try expectMean(of: subject, logits, targets: targets, classes: classes, ignored: -100)
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func ignoredRowsMayHoldAnything(on subject: BackendUnderTest) throws {
            let classes = 4
            try withEvery("special", in: [Double.nan, .infinity, -.infinity]) { special in
                var logits = samples(40 * classes, in: -8...8)
                for at in 8..<12 { logits[at] = special }
                try withEvery("ignored", in: [nil, 2, -1]) { ignored in
                    try withEvery("target of the row", in: [2, -1, 1]) { target in
                        var targets = integerSamples(40, in: 0...1)
                        targets[2] = Double(target)
                        try expectMean(of: subject, logits, targets: targets, classes: classes, ignored: ignored)
                        try expectCrossEntropy(
                            of: subject, logits, targets: targets, classes: classes, ignored: ignored)
                    }
                }
            }
        }

        /// A mean over nothing is NaN, as in PyTorch; its gradient is 0, as for every row that is ignored.
        @Test(arguments: BackendUnderTest.fused)
        func meanOverNothing(on subject: BackendUnderTest) throws {
            try expectMean(of: subject, samples(12), targets: [1, 1, 1], classes: 4, ignored: 1)
            // No int32 can be this.
            try expectMean(of: subject, samples(12), targets: [1, 0, 1], classes: 4, ignored: (1 << 32) + 1)
        }

        @Test(arguments: BackendUnderTest.fused)
        func targetsOutOfRangeGiveNaN(on subject: BackendUnderTest) throws {
            let targets: [Double] = [0, -1, 3, 2, 2_147_483_647, -2_147_483_648, 1]
            try expectCrossEntropy(of: subject, samples(21), targets: targets, classes: 3)
        }

        @Test(arguments: BackendUnderTest.fused)
        func hugeInfiniteAndNaNLogits(on subject: BackendUnderTest) throws {
            let rows = Softmax.hardRows
            try withEvery("target", in: [0, 1, 3]) { target in
                try expectCrossEntropy(
                    of: subject, rows.flatMap { $0 }, targets: rows.map { _ in Double(target) }, classes: 4)
            }
        }
    }
}
