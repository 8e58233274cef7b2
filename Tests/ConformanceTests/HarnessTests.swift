import GimbalBackend
import GimbalTestSupport
import Testing

/// The instruments of the suite, each shown to catch what it is there for.
@Suite struct HarnessTests {
    let bench = Workbench(ReferenceBackend())

    @Test func aWriteBesideTheOutputIsDamage() throws {
        try withEvery("layout", in: Layout.allCases) { layout in
            let bench = Workbench(ReferenceBackend())
            var out = try bench.output([3, 4], layout)
            bench.backend.fill(out, with: 1)
            #expect(try bench.results().damage == [])
            out.offset -= 1
            bench.backend.fill(out, with: 1)
            #expect(try bench.results().damage.count == 1)
        }
    }

    @Test func aWriteToAnInputIsDamage() throws {
        let x = try bench.input([1, 2], [2])
        bench.backend.fill(x, with: 0)
        #expect(try bench.results().damage.count == 1)
    }

    @Test func anElementThatIsNotWrittenShows() throws {
        _ = try bench.output([2], dtype: .float32)
        #expect(try bench.results().outputs[0].values.allSatisfy { abs($0) > 1e5 })
    }

    @Test func layoutsPlaceEveryElementApart() throws {
        try withEvery("layout", in: Layout.allCases) { layout in
            try withEvery("shape", in: [[], [0], [5], [3, 4], [2, 3, 4], [1, 7, 1]] as [Shape]) { shape in
                let positions = try bench.output(shape, layout).positions
                #expect(Set(positions).count == shape.elementCount)
            }
        }
        #expect(try bench.output([3, 4], .contiguous).isContiguous && bench.output([3, 4], .offset).isContiguous)
        #expect(try !bench.output([3, 4], .transposed).isContiguous && !bench.output([4], .stepped).isContiguous)
    }

    @Test func toleranceTellsRightFromWrong() {
        let tolerance = Tolerance(relative: 1e-6)
        let accepted: [(Double, Double)] = [
            (1, 1), (1.000_000_9, 1), (.nan, .nan), (.infinity, .infinity), (.infinity, 1e39), (0, -0.0), (1e-39, 0),
        ]
        let rejected: [(Double, Double)] = [
            (1.000_001_1, 1), (.nan, 1), (1, .nan), (.infinity, -.infinity), (.infinity, 1), (1, .infinity), (1e-37, 0),
            (-1, 1), (.nan, .infinity), (.infinity, .nan), (3e38, 1e39),
        ]
        withEvery("actual and expected", in: accepted) { actual, expected in
            #expect(tolerance.accepts(actual, expected: expected, scale: expected), "\(Trace.current)")
        }
        withEvery("actual and expected", in: rejected) { actual, expected in
            #expect(!tolerance.accepts(actual, expected: expected, scale: expected), "\(Trace.current)")
        }
        #expect(tolerance.relative(to: 100).accepts(1.0001, expected: 1, scale: 100))
        #expect(!Tolerance.exact.accepts(1.000_000_1, expected: 1, scale: 1))
        #expect(tolerance.mismatch([1], expected: [1, 2]) == "1 elements, expected 2")
        #expect(tolerance.mismatch([1, 3], expected: [1, 2]) == "1 of 2 elements differ: [1] is 3.0, expected 2.0")
    }

    @Test func aFailureNamesItsCombination() throws {
        var seen: [String] = []
        withEvery("size", in: [1, 2]) { _ in
            withEvery("layout", in: [Layout.padded]) { _ in seen.append(Trace.current) }
        }
        #expect(seen == ["size: 1, layout: padded", "size: 2, layout: padded"])
        #expect(Trace.current.isEmpty)
    }

    @Test func aWrongBackendFails() throws {
        let wrong = BackendUnderTest(description: "wrong", backend: ReferenceBackend())
        try withKnownIssue {
            var isOracle = true
            try expectConformance(of: wrong) { bench in
                // The oracle runs first; what follows does something else.
                bench.backend.fill(try bench.output([1]), with: isOracle ? 1 : 2)
                isOracle = false
            }
        } matching: { issue in
            issue.comments.contains { "\($0)".contains("wrong: out: 1 of 1 elements differ: [0] is 2.0, expected 1.0") }
        }
    }

    @Test func aBackendThatChangesItsMindFails() throws {
        let wrong = BackendUnderTest(description: "wrong", backend: ReferenceBackend())
        try withKnownIssue {
            var run = 0
            try expectConformance(of: wrong, within: Tolerance(relative: 1)) { bench in
                run += 1
                bench.backend.fill(try bench.output([1]), with: Double(run))
            }
        } matching: { issue in
            issue.comments.contains { "\($0)".contains("changed on a second run") }
        }
    }

    @Test func anOperationThatWaitsFails() throws {
        let backend = PrimitivesOnly(ReferenceBackend())
        try withKnownIssue {
            try backend.synchronize()
        } matching: { issue in
            issue.comments.contains { "\($0)".contains("calls synchronize") }
        }
        try PrimitivesOnly.waiting { try backend.synchronize() }
    }
}
