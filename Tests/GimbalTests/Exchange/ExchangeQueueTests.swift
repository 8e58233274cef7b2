import Foundation
import Gimbal
import GimbalTestSupport
import Testing

@Suite struct ExchangeQueueTests {
    @Test func exchangesAreMadeInTheirOrder() throws {
        let sums = try onRanks(3) { exchange in
            let queue = ExchangeQueue(exchange)
            let values = UnsafeMutableBufferPointer<Float>.allocate(capacity: 4)
            defer { values.deallocate() }
            values.initialize(repeating: Float(exchange.rank + 1))
            nonisolated(unsafe) let elements = values
            for _ in 0..<100 { try queue.start { try $0.allReduce(elements, .maximum) } }
            try queue.start { try $0.allReduce(elements, .sum) }
            // Waits for its own and so for all before it.
            let rank = try queue.reduced(Double(queue.rank), .maximum)
            try queue.wait()
            return Array(values) + [Float(rank)]
        }
        #expect(sums == Array(repeating: [9, 9, 9, 9, 2], count: 3))
    }

    @Test func afterAFailureNothingIsExchanged() throws {
        struct Failure: Error {}
        let count = Lock(0)
        let queue = ExchangeQueue(ThreadExchange.ranks(1)[0])
        try queue.start { _ in throw Failure() }
        #expect(throws: Failure.self) { try queue.wait() }
        #expect(throws: Failure.self) { try queue.start { _ in count.withLock { $0 += 1 } } }
        #expect(throws: Failure.self) { try queue.barrier() }
        #expect(count.withLock { $0 } == 0)
    }

    @Test func whatComputingDoesNotHideIsTold() throws {
        let queue = ExchangeQueue(ThreadExchange.ranks(1)[0])
        try queue.start { _ in usleep(200_000) }
        usleep(100_000)
        try queue.wait()
        let seconds = queue.seconds
        #expect(seconds.exchanging >= 0.2)
        #expect(seconds.waiting < seconds.exchanging)
    }
}
