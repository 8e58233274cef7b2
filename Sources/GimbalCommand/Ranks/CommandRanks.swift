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

    /// Runs `body` on every rank.
    /// - Parameters:
    ///   - devices: names, with commas between them; nil for the usual one.
    ///   - body: is given the name of the rank's device.
    static func run<Result>(
        on devices: String?, _ options: RankOptions, _ body: (_ device: String?) throws -> Result
    ) throws -> Result {
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

    /// What all ranks know that they end with.
    private struct Agreed: Error {
        var error: any Error
    }

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
        let code = GimbalCommandLine.exitCode(for: (error as? Agreed)?.error ?? error).rawValue
        if exchange.size == 1 || error is Agreed || error is ExitCode {
            if exchange.rank == 0, !(error is ExitCode) { say((error as? Agreed)?.error ?? error, rank: 0) }
            exchange.end()
            exit(code)
        }
        var isFirstToSpeak = exchange.rank == 0
        if case GimbalError.exchange(let late?, _) = error { isFirstToSpeak = exchange.rank == (late == 0 ? 1 : 0) }
        // Where another fails with the same or names this one, that is said, and all are ended before this rank has its turn.
        for number in [SIGINT, SIGTERM] { signal(number, SIG_DFL) }
        if !isFirstToSpeak { sleep(3) }
        say(error, rank: exchange.rank)
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
        _ devices: [String], _ patience: ExchangePatience, _ body: (_ device: String?) throws -> Result
    ) throws -> Result {
        let exchanges = ThreadExchange.ranks(devices.count, patience: patience)
        let failures = Lock<[Int: any Error]>([:])
        func result(of rank: Int) -> Swift.Result<Result, any Error> {
            let result = Swift.Result {
                try $current.withValue(ExchangeQueue(exchanges[rank])) { try body(devices[rank]) }
            }
            if case .failure(let error) = result {
                failures.withLock { $0[rank] = error }
                exchanges[rank].leave(because: GimbalCommandLine.message(for: error))
            }
            return result
        }
        return try withoutActuallyEscaping(result) { result in
            // Sound, as the threads end before this returns.
            nonisolated(unsafe) let result = result
            let others = DispatchGroup()
            for rank in devices.indices.dropFirst() {
                others.enter()
                let thread = Thread {
                    _ = result(rank)
                    others.leave()
                }
                thread.stackSize = 64 << 20
                thread.start()
            }
            let first = result(0)
            others.wait()
            switch first {
            case .success(let value):
                if let (rank, error) = failures.withLock({ $0.first }) {
                    throw GimbalError.exchange(rank: rank, reason: GimbalCommandLine.message(for: error))
                }
                return value
            case .failure(let error): throw (error as? Agreed)?.error ?? error
            }
        }
    }
}
