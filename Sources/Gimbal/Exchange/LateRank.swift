import Foundation

/// Told of each rank that others wait for, now and then, with the seconds that they have waited.
public typealias LateRankHandler = @Sendable (_ rank: Int, _ seconds: Double) -> Void

/// How long ranks wait for those that are late.
public struct ExchangePatience: Sendable {
    /// After this long a rank that has not come is held to be lost, and the exchange fails.
    public var limit: Duration
    /// `onLate` is called each time that this long has passed.
    public var notice: Duration
    /// Called on one of the ranks that wait, the first; nil for none. It must not exchange anything.
    public var onLate: LateRankHandler?

    /// - Parameters:
    ///   - limit: 10 minutes by default.
    ///   - notice: 10 seconds by default.
    ///   - onLate: writes a line on standard error by default.
    public init(
        limit: Duration = .seconds(600), notice: Duration = .seconds(10), onLate: LateRankHandler? = reportLateRank
    ) {
        (self.limit, self.notice, self.onLate) = (limit, notice, onLate)
    }

    /// That of a limit, as else by default.
    public static func seconds(_ limit: Double) -> ExchangePatience { ExchangePatience(limit: .seconds(limit)) }
}

/// Says on standard error which rank is waited for.
@Sendable public func reportLateRank(_ rank: Int, _ seconds: Double) {
    let line = "rank \(rank) has not come to the exchange of gradients, where others have waited \(Int(seconds)) s\n"
    try? FileHandle.standardError.write(contentsOf: Data(line.utf8))
}
