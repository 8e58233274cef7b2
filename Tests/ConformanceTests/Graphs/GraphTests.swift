import Foundation
import Gimbal
import GimbalTestSupport
import Testing

extension Conformance {
    /// Graphs of operations that were put together by chance, forwards and backwards, against the Double reference.
    ///
    /// GIMBAL_GRAPHS says how many are tried, and GIMBAL_GRAPHS_SEED from which seed on; by default it is as many as take a few
    /// seconds. GIMBAL_GRAPHS_DEVICES=cpu keeps to one of them.
    @Suite struct Graphs {
        static let environment = ProcessInfo.processInfo.environment
        static let wanted = environment["GIMBAL_GRAPHS"].flatMap { Int($0) }
        static let firstSeed = environment["GIMBAL_GRAPHS_SEED"].flatMap { UInt64($0) } ?? 1

        @Test func graphsByChanceAreTheSameOnEveryBackend() throws {
            let only = Self.environment["GIMBAL_GRAPHS_DEVICES"]
            let subjects = (BackendUnderTest.all).filter { only == nil || $0.description == only }
            let campaign = GraphCampaign(subjects: subjects)
            let start = ContinuousClock.now
            var tried = 0
            while Self.wanted.map({ tried < $0 }) ?? (ContinuousClock.now - start < .seconds(5)) {
                try campaign.attempt(seed: Self.firstSeed &+ UInt64(tried))
                tried += 1
                if tried % 1000 == 0 { print("tried graphs \(tried), of which \(campaign.failures) failed") }
            }
            print("tried graphs \(tried)")
        }
    }
}
