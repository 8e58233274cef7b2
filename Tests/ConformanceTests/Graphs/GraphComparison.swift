import Foundation
import Gimbal
import GimbalTestSupport

/// What a graph's values must be, and how near what a device computes must come to them.
struct GraphExpectation {
    let graph: Graph
    let values: [GraphRun.Value]
    /// The values of runs with rounding errors.
    private var errant: [[GraphRun.Value]] = []
    /// Whether float32 has no number for something on the way: then what comes of it is infinite, NaN or anything.
    private(set) var hasOverflowed = false

    /// The values of `graph` on the reference; nil where a step does not fit.
    init?(_ graph: Graph) throws {
        guard let values = try graph.values(on: Device(backend: ReferenceBackend())) else { return nil }
        (self.graph, self.values) = (graph, values)
    }

    /// What is wrong with `actual`; nil if nothing is.
    ///
    /// Most values agree to a few units, and then there is nothing to be asked. For others a few runs with rounding
    /// errors say how far they may lie apart; and what lies outside of these is held against many.
    mutating func mismatch(_ actual: [GraphRun.Value]) throws -> String? {
        guard actual.count == values.count else { return "\(actual.count) values, expected \(values.count)" }
        for runs in [0, 3, 40] {
            while errant.count < runs {
                let backend = RoundingBackend(
                    seed: graph.seed &+ UInt64(errant.count), part: errant.count % 3 == 1 ? 0.1 : 1)
                guard let values = try graph.values(on: Device(backend: backend), flushes: errant.count % 2 == 1) else {
                    break
                }
                errant.append(values)
                hasOverflowed = hasOverflowed || backend.hasOverflowed
            }
            guard let complaint = compare(actual) else { return nil }
            if hasOverflowed { return nil }
            if runs == 40 { return complaint }
        }
        return nil
    }

    private func compare(_ actual: [GraphRun.Value]) -> String? {
        for (index, (actual, expected)) in zip(actual, values).enumerated() {
            guard let numbers = actual.elements, let wanted = expected.elements else {
                if (actual.elements == nil) == (expected.elements == nil) { continue }
                return "\(expected.name) is \(actual.elements == nil ? "nil" : "\(actual.elements!.count) elements")"
            }
            guard numbers.count == wanted.count else {
                return "\(expected.name) has \(numbers.count) elements, expected \(wanted.count)"
            }
            let others = errant.map { $0[index].elements ?? [] }
            let wrong = numbers.indices.filter { place in
                !Self.accepts(numbers[place], wanted[place], others.map { $0[place] }, actual.dtype)
            }
            guard let first = wrong.first else { continue }
            let spread = others.map { abs($0[first] - wanted[first]) }.max() ?? 0
            return "\(expected.name): \(wrong.count) of \(wanted.count) elements differ: [\(first)] is "
                + "\(numbers[first]), expected \(wanted[first]), which rounding errors move by \(spread)"
        }
        return nil
    }

    /// Whether `actual` may stand where the reference has `expected`, and runs with errors have `errant`.
    private static func accepts(_ actual: Double, _ expected: Double, _ errant: [Double], _ dtype: DType) -> Bool {
        let unit = dtype == .bfloat16 ? 0x1p-7 : dtype == .float16 ? 0x1p-10 : 0x1p-22
        let least = dtype == .float16 ? 0x1p-24 : 64 * Double(Float.leastNormalMagnitude)
        if actual.isNaN || expected.isNaN {
            return actual.isNaN == expected.isNaN || errant.contains { $0.isNaN == actual.isNaN || $0.isInfinite }
        }
        if actual == expected { return true }
        if actual.isFinite && expected.isFinite && abs(actual - expected) <= unit * abs(expected) + least {
            return true
        }
        let finite = errant.filter(\.isFinite)
        // Where errors may lead to infinity or NaN, how far they lead is not known.
        if finite.count < errant.count { return true }
        if actual.isInfinite { return false }
        let center = expected.isFinite ? expected : finite.first ?? 0
        let spread = finite.map { abs($0 - center) }.max() ?? 0
        return abs(actual - center) <= 4 * spread + unit * abs(center) + least
    }
}
