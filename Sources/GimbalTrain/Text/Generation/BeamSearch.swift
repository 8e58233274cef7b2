import Foundation
import Gimbal
import GimbalNN

/// One of the sequences that `beamSearch` found.
public struct BeamHypothesis: Sendable, Equatable {
    /// What follows the prompt, with the stop token where one ended it.
    public var tokens: [Int32]
    /// The sum of the logarithms of the tokens' probabilities, in nats.
    public var logProbability: Double
    /// `logProbability` divided by the number of tokens to the power of the length penalty.
    public var score: Double
}

/// Looks for the most probable sequence that follows a prompt: at each step the best `beams` beginnings go on.
///
/// As Hugging Face's `generate`: of 2 · beams continuations, those among the first `beams` that end are kept, and the search
/// ends when there are `beams` of them and no beginning has a better score than the worst.
/// - Parameters:
///   - model: predicts the tokens; on any device.
///   - prompt: at least one token.
///   - beams: how many beginnings go on, and the most hypotheses that are returned; at least 1.
///   - maximumCount: the most tokens that follow the prompt; at least 1.
///   - lengthPenalty: the power of the length that divides the sum of logarithms: 1 compares means, greater ones prefer
///     long sequences, 0 compares sums (Wu et al. 2016, section 7, has a relative of it).
///   - stopTokens: tokens that end a sequence. None unless given.
/// - Returns: at most `beams`, the best first.
/// - Throws: `GimbalError.invalidSetting` for a prompt without tokens, or with one that the model does not know;
///   `GimbalError.nonFinite` where a logit is NaN or infinite, and what the device throws.
public func beamSearch(
    _ model: some AutoregressiveModel, prompt: [Int32], beams: Int, maximumCount: Int, lengthPenalty: Double = 1,
    stopTokens: Set<Int32> = []
) throws -> [BeamHypothesis] {
    require(
        beams >= 1 && maximumCount >= 1 && lengthPenalty.isFinite, "beamSearch",
        "\(beams) beams of \(maximumCount) tokens, with a length penalty of \(lengthPenalty)")
    var context = try ModelContext(model, prompt: prompt)
    var running: [(tokens: [Int32], logProbability: Double)] = [([], 0)]
    var ended: [BeamHypothesis] = []
    func score(_ logProbability: Double, _ length: Int) -> Double {
        logProbability / pow(Double(length), lengthPenalty)
    }
    func end(_ tokens: [Int32], _ logProbability: Double) {
        ended.append(
            BeamHypothesis(
                tokens: tokens, logProbability: logProbability, score: score(logProbability, tokens.count)))
        // Of equal ones the first stays before.
        ended = Array(
            ended.enumerated().sorted { ($1.element.score, $0.offset) < ($0.element.score, $1.offset) }
                .map(\.element).prefix(beams))
    }
    for length in 1...maximumCount {
        let logits = try context.nextLogits(running.map { prompt + $0.tokens })
        var best = BestContinuations(limit: 2 * beams)
        for (row, (beam, logits)) in zip(running, logits).enumerated() {
            let greatest = Double(logits.max()!)
            let normalizer = greatest + log(logits.reduce(0) { $0 + exp(Double($1) - greatest) })
            for (token, logit) in logits.enumerated() where logit > -.infinity {
                best.insert(beam.logProbability + Double(logit) - normalizer, row, Int32(token))
            }
        }
        var next: [(tokens: [Int32], logProbability: Double)] = []
        var rows: [Int] = []
        for (rank, continuation) in best.list.enumerated() where next.count < beams {
            let tokens = running[continuation.row].tokens + [continuation.token]
            if stopTokens.contains(continuation.token) {
                if rank < beams { end(tokens, continuation.logProbability) }
            } else {
                next.append((tokens, continuation.logProbability))
                rows.append(continuation.row)
            }
        }
        running = next
        guard let first = running.first else { break }
        if ended.count == beams, ended[beams - 1].score >= score(first.logProbability, length) { break }
        if length == maximumCount {
            for beam in running { end(beam.tokens, beam.logProbability) }
        } else {
            context.select(rows)
        }
    }
    return ended
}

/// The best of many continuations, in falling order; of equal ones those that came first.
private struct BestContinuations {
    let limit: Int
    private(set) var list: [(logProbability: Double, row: Int, token: Int32)] = []

    init(limit: Int) { self.limit = limit }

    mutating func insert(_ logProbability: Double, _ row: Int, _ token: Int32) {
        if list.count == limit {
            // Most are not among the best.
            if logProbability <= list[limit - 1].logProbability { return }
            list.removeLast()
        }
        let place = list.firstIndex { $0.logProbability < logProbability } ?? list.count
        list.insert((logProbability, row, token), at: place)
    }
}
