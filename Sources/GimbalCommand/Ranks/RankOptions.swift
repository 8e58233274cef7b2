import ArgumentParser
import GimbalTrain

/// How the ranks of a run exchange what they compute; of no effect where one trains alone.
struct RankOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Bytes of gradients that leave together while backward goes on; 0 sends all at its end.",
            valueName: "bytes"))
    var bucketBytes = GradientBuckets.usualBytes
    @Option(help: "The type in which gradients go from rank to rank.")
    var wire = WireType.float32
    @Flag(help: "Keep the optimizer's moments of each weight on one rank alone.")
    var shardOptimizer = false
    @Flag(help: "Normalise batches by the statistics of all ranks' rows, and not by those of each rank's own.")
    var syncBatchNorm = false
    @Option(help: ArgumentHelp("How long a rank waits for the others before the run ends.", valueName: "seconds"))
    var exchangeTimeout = 600

    func validate() throws {
        if bucketBytes < 0 { throw ValidationError("--bucket-bytes must not be negative") }
        if exchangeTimeout < 1 { throw ValidationError("--exchange-timeout must be positive") }
    }

    var settings: ExchangeSettings {
        var settings = ExchangeSettings()
        settings.bucketBytes = bucketBytes == 0 ? .max : bucketBytes
        settings.wire = wire
        return settings
    }

    /// The words that give these options again.
    var words: [String] {
        let usual = RankOptions.parsed
        var words: [String] = []
        if bucketBytes != usual.bucketBytes { words += ["--bucket-bytes", "\(bucketBytes)"] }
        if wire != usual.wire { words += ["--wire", wire.rawValue] }
        if shardOptimizer { words.append("--shard-optimizer") }
        if syncBatchNorm { words.append("--sync-batch-norm") }
        if exchangeTimeout != usual.exchangeTimeout { words += ["--exchange-timeout", "\(exchangeTimeout)"] }
        return words
    }

    private static var parsed: RankOptions { (try? RankOptions.parse([])) ?? RankOptions() }
}

extension WireType: ExpressibleByArgument {}
