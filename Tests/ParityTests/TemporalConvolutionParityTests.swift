import GimbalNN
import GimbalTestSupport
import Testing

/// Dilated causal convolutions against PyTorch.
@Suite struct TemporalConvolutionParityTests {
    @Test(arguments: devices) func agrees(_ subject: BackendUnderTest) throws {
        let fixture = try Fixture("temporal_convolution")
        try withDevice(subject.device) {
            let net = TemporalConvolutionClassifier(inputs: 2, classes: 4, size: 5, layers: 3)
            try ModuleCase(fixture: fixture, name: "net", device: subject.device).check(
                of: .layer("TemporalConvolutionClassifier"), net
            ) { net($0[0]) }
            let block = TemporalBlock(2, 5, dilation: 2)
            try ModuleCase(fixture: fixture, name: "block", device: subject.device).check(
                of: .layer("TemporalBlock"), block
            ) { block($0[0]) }
        }
    }
}
