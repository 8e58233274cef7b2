import GimbalNN
import GimbalOptim
import GimbalTestSupport
import Testing

/// The seed net in bfloat16 and float16 against PyTorch's autocast: 50 steps from the same weights, by the same batches.
///
/// PyTorch rounds the gradients of weights to the low type, Gimbal does not; PyTorch on a CPU rounds a product and its sum with
/// the bias, Gimbal the sum alone, so that a value next to 0 may fall on the other side of ReLU. The units that this happens to
/// in the first step, of which the fixture knows, are left out of the comparison of its gradients.
///
/// The bounds are a few roundings of the low type, 2⁻⁸ and 2⁻¹¹: 4 for the gradients of the first step, relative to the largest of each parameter, and as many for losses and
/// norms of 50 steps, through which the differences of all steps before have passed.
@Suite(.serialized) struct PrecisionParityTests {
    static let cases: [(precision: Precision, unit: Double)] = [(.bfloat16, 0x1p-8), (.float16, 0x1p-11)]

    @Test(arguments: devices) func seedNetOnDigits(_ subject: BackendUnderTest) throws {
        let (run, peer) = (try Fixture("seednet-run"), try Fixture("precision"))
        for (precision, unit) in Self.cases {
            try withDevice(subject.device) {
                let name = precision.rawValue
                let model = Sequential {
                    Linear(64, 128)
                    BatchNorm1d(128)
                    ReLU()
                    Linear(128, 10)
                }
                try model.load(from: Fixture.path("seednet"))
                let optimizer = SGD(model.parameters, learningRate: 0.1)
                let scaler = precision == .float16 ? LossScaler() : nil
                let inputs = try run.tensor("inputs", on: subject.device)
                let (targets, order) = (try run.integers("targets"), try run.integers("batches"))
                let flipped = try peer.integers("\(name).flipped")
                #expect(flipped.count == 128 && flipped.reduce(0, +) <= 2)
                let (losses, norms) = (try peer.values("\(name).losses"), try peer.values("\(name).gradient_norms"))
                var (lossError, normError) = (0.0, 0.0)
                for step in 0..<50 {
                    let rows = [Int32](order[64 * step..<64 * step + 64])
                    let batch = inputs.gathered(Tensor(rows))
                    optimizer.zeroGradients()
                    let loss = withPrecision(precision) {
                        crossEntropy(model(batch), Tensor(rows.map { targets[Int($0)] }))
                    }
                    try (scaler?.scaled(loss) ?? loss).backward()
                    let isFinite = try scaler?.unscale(optimizer.parameters)
                    for parameter in model.parameters where step == 0 {
                        var gradient = try #require(parameter.gradient)
                        var expected = try peer.values("\(name).gradients.\(parameter.name)")
                        // Bias 0 is followed by BatchNorm, which takes it out again: its gradient is rounding alone.
                        guard parameter.name != "0.bias" else { continue }
                        // All but the last layer's have a row, or an element, for each hidden unit.
                        if parameter.shape[0] == flipped.count {
                            let perUnit = gradient.elementCount / flipped.count
                            let kept = flipped.flatMap { [Float](repeating: Float(1 - $0), count: perUnit) }
                            gradient = gradient * Tensor(kept, gradient.shape)
                            expected = zip(expected, kept).map { $0 * $1 }
                        }
                        try expectClose(gradient, expected, 4 * unit, "\(name), gradient of \(parameter.name)")
                    }
                    let norm = try clipGradientNorm(optimizer.parameters, maxNorm: 1)
                    try optimizer.step(if: isFinite)
                    if let isFinite { try scaler?.update(isFinite) }
                    func error(_ found: Tensor, _ expected: Float) throws -> Double {
                        abs(Double(try found.item()) - Double(expected)) / Double(expected)
                    }
                    lossError = max(lossError, try error(loss, losses[step]))
                    normError = max(normError, try error(norm, norms[step]))
                }
                #expect(lossError <= 4 * unit, "\(name): a loss is off by \(lossError)")
                #expect(normError <= 4 * unit, "\(name): a gradient norm is off by \(normError)")
                model.setMode(.evaluation)
                let logits = withPrecision(precision) { model(inputs) }
                try expectClose(logits, try peer.values("\(name).final.logits"), 4 * unit, "\(name), logits")
                print("\(name) on \(subject): losses within \(lossError), norms within \(normError)")
            }
        }
    }
}
