import Gimbal
import GimbalTestSupport
import Testing

/// Tries one graph after the other on backends.
final class GraphCampaign {
    private let subjects: [BackendUnderTest]
    /// How many graphs went wrong.
    private(set) var failures = 0

    private let isVerbose: Bool

    /// - Parameter isVerbose: prints each graph before it is run.
    init(subjects: [BackendUnderTest], isVerbose: Bool) { (self.subjects, self.isVerbose) = (subjects, isVerbose) }

    /// Makes the graph of `seed` and tries it.
    func attempt(seed: UInt64) throws {
        if isVerbose { print("graph of seed \(seed)") }
        try attempt(GraphMaker.make(seed: seed), "seed \(seed)")
    }

    /// Runs a graph on every backend, and records an issue with the smallest graph that goes wrong as it does.
    /// - Parameter origin: how the graph is called.
    func attempt(_ graph: Graph, _ origin: String) throws {
        if isVerbose { print(graph.steps.map { "\($0.rule) \($0.operands)" }.joined(separator: ", ")) }
        guard var expected = try GraphExpectation(graph) else {
            Issue.record("the graph of \(origin) cannot be computed as it was made")
            return
        }
        for subject in subjects {
            guard let complaint = try complaint(about: subject, &expected) else { continue }
            failures += 1
            let smallest = try GraphShrinker.shrink(graph) { candidate in
                guard var expected = try GraphExpectation(candidate) else { return false }
                return try self.complaint(about: subject, &expected) != nil
            }
            guard var expected = try GraphExpectation(smallest) else { return }
            let last = try self.complaint(about: subject, &expected) ?? complaint
            Issue.record(
                """
                \(subject): the graph of \(origin): \(complaint)
                The smallest that goes wrong: \(last)
                \(try smallest.source() ?? "")
                """)
            return
        }
    }

    /// What is wrong with the values that `subject` computes; nil if nothing is.
    private func complaint(about subject: BackendUnderTest, _ expected: inout GraphExpectation) throws -> String? {
        guard let values = try expected.graph.values(on: Device(backend: subject.backend)) else {
            return "a step does not fit that fits on the reference"
        }
        return try expected.mismatch(values)
    }
}
