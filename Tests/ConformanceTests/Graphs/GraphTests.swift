import Foundation
import Gimbal
import GimbalTestSupport
import Testing

extension Conformance {
    /// Graphs of operations that were put together by chance, forwards and backwards, against the Double reference.
    ///
    /// GIMBAL_GRAPHS says how many are tried, and GIMBAL_GRAPHS_SEED from which seed on; by default it is as many as
    /// take a few seconds. GIMBAL_GRAPHS_DEVICES=cpu keeps to one of them, and GIMBAL_GRAPHS_VERBOSE prints each before
    /// it is run, as one that stops the program cannot be printed then.
    @Suite struct Graphs {
        static let environment = ProcessInfo.processInfo.environment
        static let wanted = environment["GIMBAL_GRAPHS"].flatMap { Int($0) }
        static let firstSeed = environment["GIMBAL_GRAPHS_SEED"].flatMap { UInt64($0) } ?? 1

        private func campaign() -> GraphCampaign {
            let only = Self.environment["GIMBAL_GRAPHS_DEVICES"]
            return GraphCampaign(
                subjects: BackendUnderTest.all.filter { only == nil || $0.description == only },
                isVerbose: Self.environment["GIMBAL_GRAPHS_VERBOSE"] != nil)
        }

        @Test func graphsByChanceAreTheSameOnEveryBackend() throws {
            let campaign = campaign()
            let start = ContinuousClock.now
            var tried = 0
            while Self.wanted.map({ tried < $0 }) ?? (ContinuousClock.now - start < .seconds(5)) {
                try campaign.attempt(seed: Self.firstSeed &+ UInt64(tried))
                tried += 1
                if tried % 1000 == 0 { print("tried graphs \(tried), of which \(campaign.failures) failed") }
            }
            print("tried graphs \(tried)")
        }

        /// GIMBAL_GRAPHS_SPECIALS says how many numbers are tried, of all places that there are; by default as many as
        /// take a few seconds.
        @Test func specialNumbersGoTheSameWayOnEveryBackend() throws {
            let wanted = Self.environment["GIMBAL_GRAPHS_SPECIALS"].flatMap { Int($0) }
            var random = SampleGenerator(seed: Self.firstSeed)
            let campaign = campaign()
            let start = ContinuousClock.now
            var tried = 0
            for graph in try GraphSpecials.all().shuffled(using: &random) {
                guard wanted.map({ tried < $0 }) ?? (ContinuousClock.now - start < .seconds(5)) else { break }
                let new = graph.replacement!
                try campaign.attempt(
                    graph, "\(graph.steps[0].rule) with \(new.value) at \(new.element) of \(new.tensor)")
                tried += 1
            }
            print("tried special numbers \(tried)")
        }
    }
}
