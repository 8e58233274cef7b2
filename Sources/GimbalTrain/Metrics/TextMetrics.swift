import Foundation

/// exp of the mean cross-entropy per token: among how many tokens, as it were, the model still has to guess.
///
/// Takes logits of [tokens, classes] and int32 targets of [tokens]; each batch is summed on the device, and batches are
/// added up in Double.
public struct Perplexity: StreamingMetric {
    /// A target, such as padding, whose tokens are left out; nil for none.
    public let ignoredClass: Int?
    private var losses = BatchSums()
    private var tokens = DeviceCounts(binCount: 2)

    /// A metric that leaves out tokens whose target is `ignoredClass`; nil leaves out none.
    public init(ignoring ignoredClass: Int? = nil) { self.ignoredClass = ignoredClass }

    public mutating func update(_ outputs: Tensor, _ targets: Tensor) {
        requireClasses("Perplexity", outputs, targets)
        let (outputs, targets) = (outputs.detached(), targets.detached())
        guard let ignoredClass else {
            losses.add(outputs.crossEntropies(targets).sum())
            tokens.add(targets.equals(targets))
            return
        }
        let device = targets.device
        losses.add(outputs.crossEntropies(targets, ignoredIndex: ignoredClass).sum())
        let isIgnored = targets.equals(Tensor([Int32(ignoredClass)], [1], device: device))
        tokens.add(isIgnored.equals(Tensor([0] as [UInt8], [1], device: device)))
    }

    /// The mean cross-entropy per token in nats; NaN over none.
    public var meanLoss: Double {
        get throws { try losses.total / Double(tokens.values[1]) }
    }

    /// exp of `meanLoss`; NaN over no tokens.
    public var value: Double { get throws { exp(try meanLoss) } }

    public mutating func reset() {
        losses = BatchSums()
        tokens.reset()
    }
}

/// Sums of batches that stay on the device until they are asked for, and are added in Double.
struct BatchSums {
    private var pending: [Tensor] = []

    mutating func add(_ sum: Tensor) { pending.append(sum.reshaped([1])) }

    /// Waits for the device.
    var total: Double {
        get throws {
            guard !pending.isEmpty else { return 0 }
            return try Tensor.concatenated(pending, axis: 0).doubles().reduce(0, +)
        }
    }
}

/// How like reference translations a translation is (Papineni et al. 2002): the geometric mean of the shares of n-grams
/// that a reference has too, times a penalty for brevity. In 0...1; it is often printed times 100.
///
/// Takes sentences as lists of tokens, words or numbers alike, and adds up a corpus; the results are those of sacreBLEU
/// over the same tokens. Words are the same where their bytes are, as in other programs.
///
/// ```swift
/// var bleu = BLEU<Substring>()
/// bleu.update(hypothesis: "the cat sat".split(separator: " "), references: ["the cat sat down".split(separator: " ")])
/// print(bleu.value)
/// ```
public struct BLEU<Token: Hashable & Sendable>: Sendable {
    /// The largest n of the n-grams that are counted.
    public let maximumOrder: Int
    /// What stands in for the matches of an order that has none.
    public let smoothing: BLEUSmoothing
    /// Whether orders above the longest n-gram that there is are left out of the mean, which sentences need.
    public let usesEffectiveOrder: Bool

    /// For each order from 1 on, how many n-grams of the hypotheses a reference has too.
    public private(set) var matches: [Int]
    /// For each order from 1 on, how many n-grams the hypotheses have.
    public private(set) var totals: [Int]
    /// Tokens in all hypotheses.
    public private(set) var hypothesisLength = 0
    /// Tokens in all references, of each hypothesis that which is nearest to it in length.
    public private(set) var referenceLength = 0

    /// A score over n-grams of 1 to `maximumOrder` tokens. The defaults are those of sacreBLEU for a corpus; a single
    /// sentence needs `usesEffectiveOrder`, which `sentence(hypothesis:references:maximumOrder:smoothing:)` sets.
    public init(maximumOrder: Int = 4, smoothing: BLEUSmoothing = .exponential, usesEffectiveOrder: Bool = false) {
        require(maximumOrder > 0, "BLEU", "n-grams up to \(maximumOrder)")
        self.maximumOrder = maximumOrder
        self.smoothing = smoothing
        self.usesEffectiveOrder = usesEffectiveOrder
        matches = [Int](repeating: 0, count: maximumOrder)
        totals = matches
    }

    /// Takes in one sentence.
    /// - Parameters:
    ///   - hypothesis: the tokens of the translation to be judged.
    ///   - references: those of translations to compare it with; at least one.
    public mutating func update(hypothesis: [Token], references: [[Token]]) {
        require(!references.isEmpty, "BLEU", "a hypothesis without a reference")
        hypothesisLength += hypothesis.count
        // Of references equally near in length the shorter.
        referenceLength += references.map(\.count).min {
            (abs($0 - hypothesis.count), $0) < (abs($1 - hypothesis.count), $1)
        }!
        var numbers: [AnyHashable: Int] = [:]
        func numbered(_ tokens: [Token]) -> [Int] {
            tokens.map { token -> Int in
                let text = token as? any StringProtocol
                let key = text.map { AnyHashable(ExactText($0)) } ?? AnyHashable(token)
                if let number = numbers[key] { return number }
                numbers[key] = numbers.count
                return numbers.count - 1
            }
        }
        let (hypothesis, references) = (numbered(hypothesis), references.map(numbered))
        for order in 1...maximumOrder where order <= hypothesis.count {
            var allowed: [ArraySlice<Int>: Int] = [:]
            for reference in references {
                allowed.merge(counts(reference, order), uniquingKeysWith: max)
            }
            for (gram, count) in counts(hypothesis, order) {
                totals[order - 1] += count
                matches[order - 1] += min(count, allowed[gram] ?? 0)
            }
        }
    }

    /// exp(1 - reference length / hypothesis length) where the hypotheses are shorter, else 1.
    public var brevityPenalty: Double {
        if hypothesisLength >= referenceLength { return 1 }
        return hypothesisLength == 0 ? 0 : exp(1 - Double(referenceLength) / Double(hypothesisLength))
    }

    /// The score of everything taken in, in 0...1: 0 where no token matches, or, without smoothing, no n-gram of some
    /// order.
    public var value: Double {
        guard matches.contains(where: { $0 > 0 }) else { return 0 }
        var logarithms = 0.0
        var orders = maximumOrder
        var halving = 1.0
        for order in 0..<maximumOrder {
            var (match, total) = (Double(matches[order]), Double(totals[order]))
            if case .add(let count) = smoothing, order > 0 { (match, total) = (match + count, total + count) }
            if total == 0 {
                if !usesEffectiveOrder { return 0 }
                break
            }
            if usesEffectiveOrder { orders = order + 1 }
            if match == 0 {
                switch smoothing {
                case .none, .add: break
                case .floor(let value): match = value
                case .exponential:
                    halving *= 2
                    match = 1 / halving
                }
            }
            if match == 0 { return 0 }
            logarithms += log(match / total)
        }
        return brevityPenalty * exp(logarithms / Double(orders))
    }

    /// Forgets everything taken in.
    public mutating func reset() {
        self = BLEU(maximumOrder: maximumOrder, smoothing: smoothing, usesEffectiveOrder: usesEffectiveOrder)
    }

    /// The score of one sentence by itself.
    public static func sentence(
        hypothesis: [Token], references: [[Token]], maximumOrder: Int = 4, smoothing: BLEUSmoothing = .exponential
    ) -> Double {
        var bleu = BLEU(maximumOrder: maximumOrder, smoothing: smoothing, usesEffectiveOrder: true)
        bleu.update(hypothesis: hypothesis, references: references)
        return bleu.value
    }

    private func counts(_ tokens: [Int], _ order: Int) -> [ArraySlice<Int>: Int] {
        guard tokens.count >= order else { return [:] }
        return (0...tokens.count - order).reduce(into: [:]) { $0[tokens[$1..<$1 + order], default: 0] += 1 }
    }
}

/// What stands in where no n-gram of an order matches (Chen and Cherry 2014, A Systematic Comparison of Smoothing
/// Techniques for Sentence-Level BLEU).
public enum BLEUSmoothing: Sendable, Equatable {
    /// Nothing: a single order without a match makes the score 0.
    case none
    /// A small number of matches (method 1).
    case floor(Double)
    /// As many matches and n-grams more in every order above 1 (method 2).
    case add(Double)
    /// ½ for the first such order, ¼ for the second, … (method 3, that of NIST).
    case exponential
}
