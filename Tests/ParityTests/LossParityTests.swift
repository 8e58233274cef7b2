import GimbalNN
import GimbalTestSupport
import Testing

/// Every loss, with every option and reduction, against PyTorch: values to 1e-5, gradients to 1e-4 and better.
@Suite(.serialized) struct LossParityTests {
    /// Reads the inputs of cases from the fixture, and compares what losses make of them.
    struct Comparison {
        let fixture: Fixture
        let device: Device
        static let reductions: [(LossReduction, String)] = [
            (.none, "none"), (.sum, "sum"), (.batchMean, "batchmean"), (.mean, "mean"),
        ]

        init(_ device: Device) throws {
            fixture = try Fixture("loss-functions")
            self.device = device
        }

        func tensor(_ name: String) throws -> Tensor { try fixture.tensor(name, on: device) }
        func classes(_ name: String) throws -> Tensor { try tensor(name).cast(to: .int32) }

        /// Compares each reduction that the fixture has, and the gradients of the last for each input that it names.
        /// - Parameter inputs: names in the case and in the fixture.
        func check(
            _ loss: String, _ name: String, _ inputs: [(String, String)],
            _ function: ([Tensor], LossReduction) -> Tensor, sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            let names = Set(fixture.names)
            let reductions = Self.reductions.filter { names.contains("\(name).\($0.1)") }
            #expect(!reductions.isEmpty, "the fixture has no \(name)", sourceLocation: sourceLocation)
            for (index, (reduction, label)) in reductions.enumerated() {
                let leaves = try inputs.map { try tensor($0.1).requiringGradient() }
                let result = function(leaves, reduction)
                try expectClose(
                    result, try fixture.values("\(name).\(label)"), 1e-5, "\(name) \(label)", of: .loss(loss),
                    .outputs, sourceLocation: sourceLocation)
                guard index == reductions.count - 1 else { continue }
                try result.sum().backward()
                for (leaf, input) in zip(leaves, inputs) where names.contains("\(name).gradients.\(input.0)") {
                    try expectClose(
                        try #require(leaf.gradient), try fixture.values("\(name).gradients.\(input.0)"), 1e-5,
                        "\(name): gradient of \(input.0)", of: .loss(loss), .gradients, sourceLocation: sourceLocation)
                }
            }
        }
    }

    @Test(arguments: devices) func crossEntropies(_ subject: BackendUnderTest) throws {
        let compare = try Comparison(subject.device)
        for key in ["2", "1", "3", "4"] {
            let logits = [("logits", "logits_\(key)")]
            let weights = try compare.tensor("weights_\(key)")
            for (name, weight) in [("", nil), ("_weighted", weights)] {
                for smoothing in [0.0, 0.1, 1.0] {
                    for label in ["", "_ignoring"] {
                        let targets = try compare.classes("targets\(label)_\(key)")
                        try compare.check(
                            "crossEntropy", "cross_entropy\(label)\(name)_\(smoothing)_\(key)", logits
                        ) {
                            crossEntropy($0[0], targets, weight: weight, labelSmoothing: smoothing, reduction: $1)
                        }
                        guard label.isEmpty else { continue }
                        try compare.check("crossEntropy", "cross_entropy\(name)_\(smoothing)_\(key)", logits) {
                            crossEntropy(
                                $0[0], targets, weight: weight, labelSmoothing: smoothing, ignoredIndex: nil,
                                reduction: $1)
                        }
                    }
                    try compare.check(
                        "crossEntropy", "cross_entropy_soft\(name)_\(smoothing)_\(key)",
                        logits + [("targets", "probabilities_\(key)")]
                    ) {
                        crossEntropy($0[0], $0[1], weight: weight, labelSmoothing: smoothing, reduction: $1)
                    }
                }
                let targets = try compare.classes("targets_ignoring_\(key)")
                try compare.check("negativeLogLikelihood", "nll\(name)_\(key)", logits) {
                    negativeLogLikelihood($0[0].logSoftmax(axis: 1), targets, weight: weight, reduction: $1)
                }
            }
        }
        let targets = try compare.classes("targets_2")
        try compare.check("crossEntropy", "cross_entropy_index_2", [("logits", "logits_2")]) {
            crossEntropy($0[0], targets, ignoredIndex: 1, reduction: $1)
        }
        let logits = try compare.tensor("logits_infinite")
        let infinite = crossEntropy(logits, try compare.classes("targets_infinite"), reduction: .none)
        try expectClose(infinite, try compare.fixture.values("cross_entropy_infinite.none"), 1e-6, "infinite logits")
    }

    /// Over no rows a mean is 0 / 0, as in PyTorch; sums are 0.
    @Test(arguments: devices) func emptyAndIgnoredBatches(_ subject: BackendUnderTest) throws {
        try withDevice(subject.device) {
            let ignored = Tensor([-100, -100] as [Int32])
            let none = Tensor([] as [Int32], [0])
            for weight in [nil, Tensor([0.5, 1, 2] as [Float])] {
                for smoothing in [0.0, 0.1] {
                    func loss(_ rows: Int, _ targets: Tensor, _ reduction: LossReduction) -> Tensor {
                        crossEntropy(
                            Tensor.ones([rows, 3]), targets, weight: weight, labelSmoothing: smoothing,
                            reduction: reduction)
                    }
                    for (rows, targets) in [(2, ignored), (0, none)] {
                        let mean = try loss(rows, targets, .mean).item()
                        #expect(mean.isNaN)
                        let sum = try loss(rows, targets, .sum).item()
                        #expect(sum == 0)
                        let each = try loss(rows, targets, .none).floats()
                        #expect(each == [Float](repeating: 0, count: rows))
                    }
                    let wrong = try loss(2, Tensor([3, -1] as [Int32]), .none).floats()
                    #expect(wrong.allSatisfy { $0.isNaN }, "a class out of range shows")
                }
            }
            for reduction in [LossReduction.mean, .sum] {
                let logits = Tensor.ones([2, 3]).requiringGradient()
                try crossEntropy(logits, ignored, reduction: reduction).backward()
                let gradient = try #require(logits.gradient).floats()
                #expect(gradient == [Float](repeating: 0, count: 6), "rows that are ignored learn nothing")
            }
            let wrong = try negativeLogLikelihood(Tensor.ones([2, 3]), Tensor([3, -1] as [Int32]), reduction: .none)
                .floats()
            #expect(wrong.allSatisfy { $0.isNaN })
            let empty = Tensor.zeros([0, 4])
            for loss in [meanSquaredError(empty, empty), huber(empty, empty), hinge(empty, empty)] {
                let mean = try loss.item()
                #expect(mean.isNaN)
            }
        }
    }

    @Test(arguments: devices) func binaryLosses(_ subject: BackendUnderTest) throws {
        let compare = try Comparison(subject.device)
        let targets = try compare.tensor("t")
        for (name, weight) in [("", nil), ("_weighted", try compare.tensor("bce_weight"))] {
            try compare.check("binaryCrossEntropy", "bce\(name)", [("p", "p")]) {
                binaryCrossEntropy($0[0], targets, weight: weight, reduction: $1)
            }
            for (label, positive) in [("", nil), ("_positive", try compare.tensor("positive"))] {
                try compare.check(
                    "binaryCrossEntropyWithLogits", "bce_logits\(name)\(label)", [("z", "z"), ("t", "t")]
                ) {
                    binaryCrossEntropyWithLogits(
                        $0[0], $0[1], weight: weight, positiveWeight: positive, reduction: $1)
                }
            }
        }
        try compare.check("binaryCrossEntropy", "bce_targets", [("p", "p_inside"), ("t", "t")]) {
            binaryCrossEntropy($0[0], $0[1], reduction: $1)
        }
    }

    @Test(arguments: devices) func regressionLosses(_ subject: BackendUnderTest) throws {
        let compare = try Comparison(subject.device)
        let pair = [("x", "x"), ("y", "y")]
        try compare.check("meanSquaredError", "mse", pair) { meanSquaredError($0[0], $0[1], reduction: $1) }
        try compare.check("meanAbsoluteError", "l1", pair) { meanAbsoluteError($0[0], $0[1], reduction: $1) }
        for delta in [0.5, 1, 3] {
            try compare.check("huber", "huber_\(delta)", pair) { huber($0[0], $0[1], delta: delta, reduction: $1) }
        }
        for beta in [0.0, 0.5, 1, 2] {
            try compare.check("smoothL1", "smooth_l1_\(beta)", pair) {
                smoothL1($0[0], $0[1], beta: beta, reduction: $1)
            }
        }
        let counts = try compare.tensor("counts")
        for (label, isFull) in [("0", false), ("1", true)] {
            try compare.check("poissonNLL", "poisson_log_\(label)", [("x", "small")]) {
                poissonNLL($0[0], counts, isFull: isFull, reduction: $1)
            }
            try compare.check("poissonNLL", "poisson_\(label)", [("x", "rates")]) {
                poissonNLL($0[0], counts, isLogarithmic: false, isFull: isFull, reduction: $1)
            }
            let inputs = [("x", "small"), ("y", "y")]
            try compare.check("gaussianNLL", "gaussian_\(label)", inputs + [("variance", "variance")]) {
                gaussianNLL($0[0], $0[1], variance: $0[2], isFull: isFull, epsilon: 1e-2, reduction: $1)
            }
            try compare.check("gaussianNLL", "gaussian_column_\(label)", inputs + [("variance", "column")]) {
                gaussianNLL($0[0], $0[1], variance: $0[2], isFull: isFull, reduction: $1)
            }
        }
    }

    @Test(arguments: devices) func divergence(_ subject: BackendUnderTest) throws {
        let compare = try Comparison(subject.device)
        let target = try compare.tensor("kl_target")
        try compare.check("klDivergence", "kl", [("x", "kl_logits")]) {
            klDivergence($0[0].logSoftmax(), target, reduction: $1)
        }
        try compare.check("klDivergence", "kl_log", [("x", "kl_logits"), ("t", "kl_log_target")]) {
            klDivergence($0[0].logSoftmax(), $0[1], isLogTarget: true, reduction: $1)
        }
    }

    @Test(arguments: devices) func marginLosses(_ subject: BackendUnderTest) throws {
        let compare = try Comparison(subject.device)
        let signs = try compare.tensor("signs")
        let classes = try compare.classes("classes")
        for margin in [0.5, 1] {
            try compare.check("hinge", "hinge_\(margin)", [("x", "margin_x")]) {
                hinge($0[0], signs, margin: margin, reduction: $1)
            }
            try compare.check("hingeEmbedding", "hinge_embedding_\(margin)", [("x", "margin_x")]) {
                hingeEmbedding($0[0], signs, margin: margin, reduction: $1)
            }
            for p in [1, 2] {
                for (name, weight) in [("", nil), ("_weighted", try compare.tensor("margin_weights"))] {
                    try compare.check("multiMargin", "multi_margin_\(p)_\(margin)\(name)", [("x", "scores")]) {
                        multiMargin($0[0], classes, p: p, margin: margin, weight: weight, reduction: $1)
                    }
                }
            }
        }
        for margin in [0, 0.3] {
            let pair = [("x", "margin_x"), ("second", "margin_second")]
            try compare.check("marginRanking", "margin_ranking_\(margin)", pair) {
                marginRanking($0[0], $0[1], signs, margin: margin, reduction: $1)
            }
        }
    }

    @Test(arguments: devices) func embeddingLosses(_ subject: BackendUnderTest) throws {
        let compare = try Comparison(subject.device)
        let pair = [("a", "a"), ("b", "b")]
        for axis in [0, 1] {
            try compare.check("cosineSimilarity", "cosine_similarity_\(axis)", pair) { inputs, _ in
                cosineSimilarity(inputs[0], inputs[1], axis: axis)
            }
        }
        let signs = try compare.tensor("embedding_signs")
        for margin in [0, 0.3] {
            try compare.check("cosineEmbedding", "cosine_embedding_\(margin)", pair) {
                cosineEmbedding($0[0], $0[1], signs, margin: margin, reduction: $1)
            }
        }
        for p in [1, 2, 3, .infinity] {
            try compare.check("pairwiseDistance", "pairwise_distance_\(p)", pair) { inputs, _ in
                pairwiseDistance(inputs[0], inputs[1], p: p)
            }
        }
        for (p, margin, swaps) in [(2.0, 1.0, false), (2, 0.5, true), (1, 1, true), (3, 2, false)] {
            try compare.check("tripletMargin", "triplet_\(p)_\(margin)_\(swaps ? 1 : 0)", pair + [("c", "c")]) {
                tripletMargin($0[0], $0[1], $0[2], margin: margin, p: p, swaps: swaps, reduction: $1)
            }
        }
    }
}
