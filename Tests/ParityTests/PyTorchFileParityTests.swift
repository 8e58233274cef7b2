import Foundation
import Gimbal
import GimbalNN
import GimbalTestSupport
import Testing

/// State dictionaries as torch.save writes them hold what the safetensors beside them hold, which the parity tests of their
/// modules are held to; and modules take them as they are.
@Suite struct PyTorchFileParityTests {
    @Test(arguments: ["resnet18-state", "recurrent-lstm2", "transformer-encoder.pre.gelu"], ["", "-legacy"])
    func sameBytes(name: String, format: String) throws {
        let expected = try SafeTensors(path: Fixture.path(name))
        let file = try PyTorchFile(path: Fixture.path(name + format, extension: "pt"))
        #expect(Set(file.entries.map(\.name)) == Set(expected.entries.map(\.name)))
        for entry in file.entries {
            let other = try #require(expected[entry.name])
            #expect(entry.type == other.type && entry.shape == other.shape, "\(entry.name)")
            #expect(try file.bytes(of: entry) == expected.bytes(of: other), "\(entry.name)")
        }
    }

    @Test(arguments: ["", "-legacy"]) func modules(format: String) throws {
        let modules: [(name: String, make: () -> Module)] = [
            ("resnet18-state", { ResNet.resNet18(classes: 5, width: 2) }),
            ("recurrent-lstm2", { LSTM(inputSize: 3, hiddenSize: 7, layers: 2, isBidirectional: true) }),
            (
                "transformer-encoder.pre.gelu",
                {
                    TransformerEncoder(
                        (0..<2).map { _ in
                            TransformerEncoderLayer(
                                8, heads: 2, feedforwardSize: 12, dropout: 0, activation: GELU(), normFirst: true)
                        }, norm: LayerNorm(8))
                }
            ),
        ]
        for (name, make) in modules {
            let (module, other) = (make(), make())
            try module.load(from: Fixture.path(name + format, extension: "pt"))
            try other.load(from: Fixture.path(name))
            for (path, parameter) in module.namedParameters {
                let same = try #require(other.namedParameters.first { $0.name == path })
                #expect(try parameter.value.bytes() == same.parameter.value.bytes(), "\(name), \(path)")
            }
        }
    }
}
