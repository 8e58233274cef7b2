import GimbalNN
import GimbalTestSupport
import Testing

/// Models from one sequence to another, and the attention of a recurrent one, against the same written in PyTorch.
@Suite struct SequenceToSequenceParityTests {
    @Test(arguments: devices) func agrees(_ subject: BackendUnderTest) throws {
        let fixture = try Fixture("sequence_to_sequence")
        let device = subject.device
        try withDevice(device) {
            func check(_ name: String, _ piece: String, _ model: any SequenceToSequenceModel) throws {
                let test = ModuleCase(fixture: fixture, name: name, device: device)
                let (source, target) = (
                    try test.tensor("source").cast(to: .int32), try test.tensor("target").cast(to: .int32)
                )
                // Logits where the target is padding mean nothing.
                let places = Tensor(try fixture.integers("\(name).places"))
                try test.check(of: .layer(piece), model) { _ in
                    model(source: source, target: target).gathered(places)
                }
            }
            for kind in RecurrentLanguageModel.Kind.allCases {
                try check(
                    "recurrent.\(kind)", "RecurrentSequenceToSequence",
                    RecurrentSequenceToSequence(
                        sourceVocabulary: 9, targetVocabulary: 7, size: 5, hiddenSize: 4, layers: 2, kind: kind))
            }
            for shares in [false, true] {
                try check(
                    "transformer.\(shares ? "shared" : "own")", "TransformerSequenceToSequence",
                    TransformerSequenceToSequence(
                        sourceVocabulary: 9, targetVocabulary: 7, length: 8, size: 8, heads: 2, layers: 2,
                        feedforwardSize: 12, sharesTokens: shares))
            }
            let attention = ModuleCase(fixture: fixture, name: "attention", device: device)
            let layer = GlobalAttention(6, memorySize: 4)
            let mask = try attention.mask("mask")
            try attention.check(of: .layer("GlobalAttention"), layer) { layer($0[0], memory: $0[1], mask: mask) }
        }
    }
}
