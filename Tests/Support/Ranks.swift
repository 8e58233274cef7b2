import Gimbal

/// Runs `body` on so many ranks, each on a thread, and gives what they return, in their order.
/// - Throws: of the ranks' errors the first that is not told by another rank.
public func onRanks<Result: Sendable>(
    _ count: Int, patience: ExchangePatience = .seconds(120),
    _ body: @escaping @Sendable (_ exchange: ThreadExchange) throws -> Result
) throws -> [Result] {
    let all = ThreadExchange.run(count, patience: patience, body)
    let errors = all.compactMap { if case .failure(let error) = $0 { error } else { nil } }
    let own = errors.first { if case GimbalError.exchange = $0 { false } else { true } }
    if let error = own ?? errors.first { throw error }
    return try all.map { try $0.get() }
}
