/// What is tried in a search, in which order, and for how long: all of it follows from this and from what trials came to.
///
/// ```swift
/// let space = SearchSpace([.init("lr", range: .init(1e-3...1, isLogarithmic: true))])
/// let plan = SearchPlan(space, method: .halving, trials: 27, epochs: 27)
/// for step in plan.steps(after: []) {
///     print("lr \(plan.points[step.trial - 1][0]) for \(step.epochs) epochs")
/// }
/// ```
public struct SearchPlan: Codable, Sendable, Equatable {
    /// How settings are chosen, spelled as `gimbal search --method` takes it.
    public enum Method: String, Codable, Sendable, CaseIterable {
        /// Many settings for a short time, then the best of them for longer, and so on (Jamieson and Talwalkar 2016).
        case halving
        /// Settings drawn at random, each trained to the end (Bergstra and Bengio 2012).
        case random
        /// Every combination of the choices, each trained to the end.
        case grid
    }

    /// What trials are judged by, on the validation data, spelled as `gimbal search --metric` takes it.
    public enum Metric: String, Codable, Sendable, CaseIterable {
        /// The loss: the less, the better.
        case loss
        /// The share of right classes; the loss decides where it is the same.
        case accuracy
        /// The share of the variance that is explained; the loss decides where it is the same.
        case r2
    }

    /// A stretch of all trials that have come so far.
    public struct Rung: Sendable, Equatable {
        /// How many trials come to its end.
        public var trials: Int
        /// How many epochs a trial then has had.
        public var epochs: Int
    }

    /// A trial that can be trained now.
    public struct Step: Sendable, Hashable {
        /// The trial, counted from 1.
        public var trial: Int
        /// The rung, counted from 0.
        public var rung: Int
        /// How many epochs the trial is to have had when the step is done.
        public var epochs: Int
    }

    /// What is varied.
    public var space: SearchSpace
    /// How settings are chosen.
    public var method: Method
    /// What trials are judged by.
    public var metric: Metric
    /// How many settings are tried; of a grid, all.
    public var trials: Int
    /// Epochs of a whole training.
    public var epochs: Int
    /// By what halving multiplies the epochs and divides the trials from rung to rung.
    public var factor: Int
    /// What drawn settings follow from.
    public var seed: UInt64

    /// - Parameters:
    ///   - space: what is varied.
    ///   - method: how settings are chosen.
    ///   - metric: what trials are judged by.
    ///   - trials: how many settings are tried; a grid has all.
    ///   - epochs: of a whole training.
    ///   - factor: of halving, 2 or more; 3 is near the best in theory (Li et al. 2017, section 3.6).
    ///   - seed: what drawn settings follow from.
    public init(
        _ space: SearchSpace, method: Method = .halving, metric: Metric = .loss, trials: Int = 27, epochs: Int,
        factor: Int = 3, seed: UInt64 = 0
    ) {
        (self.space, self.method, self.metric) = (space, method, metric)
        (self.trials, self.epochs, self.factor, self.seed) = (trials, epochs, factor, seed)
    }

    /// Checks each setting by itself and with the others.
    /// - Throws: `GimbalError.invalidSetting`.
    public func validate() throws {
        try space.validate()
        try checkCount(trials, "trials")
        try checkCount(epochs, "epochs")
        try checkSetting(factor >= 2, "factor", "must be 2 or more, not \(factor)")
        try checkSetting(trials <= Self.mostTrials, "trials", "must be at most \(Self.mostTrials), not \(trials)")
        guard method == .grid else { return }
        if let range = space.dimensions.first(where: { $0.range != nil }) {
            throw GimbalError.invalidSetting(
                name: "vary",
                reason: "\(shown(range.name)) is a range, of which a grid needs a number of points: "
                    + "\(range.name)=low..high/5")
        }
        try checkSetting(
            space.count ?? .max <= Self.mostTrials, "vary",
            "makes a grid of \(space.count.map(String.init) ?? "too many") points, more than \(Self.mostTrials)")
    }

    static let mostTrials = 10_000

    /// The settings of each trial, in the order of the space.
    public var points: [[String]] {
        method == .grid ? (0..<(space.count ?? 0)).map(space.point) : space.randomPoints(trials, seed: seed)
    }

    /// The rungs, of which random search and grid have one.
    ///
    /// Halving begins with all trials and as few epochs as lead to the whole training in steps of `factor`, so that each rung
    /// but the first takes about as many epochs in all. At least two are trained to the end: of one alone nobody would know
    /// whether it is good or was lucky while it was short.
    public var rungs: [Rung] { rungs(of: points.count) }

    private func rungs(of count: Int) -> [Rung] {
        guard method == .halving else { return [Rung(trials: count, epochs: epochs)] }
        var power = 1
        var rungs = [Rung(trials: count, epochs: epochs)]
        while count / (power * factor) >= 2, epochs / (power * factor) >= 1 {
            power *= factor
            rungs.append(Rung(trials: count / power, epochs: epochs))
        }
        for rung in rungs.indices {
            rungs[rung].epochs = max(1, Int((Double(epochs) / Double(power)).rounded()))
            power /= factor
        }
        return rungs
    }

    // MARK: What comes next

    /// What can be trained now, one beside the other, in the order in which it should be begun; empty where the search is over.
    ///
    /// A rung is begun when the one before it is done, with its best trials; where one of them fails, the next best takes its
    /// place.
    /// - Parameter results: of trials so far, in any order.
    public func steps(after results: [TrialResult]) -> [Step] {
        let count = points.count
        let rungs = rungs(of: count)
        var candidates = Array(1...max(count, 1)).prefix(count)
        for (number, rung) in rungs.enumerated() {
            let done = results.filter { $0.rung == number }
            let failed = done.count { $0.failure != nil }
            // The first rung is for all, whatever becomes of them.
            let chosen = number == 0 ? candidates : candidates.prefix(rung.trials + failed)
            let known = Set(done.map(\.trial))
            let open = chosen.filter { !known.contains($0) }
            guard open.isEmpty else { return open.map { Step(trial: $0, rung: number, epochs: rung.epochs) } }
            candidates = ranked(done).filter { $0.failure == nil }.map(\.trial)[...]
        }
        return []
    }

    /// The trials that may be gone on with, and the best so far: the others have lost.
    func kept(after results: [TrialResult]) -> Set<Int> {
        var kept = Set(best(of: results).map { [$0.trial] } ?? [])
        let steps = steps(after: results)
        guard let rung = steps.first?.rung else { return kept }
        kept.formUnion(steps.map(\.trial))
        let isLast = rung == rungs.count - 1
        for result in results where result.failure == nil {
            // The best of the rung go on; those of the rung before stand in for what fails.
            if result.rung == rung && !isLast || result.rung == rung - 1 { kept.insert(result.trial) }
        }
        return kept.subtracting(results.filter { $0.failure != nil }.map(\.trial))
    }

    /// The newest result of each trial, the best first: those that have come furthest before the others, those that failed last.
    public func ranked(_ results: [TrialResult]) -> [TrialResult] {
        var newest: [Int: TrialResult] = [:]
        for result in results where result.rung >= newest[result.trial]?.rung ?? 0 { newest[result.trial] = result }
        return newest.values.sorted(by: isBetter)
    }

    /// The trial that has won; nil before any has succeeded.
    public func best(of results: [TrialResult]) -> TrialResult? { ranked(results).first { $0.failure == nil } }

    private func isBetter(_ one: TrialResult, _ other: TrialResult) -> Bool {
        func key(_ result: TrialResult) -> [Double] {
            [
                result.failure == nil ? 0 : 1, -Double(result.rung), cost(result), result.figures["loss"] ?? .infinity,
                Double(result.trial),
            ]
        }
        return key(one).lexicographicallyPrecedes(key(other))
    }

    /// What is as small as can be.
    private func cost(_ result: TrialResult) -> Double {
        guard let figure = result.figures[metric.rawValue], figure.isFinite else { return .infinity }
        return metric == .loss ? figure : -figure
    }
}

/// What a trial came to at the end of a rung.
public struct TrialResult: Codable, Sendable, Equatable {
    /// The trial, counted from 1.
    public var trial: Int
    /// The rung, counted from 0.
    public var rung: Int
    /// Epochs that the trial has had in all.
    public var epochs: Int
    /// The epoch whose weights the trial would end with, counted from 1; nil where there is none.
    public var epoch: Int?
    /// What was measured on the validation data with them.
    public var figures: Figures
    /// Time that this rung took.
    public var seconds: Double
    /// Time that the search had taken when the rung was done.
    public var elapsed: Double
    /// Why there is nothing to judge, such as a loss that is NaN or a setting that was refused; nil for a trial that can be
    /// judged.
    public var failure: String?

    /// What trial `trial` came to in rung `rung`.
    public init(
        trial: Int, rung: Int, epochs: Int, epoch: Int? = nil, figures: Figures, seconds: Double, elapsed: Double,
        failure: String? = nil
    ) {
        (self.trial, self.rung, self.epochs, self.epoch) = (trial, rung, epochs, epoch)
        (self.figures, self.seconds, self.elapsed, self.failure) = (figures, seconds, elapsed, failure)
    }
}
