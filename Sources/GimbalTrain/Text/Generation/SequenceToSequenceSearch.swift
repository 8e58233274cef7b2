import Gimbal
import GimbalNN

/// Writes the target of each source, always with the most probable token, of equal ones that of the smallest number.
///
/// ```swift
/// let model = TransformerSequenceToSequence(
///     sourceVocabulary: 4000, targetVocabulary: 4000, length: 64, size: 256, heads: 4, layers: 3)
/// let targets = try greedySearch(model, sources: [[5, 7, 3], [8]], begin: 1, end: 2, maximumCount: 60)
/// ```
/// Sources of like length are read and written side by side; what comes out for one does not depend on the others. The model is in
/// evaluation mode, without gradients, and is left as it was.
/// - Parameters:
///   - model: predicts the tokens; on any device.
///   - sources: the tokens of each; may be empty.
///   - begin: the token that begins a target.
///   - end: the token that ends one.
///   - maximumCount: the most tokens of a target, at least 0; never more than the model can look at.
///   - batchSize: how many are written side by side; at least 1.
/// - Returns: the tokens of each target, in the order of the sources, without those that begin and end it.
/// - Throws: `GimbalError.invalidSetting` for a source that is longer than the model can look at, or with a token that it does not
///   know, or that is its padding, and for a `begin` that it does not know; `GimbalError.nonFinite` where a logit is NaN or
///   infinite, and what the device throws.
public func greedySearch(
    _ model: some SequenceToSequenceModel, sources: [[Int32]], begin: Int32, end: Int32, maximumCount: Int,
    batchSize: Int = 64
) throws -> [[Int32]] {
    require(
        maximumCount >= 0 && batchSize >= 1, "greedySearch", "\(maximumCount) tokens at most, \(batchSize) at a time")
    try model.check(sources)
    try model.check(begin: begin)
    let count = min(maximumCount, model.maximumLength ?? maximumCount)
    var targets = [[Int32]](repeating: [], count: sources.count)
    guard count > 0 else { return targets }
    // Of equal lengths in their order: `sorted` is stable.
    let order = sources.indices.sorted { sources[$0].count < sources[$1].count }
    try model.evaluating {
        try withoutGradients {
            for first in stride(from: 0, to: order.count, by: batchSize) {
                let places = order[first..<min(first + batchSize, order.count)]
                let written = try greedyTargets(
                    model, of: places.map { sources[$0] }, begin: begin, end: end, count: count)
                for (place, target) in zip(places, written) { targets[place] = target }
            }
        }
    }
    return targets
}

/// The targets of sources that are written side by side.
private func greedyTargets(
    _ model: some SequenceToSequenceModel, of sources: [[Int32]], begin: Int32, end: Int32, count: Int
) throws -> [[Int32]] {
    var targets = [[Int32]](repeating: [], count: sources.count)
    var hasEnded = [Bool](repeating: false, count: sources.count)
    // Which target each row of the state is.
    var rows = [Int](sources.indices)
    var state = model.makeState(source: model.padded(sources))
    var last = [Int32](repeating: begin, count: rows.count)
    for length in 1...count {
        let logits = model.nextLogits(Tensor(last, [rows.count, 1], device: model.device), &state)
        last = try mostProbable(logits, length)
        for (row, token) in zip(rows, last) where !hasEnded[row] {
            if token == end { hasEnded[row] = true } else { targets[row].append(token) }
        }
        let running = rows.indices.filter { !hasEnded[rows[$0]] }
        if running.isEmpty { break }
        // What is kept is copied then, so not for every target that ends.
        if running.count <= rows.count / 2 {
            state.select(running)
            (rows, last) = (running.map { rows[$0] }, running.map { last[$0] })
        }
    }
    return targets
}

/// The most probable token of each row of logits, [batch, vocabulary].
private func mostProbable(_ logits: Tensor, _ length: Int) throws -> [Int32] {
    let greatest = try logits.max([1]).cast(to: .float32).floats()
    if let value = greatest.first(where: { $0.isNaN || $0 == .infinity }) {
        throw GimbalError.nonFinite(
            quantity: "the greatest logit", value: Double(value),
            place: "place \(length) of a target that is written: the model's weights may not be finite")
    }
    return try logits.argMax().integers()
}

/// Looks for the most probable target of a source; the search is that which goes on with a prompt.
/// - Parameters:
///   - model: predicts the tokens; on any device.
///   - source: may be empty.
///   - begin: the token that begins a target.
///   - end: the token that ends one.
///   - beams: how many beginnings go on, and the most hypotheses that are returned; at least 1.
///   - maximumCount: the most tokens of a target, with that which ends it, at least 1; never more than the model can look at.
///   - lengthPenalty: the power of the length that divides the sum of logarithms: 1 compares means, greater ones prefer
///     long targets, 0 compares sums.
/// - Returns: at most `beams`, the best first, without `begin`, and with `end` where it came.
/// - Throws: as `greedySearch`.
public func beamSearch(
    _ model: some SequenceToSequenceModel, source: [Int32], begin: Int32, end: Int32, beams: Int, maximumCount: Int,
    lengthPenalty: Double = 1
) throws -> [BeamHypothesis] {
    try beamSearch(
        ConditionedModel(model, source: source), prompt: [begin], beams: beams,
        maximumCount: min(maximumCount, model.maximumLength ?? maximumCount), lengthPenalty: lengthPenalty,
        stopTokens: [end])
}
