import GimbalNN
import GimbalTestSupport
import Testing

/// Attention and transformers against PyTorch, under every kind of mask.
@Suite(.serialized) struct AttentionParityTests {
    @Test(arguments: devices) func scaledDotProducts(_ subject: BackendUnderTest) throws {
        let fixture = try Fixture("attention")
        for name in fixture.names where name.hasPrefix("sdpa.") && name.hasSuffix(".outputs") {
            let test = ModuleCase(fixture: fixture, name: String(name.dropLast(8)), device: subject.device)
            let isKept = fixture.names.contains("\(test.name).keep")
            let isAdded = fixture.names.contains("\(test.name).added")
            let mask = isKept ? try test.mask("keep") : isAdded ? try test.tensor("added") : nil
            try test.check(of: .layer("scaledDotProductAttention"), nil) {
                scaledDotProductAttention(
                    $0[0], $0[1], $0[2], mask: mask, isCausal: mask == nil, scale: isAdded ? 0.7 : nil)
            }
        }
    }

    @Test(arguments: devices) func multiheadAttention(_ subject: BackendUnderTest) throws {
        let fixture = try Fixture("attention")
        let piece = Piece.layer("MultiheadAttention")
        try withDevice(subject.device) {
            let selfAttending: [(String, MultiheadAttention)] = [
                ("mha.self", MultiheadAttention(8, heads: 2)),
                ("mha.one_head", MultiheadAttention(8, heads: 1, hasBias: false)),
                ("mha.batch_first", MultiheadAttention(8, heads: 4, isBatchFirst: true)),
                ("mha.unbatched", MultiheadAttention(8, heads: 2)),
                ("mha.cross", MultiheadAttention(8, heads: 2)),
                ("mha.sizes", MultiheadAttention(8, heads: 2, keySize: 5, valueSize: 3, isBatchFirst: true)),
            ]
            for (name, layer) in selfAttending {
                let test = ModuleCase(fixture: fixture, name: name, device: subject.device)
                let hasPadding = fixture.names.contains("\(name).padding")
                let padding = hasPadding ? try test.mask("padding") : nil
                let mask = name == "mha.cross" ? try test.mask("keep") : nil
                var weights: Tensor?
                try test.check(of: piece, layer) { x in
                    let result = layer.attending(
                        x[0], x.count > 1 ? x[1] : x[0], x.count > 2 ? x[2] : x.count > 1 ? x[1] : x[0],
                        keyPaddingMask: padding, attentionMask: mask)
                    weights = result.weights
                    return result.output
                }
                if hasPadding {
                    let mean = try #require(weights).mean([1])
                    try expectClose(mean, try fixture.values("\(name).weights"), 1e-5, "weights of \(name)", of: piece)
                }
            }
        }
    }

    @Test(arguments: devices) func transformers(_ subject: BackendUnderTest) throws {
        let fixture = try Fixture("attention")
        let device = subject.device
        try withDevice(device) {
            for (name, normFirst, activation) in [
                ("encoder.post.relu", false, ReLU()), ("encoder.post.gelu", false, GELU()),
                ("encoder.pre.gelu", true, GELU()),
            ] as [(String, Bool, any TensorLayer)] {
                let encoder = TransformerEncoder(
                    (0..<2).map { _ in
                        TransformerEncoderLayer(
                            8, heads: 2, feedforwardSize: 12, dropout: 0, activation: activation, isBatchFirst: true,
                            normFirst: normFirst)
                    }, norm: normFirst ? LayerNorm(8) : nil)
                let test = ModuleCase(fixture: fixture, name: name, device: device)
                let padding = try test.mask("padding")
                try test.check(of: .layer("TransformerEncoder"), encoder) {
                    encoder($0[0], mask: nil, keyPaddingMask: padding)
                }
                guard !(activation is ReLU) else { continue }
                // A file that PyTorch wrote loads as it is.
                for parameter in encoder.parameters { parameter.assign(.zeros(parameter.shape)) }
                try encoder.load(from: Fixture.path("transformer-\(name)"))
                try expectClose(
                    encoder(try test.tensor("inputs.0"), mask: nil, keyPaddingMask: padding),
                    try fixture.values("\(name).outputs"), 1e-5, "\(name), loaded")
            }
            for normFirst in [false, true] {
                let decoder = TransformerDecoder(
                    [
                        TransformerDecoderLayer(8, heads: 2, feedforwardSize: 12, dropout: 0, normFirst: normFirst)
                    ], norm: LayerNorm(8))
                let name = "decoder.\(normFirst ? "pre" : "post")"
                let test = ModuleCase(fixture: fixture, name: name, device: device)
                let masks = DecoderMasks(memoryPadding: try test.mask("padding"), isCausal: true)
                try test.check(of: .layer("TransformerDecoder"), decoder) {
                    decoder($0[0], memory: $0[1], masks: masks)
                }
            }
            let model = Transformer(
                size: 8, heads: 2, encoderLayers: 1, decoderLayers: 1, feedforwardSize: 12, dropout: 0)
            let test = ModuleCase(fixture: fixture, name: "transformer", device: device)
            try test.check(of: .layer("Transformer"), model) {
                model($0[0], $0[1], masks: DecoderMasks(isCausal: true))
            }
        }
    }

    @Test(arguments: devices) func emptyBatches(_ subject: BackendUnderTest) throws {
        try withDevice(subject.device) {
            let layer = TransformerEncoderLayer(8, heads: 2, feedforwardSize: 12, isBatchFirst: true)
            for shape in [[0, 5, 8], [2, 0, 8]] as [Shape] {
                let x = Tensor.zeros(shape).requiringGradient()
                let y = layer(x)
                #expect(y.shape == shape)
                try y.sum().backward()
                #expect(x.gradient?.shape == shape)
            }
        }
    }
}
