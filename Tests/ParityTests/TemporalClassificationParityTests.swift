import GimbalNN
import GimbalTestSupport
import Testing

/// Connectionist temporal classification against PyTorch's `ctc_loss`: lengths, empty and repeated labels, samples too
/// short for their target, large logits.
@Suite(.serialized) struct TemporalClassificationParityTests {
    static let cases = [
        "plain", "lengths", "repeated", "last_blank", "too_short", "one", "empty_targets", "two_classes", "large",
        "long",
    ]

    @Test(arguments: devices) func lossesAndGradients(_ subject: BackendUnderTest) throws {
        let fixture = try Fixture("temporal-classification")
        let piece = Piece.loss("temporalClassification")
        for name in Self.cases {
            func whole(_ part: String) throws -> Tensor {
                try fixture.tensor("\(name).\(part)", on: subject.device).cast(to: .int32)
            }
            let (targets, blank) = (try whole("targets"), Int(try fixture.integers("\(name).blank")[0]))
            let (inputLengths, targetLengths) = (try whole("input_lengths"), try whole("target_lengths"))
            for (prefix, zeroInfinity) in [(name, false), ("\(name).zeroed", true)] {
                let logits = try fixture.tensor("\(name).logits", on: subject.device).requiringGradient()
                func loss(_ reduction: LossReduction) -> Tensor {
                    temporalClassification(
                        logits.logSoftmax(), targets, inputLengths: inputLengths, targetLengths: targetLengths,
                        blank: blank, zeroInfinity: zeroInfinity, reduction: reduction)
                }
                for (reduction, label) in [(LossReduction.none, "none"), (.sum, "sum"), (.mean, "mean")] {
                    try expectClose(
                        loss(reduction), try fixture.values("\(prefix).\(label)"), 1e-5, "\(prefix) \(label)",
                        of: piece, .outputs)
                }
                try loss(.mean).backward()
                // Logarithms of hundreds, rounded in float32, go through an exponential: their rounding, some 1e-5, becomes
                // a relative error.
                try expectClose(
                    try #require(logits.gradient), try fixture.values("\(prefix).gradients"), 1e-4,
                    "gradient of \(prefix)", of: piece, .gradients)
            }
        }
    }
}
