import Foundation
import GimbalTestSupport
import GimbalTrain
import Testing

@Suite("An optimizer saved by itself")
struct OptimizerFileTests {
    private static let kinds: [@Sendable ([Parameter]) -> any Optimizer] = [
        { SGD($0, learningRate: 0.1, momentum: 0.9) }, { Adam($0, learningRate: 0.01) },
        { Lookahead(AdamW($0, learningRate: 0.01), interval: 2) },
    ]

    private func makeModel() -> Sequential {
        withGenerator(RandomGenerator(seed: 1)) {
            Sequential {
                Linear(4, 8, device: .cpu)
                Tanh()
                Linear(8, 2, device: .cpu)
            }
        }
    }

    private func train(_ model: Sequential, _ optimizer: any Optimizer, steps: Range<Int>) throws {
        for step in steps {
            let inputs = withGenerator(RandomGenerator(seed: UInt64(step))) { Tensor.normal([16, 4], device: .cpu) }
            optimizer.zeroGradients()
            try (model(inputs) * model(inputs)).mean().backward()
            try optimizer.step()
        }
    }

    @Test("Goes on with the same bits, at the learning rate it had", arguments: kinds.indices)
    func goesOn(kind: Int) throws {
        try withTemporaryFolder { folder in
            let model = makeModel()
            let optimizer = Self.kinds[kind](model.parameters)
            try train(model, optimizer, steps: 0..<5)
            optimizer.learningRate = 0.123_456_789_012_345
            try model.save(to: folder + "/model.safetensors")
            try optimizer.save(to: folder + "/optimizer.safetensors")
            try train(model, optimizer, steps: 5..<10)

            let other = makeModel()
            try other.load(from: folder + "/model.safetensors")
            let second = Self.kinds[kind](other.parameters)
            try second.load(from: folder + "/optimizer.safetensors")
            #expect(second.learningRate == 0.123_456_789_012_345)
            try train(other, second, steps: 5..<10)
            for (one, two) in zip(model.parameters, other.parameters) {
                #expect(try one.value.floats() == two.value.floats(), "\(one.name)")
            }
        }
    }

    @Test("A file of another optimizer, or of none, is refused and changes nothing")
    func refuses() throws {
        try withTemporaryFolder { folder in
            let model = makeModel()
            let adam = Adam(model.parameters, learningRate: 0.01)
            try train(model, adam, steps: 0..<2)
            try adam.save(to: folder + "/adam.safetensors")
            try model.save(to: folder + "/model.safetensors")
            let momentum = SGD(model.parameters, learningRate: 0.1, momentum: 0.9)
            let mismatch = #expect(throws: GimbalError.self) { try momentum.load(from: folder + "/adam.safetensors") }
            #expect("\(String(describing: mismatch))".contains("adam.safetensors"))
            let none = #expect(throws: GimbalError.self) { try momentum.load(from: folder + "/model.safetensors") }
            #expect("\(String(describing: none))".contains("was not saved by an optimizer"))
            #expect(momentum.learningRate == 0.1)
        }
    }
}
