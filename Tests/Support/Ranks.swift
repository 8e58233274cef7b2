import Foundation
import Gimbal

/// Runs `body` on so many ranks, each on a thread of its own, and gives what they return, in their order.
/// - Throws: of the ranks' errors the first that is not told by another rank.
public func onRanks<Result: Sendable>(
    _ count: Int, patience: ExchangePatience = .seconds(120),
    _ body: @escaping @Sendable (_ exchange: ThreadExchange) throws -> Result
) throws -> [Result] {
    let exchanges = ThreadExchange.ranks(count, patience: patience)
    let results = Lock<[Int: Swift.Result<Result, any Error>]>([:])
    let isDone = DispatchGroup()
    for exchange in exchanges {
        isDone.enter()
        let thread = Thread {
            let result = Swift.Result { try body(exchange) }
            if case .failure(let error) = result { exchange.leave(because: "\(error)") }
            results.withLock { $0[exchange.rank] = result }
            isDone.leave()
        }
        thread.stackSize = 64 << 20
        thread.start()
    }
    isDone.wait()
    let all = results.withLock { results in (0..<count).map { results[$0]! } }
    let errors = all.compactMap { if case .failure(let error) = $0 { error } else { nil } }
    let own = errors.first { if case GimbalError.exchange = $0 { false } else { true } }
    if let error = own ?? errors.first { throw error }
    return try all.map { try $0.get() }
}
