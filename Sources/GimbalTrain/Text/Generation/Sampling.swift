import Foundation
import Gimbal

/// How the next token is chosen by the logits of a model.
///
/// The steps come in the order of Hugging Face's `generate`: the repetition penalty, the temperature, top-k, top-p, and the
/// draw by the softmax of what is left.
public struct Sampling: Sendable, Equatable {
    /// Divides the logits: below 1 what is probable becomes more so. 0 takes the most probable token always (greedy), of
    /// equal ones that of the smallest number.
    public var temperature: Double
    /// How many tokens are left, the most probable; those that are equal to the last of them stay too. nil for all.
    public var topK: Int?
    /// Leaves the fewest tokens whose probabilities together are at least this, the most probable first, and of equal ones
    /// those of smaller numbers (nucleus sampling; Holtzman et al. 2020, equations 2 and 3). In (0, 1]; nil for all.
    public var topP: Double?
    /// Divides the positive logits of tokens that the text has already, the prompt included, and multiplies the negative
    /// ones (Keskar et al. 2019, section 4.1, as Hugging Face applies it): above 1 there is less repetition.
    public var repetitionPenalty: Double

    /// A way to choose; the defaults draw from the model's own distribution.
    public init(
        temperature: Double = 1, topK: Int? = nil, topP: Double? = nil, repetitionPenalty: Double = 1
    ) {
        require(temperature >= 0 && temperature.isFinite, "Sampling", "a temperature of \(temperature)")
        require(topK ?? 1 >= 1, "Sampling", "a choice of \(topK ?? 0) tokens")
        require(topP.map { $0 > 0 && $0 <= 1 } ?? true, "Sampling", "top-p is in (0, 1], not \(topP ?? 0)")
        require(
            repetitionPenalty > 0 && repetitionPenalty.isFinite, "Sampling",
            "a repetition penalty of \(repetitionPenalty)")
        self.temperature = temperature
        self.topK = topK
        self.topP = topP
        self.repetitionPenalty = repetitionPenalty
    }

    /// The most probable token always.
    public static let greedy = Sampling(temperature: 0)

    /// The probability of each token to be chosen, worked out in Double.
    /// - Parameters:
    ///   - logits: one for each token, none NaN; -infinity for one that cannot be.
    ///   - seen: the tokens that the text has already.
    public func probabilities(_ logits: [Float], seen: Set<Int32> = []) -> [Double] {
        var scores = logits.map { Double($0) }
        if repetitionPenalty != 1 {
            for token in seen where scores.indices.contains(Int(token)) {
                let score = scores[Int(token)]
                scores[Int(token)] = score < 0 ? score * repetitionPenalty : score / repetitionPenalty
            }
        }
        if temperature == 0 {
            let best = scores.indices.max { scores[$0] < scores[$1] || scores[$0] == scores[$1] && $0 > $1 }
            return scores.indices.map { $0 == best ? 1 : 0 }
        }
        for place in scores.indices { scores[place] /= temperature }
        if let topK, topK < scores.count {
            let last = scores.sorted(by: >)[topK - 1]
            for place in scores.indices where scores[place] < last { scores[place] = -.infinity }
        }
        var result = Self.softmax(scores)
        if let topP, topP < 1 {
            let order = result.indices.filter { result[$0] > 0 }
                .sorted { (result[$1], $0) < (result[$0], $1) }
            var sum = 0.0
            var count = 0
            while count < order.count, count == 0 || sum < topP {
                sum += result[order[count]]
                count += 1
            }
            for place in order[count...] { result[place] = 0 }
            for place in order[..<count] { result[place] /= sum }
        }
        return result
    }

    static func softmax(_ scores: [Double]) -> [Double] {
        let greatest = scores.max() ?? 0
        let powers = scores.map { exp($0 - greatest) }
        let sum = powers.reduce(0, +)
        return powers.map { $0 / sum }
    }
}

/// Chooses tokens one after the other. The same seed gives the same choices, on every device, for the same logits.
struct TokenChooser {
    let sampling: Sampling
    private var random: Philox

    init(_ sampling: Sampling, seed: UInt64) {
        self.sampling = sampling
        random = Philox(seed: seed, stream: .generation)
    }

    mutating func next(_ logits: [Float], seen: Set<Int32>) -> Int32 {
        let probabilities = sampling.probabilities(logits, seen: seen)
        // One number for each token, whether it is needed or not.
        let word = UInt64(random.next()) << 32 | UInt64(random.next())
        var rest = Double(word >> 11) * 0x1p-53
        var last = 0
        for (token, probability) in probabilities.enumerated() where probability > 0 {
            if rest < probability { return Int32(token) }
            rest -= probability
            last = token
        }
        return Int32(last)
    }
}
