import Foundation
import GimbalNN
import GimbalTestSupport
import Testing

/// Gradients of the losses against central differences.
@Suite struct LossTests {
    static let reductions: [LossReduction] = [.mean, .sum, .none, .batchMean]

    @Test func crossEntropies() throws {
        let classes: [Int32] = [0, 2, -100, 1, 2, 0]
        for reduction in Self.reductions {
            for smoothing in [0, 0.2] {
                for isWeighted in [false, true] {
                    func weight() -> Tensor? { isWeighted ? Tensor([0.3, 1, 2] as [Double]) : nil }
                    for shape in [[6, 3], [2, 3, 3], [1, 3, 2, 3]] as [Shape] {
                        let rest = Shape([shape[0]] + shape.sizes.dropFirst(2))
                        try expectGradient(of: .loss("crossEntropy"), [spread(shape)], "\(reduction) \(shape)") {
                            crossEntropy(
                                $0[0], Tensor(classes, rest), weight: weight(), labelSmoothing: smoothing,
                                reduction: reduction)
                        }
                    }
                    try expectGradient(
                        of: .loss("crossEntropy"), [spread([4, 3]), spread([4, 3], low: 0, high: 1)], "soft"
                    ) {
                        crossEntropy(
                            $0[0], $0[1], weight: weight(), labelSmoothing: smoothing, reduction: reduction)
                    }
                    try expectGradient(of: .loss("negativeLogLikelihood"), [spread([6, 3])]) {
                        negativeLogLikelihood($0[0], Tensor(classes), weight: weight(), reduction: reduction)
                    }
                }
            }
        }
    }

    @Test func pairsOfOneShape() throws {
        let losses: [(String, (Tensor, Tensor, LossReduction) -> Tensor)] = [
            ("meanSquaredError", { meanSquaredError($0, $1, reduction: $2) }),
            ("meanAbsoluteError", { meanAbsoluteError($0, $1, reduction: $2) }),
            ("huber", { huber($0, $1, delta: 0.4, reduction: $2) }),
            ("smoothL1", { smoothL1($0, $1, beta: 0.3, reduction: $2) }),
            ("smoothL1", { smoothL1($0, $1, beta: 0, reduction: $2) }),
            ("binaryCrossEntropy", { binaryCrossEntropy($0, $1, reduction: $2) }),
            ("binaryCrossEntropyWithLogits", { binaryCrossEntropyWithLogits($0, $1, reduction: $2) }),
            (
                "binaryCrossEntropyWithLogits",
                {
                    let weight = Tensor([0.5, 1, 2] as [Double])
                    return binaryCrossEntropyWithLogits($0, $1, weight: weight, positiveWeight: weight, reduction: $2)
                }
            ),
            ("focal", { focal($0, $1, reduction: $2) }),
            ("poissonNLL", { poissonNLL($0, $1 * 3, isFull: true, reduction: $2) }),
            ("poissonNLL", { poissonNLL($0, $1 * 3, isLogarithmic: false, isFull: true, reduction: $2) }),
            ("gaussianNLL", { gaussianNLL($0, $1, variance: $1, isFull: true, reduction: $2) }),
            ("klDivergence", { klDivergence($0.log(), $1, reduction: $2) }),
            ("klDivergence", { klDivergence($0, $1, isLogTarget: true, reduction: $2) }),
            ("hinge", { hinge($0, $1, margin: 0.3, reduction: $2) }),
            ("cosineEmbedding", { cosineEmbedding($0, $1, Tensor([1, -1, 1, -1] as [Double]), reduction: $2) }),
            ("cosineSimilarity", { x, y, _ in cosineSimilarity(x, y) }),
            ("pairwiseDistance", { x, y, _ in pairwiseDistance(x, y, p: 3) }),
            ("pairwiseDistance", { x, y, _ in pairwiseDistance(x, y, p: .infinity) }),
            ("tripletMargin", { tripletMargin($0, $1, $0 * $1, reduction: $2) }),
            ("tripletMargin", { tripletMargin($0, $1, $0 * $1, p: 1, swaps: true, reduction: $2) }),
            ("hingeEmbedding", { hingeEmbedding($0 + $1, Self.signs, margin: 0.9, reduction: $2) }),
            ("marginRanking", { marginRanking($0, $1, Self.signs, margin: 0.1, reduction: $2) }),
        ]
        for (name, loss) in losses {
            for reduction in Self.reductions {
                let inputs = [spread([4, 3], low: 0.11, high: 0.93), spread([4, 3], low: 0.17, high: 0.89)]
                // The second input is read in another order, so that the two are not one after the other in size.
                try expectGradient(of: .loss(name), inputs, "\(reduction)") {
                    loss($0[0], $0[1].reshaped([3, 4]).transposed().contiguous(), reduction)
                }
            }
        }
    }

    static var signs: Tensor { Tensor([1, -1, 1, -1, -1, 1, 1, 1, -1, 1, -1, -1] as [Double], [4, 3]) }

    @Test func margins() throws {
        for p in [1, 2] {
            for reduction in Self.reductions {
                try expectGradient(of: .loss("multiMargin"), [spread([4, 3])], "\(p) \(reduction)") {
                    multiMargin(
                        $0[0], Tensor([0, 2, 1, 1] as [Int32]), p: p, margin: 0.7,
                        weight: Tensor([0.3, 1, 2] as [Double]), reduction: reduction)
                }
            }
        }
    }

    /// Without its factors, the focal loss is the binary cross-entropy; a target's factor is (1 - pₜ)^γ by definition.
    @Test func focalFollowsItsDefinition() throws {
        try withDevice(Device(backend: ReferenceBackend())) {
            let x = Tensor(spread([4, 3]).values, [4, 3])
            let t = (Self.signs + 1) * 0.5
            let plain = try binaryCrossEntropyWithLogits(x, t, reduction: .none).doubles()
            let bare = try focal(x, t, alpha: nil, gamma: 0, reduction: .none).doubles()
            let whole = try focal(x, t, reduction: .none).doubles()
            let (targets, p) = (try t.doubles(), try x.sigmoid().doubles())
            for i in plain.indices {
                #expect(abs(bare[i] - plain[i]) < 1e-14)
                let wrong = targets[i] == 1 ? 1 - p[i] : p[i]
                let expected = (targets[i] == 1 ? 0.25 : 0.75) * wrong * wrong * plain[i]
                #expect(abs(whole[i] - expected) < 1e-14)
            }
        }
    }
}

/// Gradients of connectionist temporal classification, and its definition by enumeration.
@Suite struct TemporalClassificationTests {
    static let targets: [Int32] = [1, 2, 2, 2, 1, -7, 3, 0, 0, 0, 0, 0]

    func loss(_ x: Tensor, zeroInfinity: Bool = false, reduction: LossReduction) -> Tensor {
        temporalClassification(
            x, Tensor(Self.targets, [4, 3]), inputLengths: Tensor([5, 4, 3, 2] as [Int32]),
            targetLengths: Tensor([3, 2, 1, 0] as [Int32]), zeroInfinity: zeroInfinity, reduction: reduction)
    }

    @Test func gradientsAgreeWithDifferences() throws {
        let x = [spread([5, 4, 4])]
        // The logarithms need not belong to a distribution.
        for reduction in [LossReduction.none, .sum, .mean] {
            try expectGradient(of: .loss("temporalClassification"), x, "\(reduction)") {
                loss($0[0], zeroInfinity: reduction == .sum, reduction: reduction)
            }
        }
        try expectGradient(of: .loss("temporalClassification"), x) { loss($0[0].logSoftmax(), reduction: .mean) }
    }

    /// The probability of a target is that of all sequences that spell it.
    @Test func lossIsTheLogarithmOfTheSumOverAllSequences() throws {
        try withDevice(Device(backend: ReferenceBackend())) {
            let x = Tensor(spread([5, 4, 4]).values, [5, 4, 4]).logSoftmax()
            let logarithms = try x.doubles()
            let losses = try loss(x, reduction: .none).doubles()
            let lengths = [(5, 3), (4, 2), (3, 1), (2, 0)]
            for (sample, (steps, labels)) in lengths.enumerated() {
                let target = Self.targets[3 * sample..<3 * sample + labels].map(Int.init)
                var total = 0.0
                for sequence in 0..<(1 << (2 * steps)) {
                    let classes = (0..<steps).map { (sequence >> (2 * $0)) & 3 }
                    var spelled: [Int] = []
                    for (index, each) in classes.enumerated() where index == 0 || each != classes[index - 1] {
                        if each != 0 { spelled.append(each) }
                    }
                    guard spelled == target else { continue }
                    total += exp(
                        classes.enumerated().reduce(0) { $0 + logarithms[($1.offset * 4 + sample) * 4 + $1.element] })
                }
                #expect(abs(losses[sample] + log(total)) < 1e-12, "sample \(sample)")
            }
        }
    }

    @Test func batchesMayBeEmpty() throws {
        try withDevice(Device(backend: ReferenceBackend())) {
            let none = Tensor([] as [Int32], [0])
            let losses = temporalClassification(
                Tensor.zeros([4, 0, 3]), Tensor([] as [Int32], [0, 2]), inputLengths: none, targetLengths: none,
                reduction: .none)
            #expect(losses.shape == [0])
            let still = try temporalClassification(
                Tensor.zeros([0, 2, 3]), Tensor([1, 2] as [Int32], [2, 1]),
                inputLengths: Tensor([0, 0] as [Int32]), targetLengths: Tensor([0, 1] as [Int32]), reduction: .none
            ).doubles()
            #expect(still == [0, .infinity], "in no time nothing can be said")
        }
    }
}
