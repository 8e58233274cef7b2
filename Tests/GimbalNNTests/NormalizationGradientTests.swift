import GimbalNN
import GimbalTestSupport
import Testing

/// Gradients of the layers that normalise rows, and of those that compute their weight, against central differences.
@Suite struct NormalizationGradientTests {
    @Test func layerNorm() throws {
        try expectGradient(of: .layer("LayerNorm"), [spread([3, 5])], module: { LayerNorm(5) }) { $0($1[0]) }
        try expectGradient(of: .layer("LayerNorm"), [spread([2, 3, 4])], module: { LayerNorm([3, 4]) }) { $0($1[0]) }
        try expectGradient(of: .layer("LayerNorm"), [spread([4, 3])], module: { LayerNorm(3, hasBias: false) }) {
            $0($1[0])
        }
        try expectGradient(of: .layer("LayerNorm"), [spread([4, 3])], module: { LayerNorm(3, isAffine: false) }) {
            $0($1[0])
        }
        // Used twice: gradients of input and parameters accumulate.
        try expectGradient(of: .layer("LayerNorm"), [spread([3, 4])], module: { LayerNorm(4) }) { layer, x in
            layer(x[0]) * layer(x[0] * 2 + x[0].square())
        }
        try expectGradient(of: .layer("LayerNorm"), [spread([4, 3])], module: { LayerNorm(4) }) {
            $0($1[0].transposed())
        }
    }

    @Test func rmsNorm() throws {
        try expectGradient(of: .layer("RMSNorm"), [spread([3, 5])], module: { RMSNorm(5, epsilon: 1e-3) }) { $0($1[0]) }
        try expectGradient(of: .layer("RMSNorm"), [spread([2, 3, 4])], module: { RMSNorm([3, 4]) }) { $0($1[0]) }
        try expectGradient(of: .layer("RMSNorm"), [spread([4, 3])], module: { RMSNorm(3, isAffine: false) }) {
            $0($1[0])
        }
    }

    @Test func groupNorm() throws {
        for groups in [1, 2, 4] {
            try expectGradient(
                of: .layer("GroupNorm"), [spread([2, 4, 3])], module: { GroupNorm(groups: groups, channels: 4) }
            ) { $0($1[0]) }
        }
        try expectGradient(
            of: .layer("GroupNorm"), [spread([3, 4])], module: { GroupNorm(groups: 2, channels: 4, isAffine: false) }
        ) { $0($1[0]) }
    }

    @Test func instanceNorm() throws {
        try expectGradient(
            of: .layer("InstanceNorm1d"), [spread([2, 3, 4])], module: { InstanceNorm1d(3, isAffine: true) }
        ) { $0($1[0]) }
        try expectGradient(
            of: .layer("InstanceNorm2d"), [spread([2, 3, 2, 3])],
            module: { InstanceNorm2d(3, isAffine: true, tracksRunningStatistics: true) }
        ) { $0($1[0]) }
        try expectGradient(of: .layer("InstanceNorm3d"), [spread([2, 2, 2, 2, 2])], module: { InstanceNorm3d(2) }) {
            $0($1[0])
        }
        try expectGradient(
            of: .layer("InstanceNorm1d"), [spread([2, 3, 4])],
            module: { InstanceNorm1d(3, isAffine: true, tracksRunningStatistics: true) }
        ) { layer, x in
            layer.isTraining = false
            return layer(x[0])
        }
    }

    @Test func bilinear() throws {
        try expectGradient(
            of: .layer("Bilinear"), [spread([3, 2]), spread([3, 4])], module: { Bilinear(2, 4, 3) }
        ) { $0($1[0], $1[1]) }
        try expectGradient(
            of: .layer("Bilinear"), [spread([2, 2, 3]), spread([2, 2, 2])],
            module: { Bilinear(3, 2, 1, hasBias: false) }
        ) { $0($1[0], $1[1]) }
        try expectGradient(
            of: .layer("Bilinear"), [spread([2, 1]), spread([2, 1])], module: { Bilinear(1, 1, 2) }
        ) { $0($1[0], $1[1]) }
    }

    @Test func weightNorm() throws {
        for axis in [0, 1, nil] {
            try expectGradient(
                of: .layer("WeightNorm"), [spread([2, 4])], module: { WeightNorm(Linear(4, 3), axis: axis) }
            ) { $0($1[0]) }
        }
    }

    /// The gradient takes the singular vectors as constants, so they must be exact and stand still.
    @Test func spectralNorm() throws {
        try expectGradient(of: .layer("SpectralNorm"), [spread([2, 4])], module: { SpectralNorm(Linear(4, 3)) }) {
            layer, x in
            if layer.isTraining { for _ in 0..<200 { _ = withoutGradients { layer.nextWeight() } } }
            layer.isTraining = false
            return layer(x[0])
        }
    }

    @Test func spectralNormDividesByTheLargestSingularValue() throws {
        try withDevice(Device(backend: ReferenceBackend())) {
            let layer = SpectralNorm(Linear(3, 3), iterations: 100)
            layer.original.assign(Tensor([3, 0, 0, 0, -5, 0, 0, 0, 1], [3, 3]))
            let weight = try layer.nextWeight().doubles()
            for (value, expected) in zip(weight, [0.6, 0, 0, 0, -1, 0, 0, 0, 0.2]) {
                #expect(abs(value - expected) < 1e-9)
            }
            #expect(
                layer.stateParts.map(\.path) == [
                    "bias", "parametrizations.weight.original", "parametrizations.weight.0._u",
                    "parametrizations.weight.0._v",
                ])
        }
    }
}
