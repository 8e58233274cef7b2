import Foundation
import GimbalNN
import GimbalOpenCL
import GimbalOptim
import GimbalTestSupport
import Testing

@Suite struct FormulaOptimizerTests {
    /// Steps in the direction of a momentum's sign (Bernstein et al. 2018).
    static let signum = OptimizerFormula(states: ["momentum"], settings: 1) { step in
        let momentum = step.settings[0] * step.states[0] + (1 - step.settings[0]) * step.gradient
        return (step.weight - step.learningRate * momentum.sign(), [momentum])
    }

    /// What the library has as well.
    static let adam = OptimizerFormula(states: ["first_moment", "second_moment"], settings: 2) { step in
        let first = 0.9 * step.states[0] + 0.1 * step.gradient
        let second = 0.999 * step.states[1] + 0.001 * step.gradient.square()
        let decayed = step.weight * (1 - step.learningRate * step.weightDecay)
        let scale = (second * step.settings[1]).squareRoot() + 1e-8
        return (decayed - step.learningRate * step.settings[0] * first / scale, [first, second])
    }

    static func corrections(_ step: Int) -> [Double] {
        [1 / (1 - pow(0.9, Double(step))), 1 / (1 - pow(0.999, Double(step)))]
    }

    func parameters(_ device: Device) -> [Parameter] {
        [3, 200, 1].enumerated().map { index, size in
            Parameter(Tensor(spread([size], low: -1, high: 1).values, device: device), name: "p\(index)")
        }
    }

    func train(_ optimizer: any Optimizer, steps: Int, condition: Tensor? = nil) throws -> [[Double]] {
        for _ in 0..<steps {
            optimizer.zeroGradients()
            let sums = optimizer.parameters.map { ($0.value - 0.3).square().sum() }
            try sums.dropFirst().reduce(sums[0], +).backward()
            try optimizer.step(if: condition)
        }
        return try optimizer.parameters.map { try $0.value.doubles() }
    }

    @Test(arguments: BackendUnderTest.fused + [BackendUnderTest(description: "reference", backend: ReferenceBackend())])
    func aFormulaStepsAsTheLibraryDoes(on subject: BackendUnderTest) throws {
        let device = Device(backend: subject.backend)
        try PrimitivesOnly.waiting {
            let own = try train(
                FormulaOptimizer(
                    parameters(device), Self.adam, learningRate: 0.05, weightDecay: 0.1, settings: Self.corrections),
                steps: 20)
            let library = try train(
                AdamW(parameters(device), learningRate: 0.05, weightDecay: 0.1), steps: 20)
            for (a, b) in zip(own.joined(), library.joined()) { #expect(abs(a - b) < 2e-6) }
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func aStepLeftOutLeavesAllAsItIs(on subject: BackendUnderTest) throws {
        let device = Device(backend: subject.backend)
        let before = try parameters(device).map { try $0.value.doubles() }
        func optimizer() -> FormulaOptimizer {
            FormulaOptimizer(parameters(device), Self.signum, learningRate: 0.1, settings: { _ in [0.9] })
        }
        #expect(try train(optimizer(), steps: 2, condition: Tensor.zeros([], device: device)) == before)
        let stepped = try train(optimizer(), steps: 2, condition: Tensor.ones([], device: device))
        #expect(try stepped == train(optimizer(), steps: 2))
        #expect(stepped != before)
    }

    @Test func aStepIsOneLaunchForEachArena() throws {
        // A backend of its own: other tests launch on the shared one meanwhile.
        guard let id = OpenCLDevices.available().devices.first?.id else { return }
        let device = Device(backend: try OpenCLBackend(id: id))
        let optimizer = FormulaOptimizer(
            parameters(device), Self.signum, learningRate: 0.1, settings: { _ in [0.9] })
        _ = try train(optimizer, steps: 1)
        let before = try #require(device.launchRecord)
        try optimizer.step()
        #expect((try #require(device.launchRecord) - before).kernels == ["elementwise_formula": 1])
    }

    @Test func itsStateIsSavedAndRestored() throws {
        let device = Device.cpu
        func make() -> FormulaOptimizer {
            FormulaOptimizer(parameters(device), Self.adam, learningRate: 0.05, settings: Self.corrections)
        }
        let first = make()
        _ = try train(first, steps: 3)
        let second = make()
        for (a, b) in zip(second.parameters, first.parameters) { a.assign(b.value.detached()) }
        try second.restore(first.state)
        #expect(first.state.tensors.map(\.name).contains("second_moment.p1"))
        #expect(try train(first, steps: 2) == train(second, steps: 2))
    }
}
