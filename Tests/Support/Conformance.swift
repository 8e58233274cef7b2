import GimbalBackend
import Testing

/// Runs one case on the backend under test and on the reference, and expects the same outputs.
///
/// The case runs twice on the backend: the bits must be the same both times. Nothing outside the outputs may change.
/// - Parameters:
///   - tolerance: for outputs that name none themselves. Integer outputs must be exact.
///   - body: makes its inputs and outputs on the bench and calls operations of `bench.backend` on them.
public func expectConformance(
    of subject: BackendUnderTest, within tolerance: Tolerance = .elementwise,
    sourceLocation: SourceLocation = #_sourceLocation, _ body: (Workbench) throws -> Void
) throws {
    func run(on backend: any Backend, measuresMagnitude: Bool = false) throws -> ([Workbench.Result], [String]) {
        let bench = Workbench(backend, measuresMagnitude: measuresMagnitude)
        try body(bench)
        return try bench.results()
    }
    let (expected, _) = try run(on: ReferenceBackend())
    let needsMagnitude = expected.contains {
        if case .absoluteInputs = ($0.tolerance ?? tolerance).scale { true } else { false }
    }
    let magnitudes = needsMagnitude ? try run(on: ReferenceBackend(), measuresMagnitude: true).0 : nil
    let (actual, damage) = try run(on: subject.backend)
    let (again, _) = try run(on: subject.backend)

    var complaints = damage
    for (index, result) in actual.enumerated() {
        let tolerance = result.dtype.isFloatingPoint ? result.tolerance ?? tolerance : .exact
        let complaint = tolerance.mismatch(
            result.values, expected: expected[index].values, absoluteInputs: magnitudes?[index].values,
            storage: result.dtype.isFloatingPoint && result.dtype != .float64 ? StorageUnderTest.current : nil)
        if let complaint { complaints.append("\(result.name): \(complaint)") }
        let changed = zip(result.values, again[index].values).filter { $0.bitPattern != $1.bitPattern }
        if !changed.isEmpty { complaints.append("\(result.name): \(changed.count) elements changed on a second run") }
    }
    Complaints.record(complaints, on: subject, sourceLocation)
}

/// Runs one case on two backends and expects the same bits in every output.
public func expectSameBits(
    on subject: BackendUnderTest, and other: BackendUnderTest, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: (Workbench) throws -> Void
) throws {
    let results = try [subject, other].map {
        let bench = Workbench($0.backend)
        try body(bench)
        return try bench.results().outputs
    }
    let complaints = zip(results[0], results[1]).compactMap { first, second -> String? in
        let different = first.values.indices.filter { first.values[$0].bitPattern != second.values[$0].bitPattern }
        guard let place = different.first else { return nil }
        return
            "\(first.name): \(different.count) of \(first.values.count) elements differ from \(other): [\(place)] is "
            + "\(first.values[place]), there \(second.values[place])"
    }
    Complaints.record(complaints, on: subject, sourceLocation)
}

/// Turns complaints into issues of the running test, a few for each test: one broken kernel fails in hundreds of
/// combinations, and the first ones tell.
private enum Complaints {
    private static let limit = 6
    private static let counts = Lock<[String: Int]>([:])

    static func record(_ complaints: [String], on subject: BackendUnderTest, _ sourceLocation: SourceLocation) {
        guard !complaints.isEmpty else { return }
        let test = "\(Test.current.map { "\($0.id)" } ?? "") on \(subject)"
        let count = counts.withLock { counts in
            counts[test, default: 0] += 1
            return counts[test, default: 0]
        }
        guard count <= limit else { return }
        let name = StorageUnderTest.current.map { "\(subject) in \($0)" } ?? "\(subject)"
        let place = Trace.current.isEmpty ? name : "\(name), \(Trace.current)"
        let more = count == limit ? "\n(further failures of this test are not shown)" : ""
        Issue.record("\(place): \(complaints.joined(separator: "\n"))\(more)", sourceLocation: sourceLocation)
    }
}
