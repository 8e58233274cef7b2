import Gimbal
import GimbalTestSupport
import GimbalTrain
import Testing

/// Rotations against torch.nn.functional.grid_sample, to 1e-5.
@Suite struct RotationParityTests {
    @Test func rotationsEqualPyTorchs() throws {
        let fixture = try Fixture("augmentation")
        var count = 0
        for name in fixture.names {
            let parts = name.split(separator: ".", maxSplits: 2).map(String.init)
            guard parts.count == 3, let interpolation = Interpolation(rawValue: parts[1]) else { continue }
            let degrees = try #require(Double(parts[2]))
            let sizes = parts[0].split(separator: "x").compactMap { Int($0) }
            let size = ImageSize(channels: sizes[0], height: sizes[1], width: sizes[2])
            let image = try fixture.values(parts[0] + ".image")
            var random = AugmentationRandom(seed: 0, epoch: 0, item: 0, step: 0)
            let rotation = RandomRotation(degrees...degrees, interpolation: interpolation)
            let turned = [Float](unsafeUninitializedCapacity: size.count) { result, written in
                rotation.apply(image, size, to: result.baseAddress!, random: &random)
                written = size.count
            }
            let expected = try fixture.values(name)
            let mismatch = Tolerance(relative: 1e-5, scale: .largest)
                .mismatch(turned.map(Double.init), expected: expected.map(Double.init))
            #expect(mismatch == nil, "\(name): \(mismatch ?? "")")
            let largest = expected.map { abs($0) }.max() ?? 0
            let error = zip(turned, expected).map { abs($0 - $1) }.max() ?? 0
            Ledger.record(
                .regularization("RandomRotation"), .outputs, on: "host", error: Double(error / max(largest, 1)),
                tolerance: 1e-5)
            count += 1
        }
        #expect(count == 40)
    }
}
