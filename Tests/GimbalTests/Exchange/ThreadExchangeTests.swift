import ExchangeTrials
import Foundation
import Gimbal
import GimbalTestSupport
import Testing

@Suite struct ThreadExchangeTests {
    @Test(arguments: [1, 2, 3, 8]) func allFunctions(ranks: Int) throws {
        #expect(try onRanks(ranks) { try trial(of: $0) } == Array(repeating: [], count: ranks))
    }

    /// The queue hands each on.
    @Test func allFunctionsOfAQueue() throws {
        #expect(try onRanks(3) { try trial(of: ExchangeQueue($0)) } == [[], [], []])
    }

    @Test func oneThatLeavesEndsTheOthers() throws {
        let errors = try onRanks(3) { exchange -> String in
            if exchange.rank == 1 {
                exchange.leave(because: "the disk is full")
                return ""
            }
            do { while true { try exchange.barrier() } } catch { return "\(error)" }
        }
        #expect(errors == ["rank 1: the disk is full", "", "rank 1: the disk is full"])
    }

    @Test func oneThatDoesNotComeIsNamed() throws {
        let noticed = Lock<[Int]>([])
        let patience = ExchangePatience(limit: .milliseconds(400), notice: .milliseconds(100)) { rank, _ in
            noticed.withLock { $0.append(rank) }
        }
        let errors = try onRanks(3, patience: patience) { exchange -> String in
            if exchange.rank == 2 { return "" }
            do { try exchange.barrier() } catch { return "\(error)" }
            return "met"
        }
        #expect(errors[0].hasPrefix("rank 2: has not come") && errors[1].hasPrefix("rank 2: has not come"))
        let told = noticed.withLock { $0 }
        #expect(!told.isEmpty && told.allSatisfy { $0 == 2 })
    }

    @Test func exchangesOfDifferentSizesFail() throws {
        let errors = try onRanks(3) { exchange -> String in
            var numbers = [Float](repeating: 1, count: exchange.rank == 1 ? 1 : 1000)
            do { try numbers.withUnsafeMutableBufferPointer { try exchange.allReduce($0, .sum) } } catch {
                return "\(error)"
            }
            return "summed"
        }
        #expect(errors.allSatisfy { $0.contains("different sizes") }, "\(errors)")
    }

    /// Weights that the second rank found no memory for: that is thrown there, and nothing written to.
    @Test func whatFoundNoMemoryIsNotWrittenTo() throws {
        let failures = try onRanks(2) { exchange -> String? in
            let device = Device(backend: ReferenceBackend(memoryLimitBytes: exchange.rank == 0 ? 1 << 20 : 1 << 10))
            let weights = Tensor.ones([5000], device: device).view
            do {
                try exchange.broadcast(weights, from: 0)
                return nil
            } catch {
                exchange.leave(because: "\(error)")
                return "\(error)"
            }
        }
        #expect(failures.allSatisfy { $0?.contains("out of memory") == true }, "\(failures)")
    }
}
