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

    /// (1 - pₜ)^gamma has an infinite slope, or none, where pₜ is 1.
    @Test(arguments: BackendUnderTest.all) func focalOfCertainLogits(on subject: BackendUnderTest) throws {
        try withDevice(Device(backend: subject.backend)) {
            let logits: [Double] = [-200, -1, 0, 20, 200, -1e37, 1e37, 1e37, -1e4]
            let targets: [Double] = [0, 1, 1, 1, 1, 0, 1, 0, 1]
            func gradients(_ loss: (Tensor, Tensor) -> Tensor) throws -> [Float] {
                let x = Tensor(logits).requiringGradient()
                return try gradient(of: loss(x, Tensor(targets)), withRespectTo: x).floats()
            }
            let plain = try gradients { binaryCrossEntropyWithLogits($0, $1, reduction: .sum) }
            let without = try gradients { focal($0, $1, alpha: nil, gamma: 0, reduction: .sum) }
            #expect(plain == without && plain.allSatisfy { $0.isFinite }, "\(plain) \(without)")
            for gamma in [0.25, 0.5, 1, 2, 5] {
                let x = Tensor(logits)
                let losses = try focal(x, Tensor(targets), gamma: gamma, reduction: .none).floats()
                let found = try gradients { focal($0, $1, gamma: gamma, reduction: .sum) }
                #expect(
                    losses.allSatisfy { $0.isFinite } && found.allSatisfy { $0.isFinite },
                    "\(gamma): \(losses) \(found)")
                #expect(found[0] == 0 && found[4] == 0 && found[5] == 0 && found[6] == 0, "\(gamma): \(found)")
                #expect(abs(found[7] - 0.75) < 1e-6 && abs(found[8] + 0.25) < 1e-6, "\(gamma): \(found)")
            }
        }
    }

    /// Predictions that are finite have gradients that are numbers, however large they are.
    @Test(arguments: BackendUnderTest.all) func noLossOfFinitePredictionsHasNaNInItsGradient(
        on subject: BackendUnderTest
    ) throws {
        let ends: [Double] = [0, 20, -20, 200, -200, 1e4, -1e4, 1e37, -1e37, 1e-38]
        let losses: [(String, (Tensor, Tensor) -> Tensor)] = [
            ("binaryCrossEntropyWithLogits", { binaryCrossEntropyWithLogits($0, $1, reduction: .sum) }),
            (
                "weighted",
                { binaryCrossEntropyWithLogits($0, $1, weight: $1, positiveWeight: $1 * 3, reduction: .sum) }
            ),
            ("binaryCrossEntropy", { binaryCrossEntropy($0.sigmoid(), $1, reduction: .sum) }),
            ("focal", { focal($0, $1, reduction: .sum) }),
            ("focal", { focal($0, $1, gamma: 0.5, reduction: .sum) }),
            ("meanAbsoluteError", { meanAbsoluteError($0, $1, reduction: .sum) }),
            ("meanSquaredError", { meanSquaredError($0, $1, reduction: .sum) }),
            ("huber", { huber($0, $1, reduction: .sum) }),
            ("smoothL1", { smoothL1($0, $1, reduction: .sum) }),
            ("poissonNLL", { poissonNLL($0, $1, isFull: true, reduction: .sum) }),
            ("gaussianNLL", { gaussianNLL($0, $1, variance: $1, reduction: .sum) }),
            ("klDivergence", { klDivergence($0.logSigmoid(), $1, reduction: .sum) }),
            ("hinge", { hinge($0, $1 * 2 - 1, reduction: .sum) }),
            ("hingeEmbedding", { hingeEmbedding($0, $1 * 2 - 1, reduction: .sum) }),
            ("marginRanking", { marginRanking($0, $0 * 0.5, $1 * 2 - 1, reduction: .sum) }),
            (
                "multiMargin",
                { x, _ in multiMargin(x.reshaped([2, 10]), Tensor([3, 4] as [Int32]), reduction: .sum) }
            ),
            ("crossEntropy", { x, _ in crossEntropy(x.reshaped([2, 10]), Tensor([3, 4] as [Int32])) }),
            (
                "smoothed",
                { x, _ in crossEntropy(x.reshaped([2, 10]), Tensor([3, 4] as [Int32]), labelSmoothing: 0.1) }
            ),
            ("cosineSimilarity", { cosineSimilarity($0.reshaped([10, 2]), $1.reshaped([10, 2])).sum() }),
            ("pairwiseDistance", { pairwiseDistance($0.reshaped([10, 2]), $1.reshaped([10, 2])).sum() }),
            ("pairwiseDistance", { pairwiseDistance($0.reshaped([10, 2]), $1.reshaped([10, 2]), p: 3).sum() }),
        ]
        try withDevice(Device(backend: subject.backend)) {
            for (name, loss) in losses {
                let x = Tensor(ends + ends).requiringGradient()
                let targets = Tensor(ends.map { _ in 0.0 } + ends.map { _ in 1.0 })
                let values = try gradient(of: loss(x, targets), withRespectTo: x).floats()
                #expect(!values.contains { $0.isNaN }, "\(name): \(values)")
            }
        }
    }
}
