import GimbalNN
import GimbalTestSupport
import Testing

/// Layers that normalise rows, Bilinear, and weight and spectral norm, against PyTorch.
@Suite(.serialized) struct NormalizationParityTests {
    typealias Case = (name: String, piece: String, make: () -> any TensorLayer)

    static func rowLayers() -> [Case] {
        var cases: [Case] = []
        for width in [1, 2, 33, 64, 129] {
            cases.append(("layer_norm.\(width)", "LayerNorm", { LayerNorm(width, epsilon: width < 3 ? 0.1 : 1e-5) }))
        }
        for width in [1, 7, 65] {
            cases.append(("rms_norm.\(width)", "RMSNorm", { RMSNorm(width, epsilon: width == 1 ? 0.1 : nil) }))
        }
        cases.append(("layer_norm.two_axes", "LayerNorm", { LayerNorm([3, 4]) }))
        cases.append(("layer_norm.no_bias", "LayerNorm", { LayerNorm(33, hasBias: false) }))
        cases.append(("layer_norm.plain", "LayerNorm", { LayerNorm(5, epsilon: 1e-3, isAffine: false) }))
        cases.append(("rms_norm.two_axes", "RMSNorm", { RMSNorm([3, 4], epsilon: 1e-6, isAffine: false) }))
        return cases
    }

    static func channelLayers() -> [Case] {
        func evaluating(_ layer: some TensorLayer) -> any TensorLayer {
            layer.setMode(.evaluation)
            return layer
        }
        func tracking() -> InstanceNorm2d { InstanceNorm2d(3, isAffine: true, tracksRunningStatistics: true) }
        var cases: [Case] = []
        cases.append(("group_norm.1", "GroupNorm", { GroupNorm(groups: 1, channels: 6) }))
        cases.append(("group_norm.2", "GroupNorm", { GroupNorm(groups: 2, channels: 6) }))
        cases.append(("group_norm.6", "GroupNorm", { GroupNorm(groups: 6, channels: 6, isAffine: false) }))
        cases.append(("group_norm.flat", "GroupNorm", { GroupNorm(groups: 2, channels: 8, epsilon: 1e-3) }))
        cases.append(("instance_norm.1d", "InstanceNorm1d", { InstanceNorm1d(3) }))
        cases.append(("instance_norm.1d_unbatched", "InstanceNorm1d", { InstanceNorm1d(3, isAffine: true) }))
        cases.append(("instance_norm.2d", "InstanceNorm2d", { tracking() }))
        cases.append(("instance_norm.2d_eval", "InstanceNorm2d", { evaluating(tracking()) }))
        cases.append(
            (
                "instance_norm.3d", "InstanceNorm3d",
                { InstanceNorm3d(2, momentum: 0.3, isAffine: true, tracksRunningStatistics: true) }
            ))
        cases.append(("weight_norm", "WeightNorm", { WeightNorm(Linear(5, 4)) }))
        cases.append(("weight_norm.all", "WeightNorm", { WeightNorm(Linear(5, 4), axis: nil) }))
        cases.append(("spectral_norm", "SpectralNorm", { SpectralNorm(Linear(5, 4)) }))
        cases.append(
            ("spectral_norm.3", "SpectralNorm", { SpectralNorm(Linear(5, 4, hasBias: false), iterations: 3) }))
        cases.append(("spectral_norm.eval", "SpectralNorm", { evaluating(SpectralNorm(Linear(5, 4))) }))
        return cases
    }

    @Test(arguments: devices) func everyLayer(_ subject: BackendUnderTest) throws {
        let fixture = try Fixture("normalization")
        let layers = Self.rowLayers() + Self.channelLayers()
        try withDevice(subject.device) {
            for (name, piece, make) in layers {
                let layer = make()
                let test = ModuleCase(fixture: fixture, name: name, device: subject.device)
                try test.check(of: .layer(piece), layer) { layer($0[0]) }
            }
            for (name, layer) in [
                ("bilinear", Bilinear(5, 4, 3)), ("bilinear.leading", Bilinear(2, 3, 1, hasBias: false)),
            ] {
                let test = ModuleCase(fixture: fixture, name: name, device: subject.device)
                try test.check(of: .layer("Bilinear"), layer) { layer($0[0], $0[1]) }
            }
        }
        #expect(fixture.names.count { $0.hasSuffix(".outputs") } == layers.count + 2)
    }

    @Test(arguments: devices) func noRows(_ subject: BackendUnderTest) throws {
        try withDevice(subject.device) {
            let layers: [(any TensorLayer, Shape, Shape)] = [
                (LayerNorm(5), [0, 5], [0, 5]), (RMSNorm(5), [2, 0, 5], [2, 0, 5]),
                (GroupNorm(groups: 2, channels: 4), [0, 4, 3], [0, 4, 3]), (InstanceNorm1d(4), [0, 4, 3], [0, 4, 3]),
                (WeightNorm(Linear(5, 2)), [0, 5], [0, 2]),
            ]
            for (layer, shape, expected) in layers {
                let x = Tensor.zeros(shape).requiringGradient()
                let y = layer(x)
                #expect(y.shape == expected)
                try y.sum().backward()
                for parameter in layer.parameters {
                    let gradient = try parameter.gradient?.floats() ?? []
                    #expect(gradient.allSatisfy { $0 == 0 }, "\(layer) \(parameter.name)")
                }
            }
        }
    }
}
