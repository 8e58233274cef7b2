import ArgumentParser
import Foundation
import GimbalMPI
import GimbalTrain

/// The ranks that a command trains on: processes that a launcher of MPI has started, devices of this process, or one alone.
enum CommandRanks {
    /// The exchange of the rank that this thread is; nil where one trains alone.
    @TaskLocal static var current: ExchangeQueue?

    /// Whether this is the rank that writes and prints.
    static var isFirst: Bool { (current?.rank ?? 0) == 0 }
    static var size: Int { current?.size ?? 1 }
    /// How many processes a launcher has started, of which this is one.
    static var launchedCount: Int { Launch.own?.size ?? 1 }

    /// What stands before a command to start it on as many processes; nothing where there are none besides this one.
    static var launchingWords: [String] { MPIExchange.isLaunched && size > 1 ? ["mpirun", "-n", "\(size)"] : [] }

    /// Runs `body` on every rank.
    /// - Parameters:
    ///   - devices: names, with commas between them; nil for the usual one.
    ///   - body: is given the name of the rank's device.
    static func run<Result>(
        on devices: String?, _ options: RankOptions, _ body: @escaping (_ device: String?) throws -> Result
    ) throws -> Result {
        // Before a rank is given its own number.
        try DeviceOptions.requireEnvironment()
        let names = devices.map { $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init) } ?? []
        let patience = ExchangePatience.seconds(Double(options.exchangeTimeout))
        if MPIExchange.isLaunched { return try runProcess(names, patience, body) }
        return names.count > 1 ? try runThreads(names, patience, body) : try body(devices)
    }

    /// Runs `body`, which prepares what all ranks are about to do. Where it fails on one of them, all end together, and the
    /// first says why.
    static func preparing<Result>(_ body: () throws -> Result) throws -> Result {
        guard let current else { return try body() }
        let result = Swift.Result { try SettingFlags.translating(body) }
        var said: [UInt8] = []
        if case .failure(let error) = result { said = Array(GimbalCommandLine.message(for: error).utf8) }
        let all = try current.gathered(said)
        guard let failed = all.firstIndex(where: { !$0.isEmpty }) else { return try result.get() }
        // Its own, as one alone would have it.
        if case .failure(let error) = result, failed == 0 { throw Agreed(error: error) }
        throw Agreed(error: GimbalError.exchange(rank: failed, reason: String(decoding: all[failed], as: UTF8.self)))
    }

    /// Ends all ranks for a mistake in the arguments of this one, where it is one of several: the others, which may have no such
    /// mistake, would wait for it without end.
    static func refuse(_ error: any Error) {
        guard launchedCount > 1, let exchange = try? MPIExchange.begin() else { return }
        do { try $current.withValue(ExchangeQueue(exchange)) { try preparing { throw error } } } catch {
            end(exchange, with: error)
        }
    }

    /// What all ranks know that they end with.
    private struct Agreed: Error {
        var error: any Error
    }

    private static func cause(of error: any Error) -> any Error { (error as? Agreed)?.error ?? error }

    // MARK: Processes

    private static func runProcess<Result>(
        _ devices: [String], _ patience: ExchangePatience, _ body: (_ device: String?) throws -> Result
    ) throws -> Result {
        setenv("GIMBAL_THREADS", "\(MPIExchange.threads)", 1)
        let exchange = try MPIExchange.begin(patience: patience)
        let device = devices.isEmpty ? nil : devices[(MPIExchange.localRank ?? exchange.rank) % devices.count]
        do {
            let result = try $current.withValue(exchange.size > 1 ? ExchangeQueue(exchange) : nil) { try body(device) }
            exchange.end()
            return result
        } catch {
            end(exchange, with: error)
        }
    }

    /// Says what this rank failed with, unless another says it, and ends all.
    private static func end(_ exchange: MPIExchange, with error: any Error) -> Never {
        let cause = cause(of: error)
        let code = GimbalCommandLine.exitCode(for: cause).rawValue
        if exchange.size == 1 || error is Agreed || error is ExitCode {
            if exchange.rank == 0, !(error is ExitCode) { say(cause, rank: 0) }
            exchange.end()
            exit(code)
        }
        var isFirstToSpeak = exchange.rank == 0
        if case GimbalError.exchange(let late?, _) = error { isFirstToSpeak = exchange.rank == (late == 0 ? 1 : 0) }
        // Where another fails with the same or names this one, that is said, and all are ended before this rank has its turn.
        for number in [SIGINT, SIGTERM] { signal(number, SIG_DFL) }
        if exchange.speaks(after: isFirstToSpeak ? .zero : .seconds(3)) {
            say(error, rank: exchange.rank)
        } else {
            sleep(10)
        }
        exchange.abort(status: code)
    }

    private static func say(_ error: any Error, rank: Int) {
        var place = rank == 0 ? "" : "rank \(rank): "
        if case GimbalError.exchange = error { place = "" }
        // Not by `printNotice`, which is the first rank's alone.
        try? FileHandle.standardError.write(
            contentsOf: Data("Error: \(place)\(GimbalCommandLine.message(for: error))\n".utf8))
    }

    // MARK: Threads

    private static func runThreads<Result>(
        _ devices: [String], _ patience: ExchangePatience, _ body: @escaping (_ device: String?) throws -> Result
    ) throws -> Result {
        let results = ThreadExchange.run(devices.count, patience: patience) { exchange in
            do {
                return try $current.withValue(ExchangeQueue(exchange)) { try body(devices[exchange.rank]) }
            } catch {
                exchange.leave(because: GimbalCommandLine.message(for: error))
                throw error
            }
        }
        let value: Result
        do { value = try results[0].get() } catch { throw cause(of: error) }
        for (rank, result) in results.enumerated() {
            guard case .failure(let error) = result else { continue }
            throw GimbalError.exchange(rank: rank, reason: GimbalCommandLine.message(for: error))
        }
        return value
    }
}
