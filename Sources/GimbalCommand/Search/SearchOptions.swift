import ArgumentParser
import GimbalTrain

/// What is searched, and how.
struct SearchOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "A setting of gimbal train and what it may be, by the name of its flag: lr=1e-4..1e-1 for a range, hidden=64,128,128:64 for choices (with : between the numbers of a list), dropout=0..0.5/3 for so many numbers of a range, residual=yes,no for a flag, layer-decay=PATTERN=0.1,1,10 for a layer. May be given several times. (default: what suits the model)",
            valueName: "name=values"))
    var vary: [String] = []
    @Option(
        help:
            "How settings are chosen: halving trains many for a few epochs and goes on with the best of them, random draws settings, grid takes all combinations of choices. (default: \(SearchPlan.Method.halving.rawValue))"
    )
    var method: SearchPlan.Method?
    @Option(
        help:
            "What trials are judged by, on the validation data, with the weights that a trial would end with. (default: \(SearchPlan.Metric.loss.rawValue))"
    )
    var metric: SearchPlan.Metric?
    @Option(help: "How many settings are tried; of a grid, all. (default: \(Self.defaultTrials))")
    var trials: Int?
    @Option(
        help:
            "What halving multiplies the epochs and divides the trials by, from rung to rung. (default: \(Self.defaultFactor))"
    )
    var factor: Int?
    @Option(
        help: ArgumentHelp(
            "Trials that are trained side by side, each in a process of its own with its share of the threads. (default: one for each processor, up to \(Self.mostParallel); 1 on an OpenCL device)",
            valueName: "count"))
    var parallel: Int?
    @Option(
        help: ArgumentHelp("Stop after so many minutes; --resume goes on.", valueName: "minutes"))
    var timeLimit: Double?
    @Option(
        help: ArgumentHelp("The folder of the search; searches/<data>-<time> unless given.", valueName: "dir"),
        completion: .directory)
    var searchDir: String?
    @Flag(help: "Go on with the search in --search-dir, with the settings that it began with.")
    var resume = false
    @Flag(inversion: .prefixedNo, help: ArgumentHelp("Of trials there is no diagnosis.", visibility: .private))
    var doctor = false
    @Flag(help: "Keep the checkpoints of all trials, not those of the best alone.")
    var keepCheckpoints = false

    static let defaultTrials = 27
    static let defaultFactor = 3
    static let mostParallel = 16

    func validate() throws {
        if resume && searchDir == nil { throw ValidationError("--resume needs --search-dir") }
        if (parallel ?? 1) < 1 { throw ValidationError("--parallel must be positive") }
        if !((timeLimit ?? 1) > 0) { throw ValidationError("--time-limit must be positive") }
        if (timeLimit ?? 1) > 1e9 { throw ValidationError("--time-limit must be at most 1000000000 minutes") }
        if method == .grid && trials != nil {
            throw ValidationError("--trials is not for a grid, which has all points")
        }
        if method ?? .halving != .halving && factor != nil { throw ValidationError("--factor is for --method halving") }
    }

    /// The options of this group and of the command that are no matter of a trial: those with a value, and flags. Those of
    /// the session may differ when the search is gone on with.
    private static let session = (
        valued: ["--parallel", "--time-limit", "--search-dir"],
        flags: ["--resume", "--json", "--doctor", "--no-doctor"]
    )
    private static let own = (
        valued: ["--vary", "--method", "--metric", "--trials", "--factor"], flags: ["--keep-checkpoints"]
    )

    /// What says what the search is: `arguments` without what may differ when it is gone on with.
    static func definition(_ arguments: some Sequence<String>) -> [String] {
        removing(session.valued, session.flags, from: arguments)
    }

    /// The options in `words`, each with what follows it.
    static func groups(of words: [String]) -> [[String]] {
        words.reduce(into: []) { groups, word in
            let isName = word.hasPrefix("-") && Double(word) == nil
            if isName || groups.isEmpty { groups.append([word]) } else { groups[groups.count - 1].append(word) }
        }
    }

    /// What all trials are called with: a definition without what the search alone knows.
    static func trainArguments(_ definition: [String]) -> [String] {
        removing(own.valued, own.flags, from: definition)
    }

    private static func removing(
        _ valued: [String], _ flags: [String], from arguments: some Sequence<String>
    ) -> [String] {
        var result: [String] = []
        var isValue = false
        for argument in arguments {
            if isValue {
                isValue = false
                continue
            }
            let name = String(argument.prefix { $0 != "=" })
            if valued.contains(name) {
                isValue = name == argument
            } else if !flags.contains(name) {
                result.append(argument)
            }
        }
        return result
    }
}

extension SearchPlan.Method: ExpressibleByArgument {}
extension SearchPlan.Metric: ExpressibleByArgument {}
