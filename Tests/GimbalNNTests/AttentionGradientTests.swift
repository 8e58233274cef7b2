import GimbalNN
import GimbalTestSupport
import Testing

/// Gradients of attention and of what is made of it, against central differences.
@Suite struct AttentionGradientTests {
    static let piece = Piece.layer("scaledDotProductAttention")

    @Test func everyMask() throws {
        let allowed = [1, 0, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1] as [UInt8]
        let padding = [1, 1, 0, 1, 0, 1, 1, 1] as [UInt8]
        let masks: [(String, (Device) -> Tensor?)] = [
            ("none", { _ in nil }), ("allowed", { Tensor(allowed, [3, 4], device: $0) }),
            ("a query without keys", { Tensor([0, 1, 1] as [UInt8], [3, 1], device: $0) }),
            ("padding", { Tensor(padding, [2, 1, 1, 4], device: $0) }),
            ("added", { Tensor(spread([3, 4]).values, [3, 4], device: $0) }),
        ]
        for (name, mask) in masks {
            for isCausal in [false, true] {
                try expectGradient(
                    of: Self.piece, [spread([2, 2, 3, 2]), spread([2, 2, 4, 2]), spread([2, 2, 4, 3])],
                    "\(name), causal: \(isCausal)"
                ) {
                    scaledDotProductAttention($0[0], $0[1], $0[2], mask: mask($0[0].device), isCausal: isCausal)
                }
            }
        }
    }

    @Test func everyRank() throws {
        for leading in [[], [3], [2, 1, 2]] as [[Int]] {
            try expectGradient(
                of: Self.piece, [[3, 2], [4, 2], [4, 2]].map { spread(Shape(leading + $0)) }, "\(leading)"
            ) { scaledDotProductAttention($0[0], $0[1], $0[2], scale: 0.3) }
        }
    }

    /// Scores of 0 weigh every key the same, and 1.5 is three times 1 / √4.
    @Test(arguments: [Device(backend: ReferenceBackend()), .cpu])
    func theScaleIsThatGiven(device: Device) throws {
        try withDevice(device) {
            let generator = RandomGenerator(seed: 1)
            let query = Tensor.normal([1, 2, 3, 4], generator: generator)
            let (key, value) = (
                Tensor.normal([1, 2, 5, 4], generator: generator), Tensor.normal([1, 2, 5, 4], generator: generator)
            )
            func isClose(_ x: Tensor, _ y: Tensor) throws -> Bool {
                try zip(x.contiguous().doubles(), y.contiguous().doubles()).allSatisfy { abs($0 - $1) < 1e-5 }
            }
            let (plain, scaled) = (
                scaledDotProductAttention(query * 3, key, value),
                scaledDotProductAttention(query, key, value, scale: 1.5)
            )
            let isScaled = try isClose(plain, scaled)
            #expect(isScaled)
            let even = scaledDotProductAttention(query, key, value, scale: 0)
            let isEven = try isClose(even, value.mean([2], keepsAxes: true).broadcast(to: even.shape))
            #expect(isEven)
        }
    }

    @Test func theMaskHasAGradient() throws {
        try expectGradient(
            of: Self.piece, [spread([2, 2, 3, 2]), spread([2, 2, 4, 2]), spread([2, 2, 4, 3]), spread([2, 1, 4])]
        ) { scaledDotProductAttention($0[0], $0[1], $0[2], mask: $0[3]) }
        try expectGradient(of: Self.piece, [spread([2, 3, 3])]) {
            scaledDotProductAttention($0[0], $0[0], $0[0], mask: $0[0], isCausal: true)
        }
    }

    /// Longer than the blocks that causal products are cut into.
    @Test func causalBlocks() throws {
        let size = 133
        try withDevice(Device(backend: ReferenceBackend())) {
            let inputs = (0..<3).map { Tensor(samples(2 * size * 3, seed: UInt64($0 + 1)), [2, size, 3]) }
            let ones = [UInt8](0..<UInt8(size)).flatMap { query in (0..<size).map { UInt8($0 <= Int(query) ? 1 : 0) } }
            func gradients(_ mask: Tensor?, isCausal: Bool) throws -> [[Double]] {
                let leaves = inputs.map { $0.requiringGradient() }
                let output = scaledDotProductAttention(leaves[0], leaves[1], leaves[2], mask: mask, isCausal: isCausal)
                try (output * inputs[0]).sum().backward()
                return try [output.doubles()] + leaves.map { try $0.gradient!.doubles() }
            }
            let (causal, masked) = (
                try gradients(nil, isCausal: true), try gradients(Tensor(ones, [size, size]), isCausal: false)
            )
            for (x, y) in zip(causal.joined(), masked.joined()) { #expect(abs(x - y) < 1e-12) }
        }
    }

    @Test func dropout() throws {
        try expectGradient(of: Self.piece, [spread([2, 3, 2]), spread([2, 4, 2]), spread([2, 4, 2])], "dropout") {
            scaledDotProductAttention($0[0], $0[1], $0[2], dropout: 0.4, generator: RandomGenerator(seed: 3))
        }
    }

    @Test func multiheadAttention() throws {
        let piece = Piece.layer("MultiheadAttention")
        for isBatchFirst in [false, true] {
            try expectGradient(
                of: piece, [spread([3, 2, 4])], "self, batch first: \(isBatchFirst)",
                module: { MultiheadAttention(4, heads: 2, isBatchFirst: isBatchFirst) }
            ) { $0($1[0], $1[0], $1[0], isCausal: true) }
            let other: Shape = isBatchFirst ? [3, 5, 4] : [5, 2, 4]
            try expectGradient(
                of: piece, [spread([3, 2, 4]), spread(other), spread(other, low: -1, high: 1)],
                "cross, batch first: \(isBatchFirst)",
                module: { MultiheadAttention(4, heads: 2, hasBias: isBatchFirst, isBatchFirst: isBatchFirst) }
            ) { $0($1[0], $1[1], $1[2]) }
        }
        try expectGradient(
            of: piece, [spread([3, 2, 4]), spread([5, 2, 3]), spread([5, 2, 2])], "other sizes",
            module: { MultiheadAttention(4, heads: 2, keySize: 3, valueSize: 2) }
        ) { $0($1[0], $1[1], $1[2]) }
        try expectGradient(
            of: piece, [spread([3, 4])], "without a batch", module: { MultiheadAttention(4, heads: 1) }
        ) { $0($1[0], $1[0], $1[0]) }
        // The same memory, but a constant: no gradient may flow through it.
        try expectGradient(
            of: piece, [spread([3, 2, 4]), spread([3, 2, 4], low: -1, high: 1)], "two of three the same",
            module: { MultiheadAttention(4, heads: 2) }
        ) { $0($1[0], $1[1], $1[1]) }
    }

    @Test func transformerLayers() throws {
        for normFirst in [false, true] {
            try expectGradient(
                of: .layer("TransformerEncoderLayer"), [spread([3, 2, 4])], "norm first: \(normFirst)",
                module: {
                    TransformerEncoderLayer(
                        4, heads: 2, feedforwardSize: 5, dropout: 0, activation: GELU(), normFirst: normFirst)
                }
            ) { $0($1[0]) }
            try expectGradient(
                of: .layer("TransformerDecoderLayer"), [spread([2, 3, 4]), spread([2, 2, 4])],
                "norm first: \(normFirst)",
                module: {
                    TransformerDecoderLayer(
                        4, heads: 2, feedforwardSize: 5, dropout: 0, activation: Tanh(), isBatchFirst: true,
                        normFirst: normFirst)
                }
            ) { $0($1[0], memory: $1[1], masks: DecoderMasks(isCausal: true)) }
        }
    }

    @Test func positions() throws {
        try expectGradient(
            of: .layer("LearnedPositions"), [spread([2, 3, 4])], module: { LearnedPositions(4, maximumLength: 5) }
        ) { $0($1[0]) }
        try expectGradient(of: .layer("RotaryPositions"), [spread([2, 3, 4])]) {
            RotaryPositions(4, device: $0[0].device)($0[0], offset: 2)
        }
        try expectGradient(of: .layer("SinusoidalPositions"), [spread([2, 3, 4])]) {
            SinusoidalPositions(4, maximumLength: 5, device: $0[0].device)($0[0])
        }
    }

    /// What rotary positions are for: a product depends on the distance of its positions alone.
    @Test func rotaryProductsDependOnTheDistance() throws {
        try withDevice(Device(backend: ReferenceBackend())) {
            let rotate = RotaryPositions(6)
            let (q, k) = (Tensor(samples(6), [1, 6]), Tensor(samples(6, seed: 2), [1, 6]))
            let products = try [0, 3, 20].map { offset in
                try (rotate(q, offset: offset + 4) * rotate(k, offset: offset)).sum().doubles()[0]
            }
            for product in products { #expect(abs(product - products[0]) < 1e-12) }
        }
    }

    @Test func models() throws {
        let device = Device(backend: ReferenceBackend())
        try withDevice(device) {
            let model = LanguageModel(vocabulary: 7, length: 6, size: 8, heads: 2, layers: 1)
            let tokens = [1, 2, 3, 4, 5, 6, 0, 1, 2, 6] as [Int32]
            let logits = model(Tensor(tokens, [2, 5]))
            #expect(logits.shape == [10, 7])
            try crossEntropy(logits, Tensor(tokens)).backward()
            #expect(model.parameters.allSatisfy { $0.gradient != nil })
            // Causal: a later token changes nothing before it.
            let changed = try model(Tensor([1, 2, 3, 4, 0, 6, 0, 1, 2, 6] as [Int32], [2, 5])).doubles()
            let before = try logits.doubles()
            #expect(Array(changed[..<28]) == Array(before[..<28]))
            #expect(Array(changed[28..<35]) != Array(before[28..<35]))

            let classifier = TransformerClassifier(inputs: 3, classes: 4, size: 8, heads: 2, layers: 1)
            classifier.setMode(.evaluation)
            let x = Tensor(samples(2 * 5 * 3), [2, 5, 3])
            let padding = Tensor([1, 1, 1, 0, 0, 1, 1, 1, 1, 1] as [UInt8], [2, 5])
            let padded = try classifier(x, padding: padding).doubles()
            let short = try classifier(x.sliced(0..<1).sliced(0..<3, axis: 1)).doubles()
            for (a, b) in zip(padded, short) { #expect(abs(a - b) < 1e-12) }
        }
    }
}

/// What attention does beside its products.
@Suite struct AttentionTests {
    /// Whatever lies in the padding, also in the gradients of the projections.
    @Test(arguments: BackendUnderTest.all) func paddingHasNoInfluence(on subject: BackendUnderTest) throws {
        func results(_ padding: Float, isSelf: Bool, isBatchFirst: Bool, isAdded: Bool) throws -> [[Float]] {
            try withGenerator(RandomGenerator(seed: 4)) {
                let layer = MultiheadAttention(4, heads: 2, isBatchFirst: isBatchFirst)
                var values = samples(2 * 3 * 4).map { Float($0) }
                // The last of three keys of the second sequence, whichever axis comes first.
                for place in 20..<24 { values[place] = padding }
                let keys = Tensor(values, isBatchFirst ? [2, 3, 4] : [3, 2, 4]).requiringGradient()
                let query = isSelf ? keys : Tensor(samples(24).map { Float($0) }, keys.shape).requiringGradient()
                let mask =
                    isAdded
                    ? Tensor([0, 0, 0, 0, 0, -.infinity] as [Float], [2, 3])
                    : Tensor([1, 1, 1, 1, 1, 0] as [UInt8], [2, 3])
                let output = layer(query, keys, keys, keyPaddingMask: mask)
                // A sequence that attends to itself has an output for its padding, which a loss leaves out.
                let kept = isSelf ? output.reshaped([6, 4]).sliced(0..<5) : output
                try kept.square().sum().backward()
                var found = try [kept.floats()] + layer.parameters.map { try $0.gradient!.floats() }
                if !isSelf { found.append(try query.gradient!.floats()) }
                return found + [try keys.gradient!.floats()]
            }
        }
        try withDevice(Device(backend: subject.backend)) {
            for isSelf in [false, true] {
                for (isBatchFirst, isAdded) in [(true, false), (false, false), (true, true)] {
                    func found(_ padding: Float) throws -> [[Float]] {
                        try results(padding, isSelf: isSelf, isBatchFirst: isBatchFirst, isAdded: isAdded)
                    }
                    let expected = try found(0)
                    for padding in [Float.nan, .infinity] {
                        for (a, b) in zip(try found(padding), expected) {
                            for (x, y) in zip(a, b) {
                                #expect(abs(x - y) < 1e-5, "\(isSelf), \(isBatchFirst), \(isAdded), \(padding)")
                            }
                        }
                    }
                }
            }
        }
    }

    /// As one operation of the backend, and by parts whose gradients are held against central differences.
    @Test func fusedAttentionGivesTheSameGradients() throws {
        func results(_ isFused: Bool, _ body: () -> (output: Tensor, leaves: [Tensor])) throws -> [[Double]] {
            try withDevice(Device(backend: ReferenceBackend(fusesAttention: isFused))) {
                try withGenerator(RandomGenerator(seed: 4)) {
                    let (output, leaves) = body()
                    try (output * output.detached()).sum().backward()
                    return try [output.doubles()] + leaves.map { try $0.gradient!.doubles() }
                }
            }
        }
        func leaf(_ shape: Shape, _ seed: UInt64) -> Tensor {
            Tensor(samples(shape.elementCount, seed: seed), shape).requiringGradient()
        }
        func plain(_ leading: [Int], mask: Tensor? = nil, lengths: Tensor? = nil, isCausal: Bool = false) -> (
            Tensor, [Tensor]
        ) {
            let leaves = [
                leaf(Shape(leading + [3, 4]), 1), leaf(Shape(leading + [5, 4]), 2), leaf(Shape(leading + [5, 2]), 3),
            ]
            let output = scaledDotProductAttention(
                leaves[0], leaves[1], leaves[2], mask: mask, keyLengths: lengths, isCausal: isCausal)
            return (output, leaves)
        }
        func layer(isBatchFirst: Bool, _ inputs: (Tensor, Tensor) -> [Tensor], isCausal: Bool = false) -> (
            Tensor, [Tensor]
        ) {
            let layer = MultiheadAttention(4, heads: 2, isBatchFirst: isBatchFirst)
            let leaves = [leaf([3, 3, 4], 1), leaf([3, 3, 4], 2)]
            let inputs = inputs(leaves[0], leaves[1])
            let output = layer(inputs[0], inputs[1], inputs[2], isCausal: isCausal)
            return (output, leaves.filter { leaf in inputs.contains { $0.isSame(as: leaf) } })
        }
        let cases: [(String, () -> (output: Tensor, leaves: [Tensor]))] = [
            ("rank 4", { plain([2, 3]) }), ("rank 2", { plain([], isCausal: true) }), ("rank 5", { plain([2, 1, 2]) }),
            ("mask", { plain([2, 3], mask: Tensor([1, 0, 1, 1, 1] as [UInt8], [5])) }),
            ("added", { plain([3], mask: Tensor(samples(15), [3, 5]), isCausal: true) }),
            ("lengths", { plain([2, 3], lengths: Tensor([3, 0] as [Int32])) }),
            (
                "lengths and mask",
                {
                    plain([2, 3], mask: Tensor([1, 0, 1, 1, 1] as [UInt8], [5]), lengths: Tensor([3, 5] as [Int32]))
                }
            ),
            (
                "the same thrice",
                {
                    let x = leaf([2, 3, 4], 1)
                    return (scaledDotProductAttention(x, x, x), [x])
                }
            ),
            ("self", { layer(isBatchFirst: true, { x, _ in [x, x, x] }, isCausal: true) }),
            ("self, batch second", { layer(isBatchFirst: false, { x, _ in [x, x, x] }) }),
            ("cross", { layer(isBatchFirst: true, { [$0, $1, $1] }) }),
            ("constant keys", { layer(isBatchFirst: false, { [$0, $1.detached(), $1.detached()] }) }),
            ("constant queries", { layer(isBatchFirst: false, { [$0.detached(), $1, $1] }) }),
        ]
        for (name, body) in cases {
            let (fused, composed) = (try results(true, body), try results(false, body))
            #expect(fused.count == composed.count && fused.count > 1)
            for (x, y) in zip(fused.joined(), composed.joined()) { #expect(abs(x - y) < 1e-12, "\(name)") }
        }
    }

    @Test func dropoutIsForTrainingOnly() throws {
        try withDevice(Device(backend: ReferenceBackend())) {
            let layer = TransformerEncoderLayer(8, heads: 2, feedforwardSize: 8, dropout: 0.5)
            let x = Tensor(samples(5 * 2 * 8), [5, 2, 8])
            let (first, second) = (try layer(x).doubles(), try layer(x).doubles())
            #expect(first != second, "each call draws anew")
            layer.setMode(.evaluation)
            #expect(!layer.selfAttention.isTraining)
            #expect(try layer(x).doubles() == layer(x).doubles())
        }
    }

    @Test func checkpointedAttentionGivesTheSameGradients() throws {
        try withDevice(Device(backend: ReferenceBackend())) {
            func gradients(_ isCheckpointed: Bool) throws -> [[Double]] {
                try withGenerator(RandomGenerator(seed: 4)) {
                    let layer = TransformerEncoderLayer(4, heads: 2, feedforwardSize: 8, dropout: 0.3)
                    let x = Tensor(samples(5 * 2 * 4), [5, 2, 4]).requiringGradient()
                    let y = isCheckpointed ? checkpointed(x) { layer($0) } : layer(x)
                    try y.square().sum().backward()
                    return try [x.gradient!.doubles()] + layer.parameters.map { try $0.gradient!.doubles() }
                }
            }
            let (kept, recomputed) = (try gradients(false), try gradients(true))
            #expect(recomputed == kept)
        }
    }

    /// One tensor as query, key and value is projected at once; a constant of the same values must not be.
    @Test func aDetachedKeyReceivesNoGradient() throws {
        try withDevice(Device(backend: ReferenceBackend())) {
            let layer = MultiheadAttention(4, heads: 2)
            let values = samples(3 * 2 * 4)
            func gradient(_ body: (Tensor) -> (Tensor, Tensor)) throws -> [Double] {
                let x = Tensor(values, [3, 2, 4]).requiringGradient()
                let (query, key) = body(x)
                try layer(query, key, key).square().sum().backward()
                return try x.gradient!.doubles()
            }
            let shared = try gradient { ($0, $0) }
            let ofQuery = try gradient { ($0, $0.detached()) }
            let ofKey = try gradient { ($0.detached(), $0) }
            for index in shared.indices { #expect(abs(shared[index] - ofQuery[index] - ofKey[index]) < 1e-12) }
        }
    }
}
