import Foundation
import Gimbal
import GimbalTestSupport
import Testing

@Suite struct ElementFunctionTests {
    /// Every function with parameters that no default hides.
    static let operations = UnaryOperation.Kind.allCases.map { kind in
        switch kind {
        case .affine: UnaryOperation(kind, a: 1.5, b: -0.25)
        case .clamp: UnaryOperation(kind, a: -0.5, b: 1.25)
        case .threshold: UnaryOperation(kind, a: 0.1, b: 0.3)
        default: UnaryOperation(kind, a: 0.5)
        }
    }

    static func isForPositive(_ kind: UnaryOperation.Kind) -> Bool {
        [.logarithm, .squareRoot, .reciprocalSquareRoot, .power, .reciprocal].contains(kind)
    }

    @Test(arguments: operations)
    func firstAndSecondDerivativesAgreeWithDifferences(of operation: UnaryOperation) throws {
        let function = ElementFunction { x in x.applying(operation) }
        let low = Self.isForPositive(operation.kind) ? 0.4 : -3.3
        let x = spread([40], low: low, high: 3.4)
        let first = try GradientCheck.run([x]) { function($0[0]) }
        #expect(first.largestError < 1e-6, "\(operation.kind): \(first.place)")
        let derivative = function.gradient(for: [0])
        let second = try GradientCheck.run([x, spread([40])]) { derivative($0[0], $0[1]) }
        #expect(second.largestError < 1e-6, "\(operation.kind), second derivative: \(second.place)")
        let third = try GradientCheck.run([x, spread([40]), spread([40], low: -1, high: 1)]) {
            derivative.gradient(for: [0])($0[0], $0[1], $0[2])
        }
        #expect(third.largestError < 1e-5, "\(operation.kind), third derivative: \(third.place)")
    }

    @Test(
        arguments: [
            .add, .subtract, .multiply, .divide, .power, .maximum, .minimum, .less, .prelu, .preluSlope,
            .preluWeightGradient, .maskedProduct, .maskedQuotient,
        ] as [BinaryOperation.Kind])
    func derivativesOfTwoAgreeWithDifferences(of kind: BinaryOperation.Kind) throws {
        let function = ElementFunction { x, y in x.applying(.init(kind), y) }
        let low = [.power, .divide, .maskedQuotient].contains(kind) ? 0.4 : -2.0
        let inputs = [spread([5, 8], low: low, high: 3.4), spread([8], low: low, high: 2.1)]
        let first = try GradientCheck.run(inputs) { function($0[0], $0[1]) }
        #expect(first.largestError < 1e-6, "\(first.place)")
        for input in 0..<2 {
            let derivative = function.gradient(for: [input])
            let second = try GradientCheck.run(inputs + [spread([5, 8])]) { derivative($0[0], $0[1], $0[2]) }
            #expect(second.largestError < 1e-6, "\(second.place)")
        }
    }

    @Test func aFormulaIsDifferentiatedAsAWhole() throws {
        let function = ElementFunction(inputs: 3, numbers: 1) { x, n in
            let s = (n[0] * x[0]).sigmoid()
            return [.select(x[1] .> 0, s * x[1] * x[1], s - x[2].exp()) / (1 + s)]
        }
        let check = try GradientCheck.run([spread([4, 6]), spread([6]), spread([4, 1])]) {
            function($0[0], $0[1], $0[2], numbers: [1.5])
        }
        #expect(check.largestError < 1e-6, "\(check.place)")
    }

    @Test func severalOutputsHaveTheirGradients() throws {
        let function = ElementFunction(inputs: 2) { x, _ in [x[0] * x[1], x[0].tanh() + x[1]] }
        let check = try GradientCheck.run([spread([5]), spread([5], low: -1)]) {
            let outputs = function.outputs(of: $0)
            return outputs[0] * outputs[1]
        }
        #expect(check.largestError < 1e-6, "\(check.place)")
    }

    @Test(arguments: BackendUnderTest.all)
    func agreesWithTheOperationsOfTensors(on subject: BackendUnderTest) throws {
        try withDevice(Device(backend: subject.backend)) { () throws -> Void in
            let swish = ElementFunction { x in x * x.sigmoid() }
            let (one, two) = (
                Tensor(samples(1000), [10, 100]).requiringGradient(),
                Tensor(samples(1000), [10, 100]).requiringGradient()
            )
            try swish(one).sum().backward()
            try two.silu().sum().backward()
            for (a, b) in zip(try swish(one).floats(), try two.silu().floats()) { #expect(abs(a - b) < 1e-6) }
            for (a, b) in zip(try one.gradient!.floats(), try two.gradient!.floats()) { #expect(abs(a - b) < 1e-6) }
        }
    }

    @Test func aGivenGradientTakesThePlaceOfTheFormulas() throws {
        // Straight through (Bengio et al. 2013).
        let step = ElementFunction { x in x .> 0 }.withGradient { _, _, arriving in [arriving[0]] }
        let x = Tensor([-1, 2, 3] as [Float]).requiringGradient()
        let y = step(x)
        try (y * Tensor([1, 2, 3] as [Float])).sum().backward()
        #expect(try y.floats() == [0, 1, 1])
        #expect(try x.gradient!.floats() == [1, 2, 3])
    }

    @Test func equalFormulasAreOne() {
        func make() -> ElementFunction { ElementFunction { x in 1 / (1 + (-x).exp()) } }
        #expect(make() == make())
        #expect(make() != ElementFunction { x in 1 / (2 + (-x).exp()) })
        #expect(make() != make().withGradient { _, _, g in [g[0]] })
        // What is used twice is computed once, whether written once or twice.
        let once = ElementFunction { x in
            let s = x.sigmoid()
            return s * s
        }
        #expect(once == ElementFunction { x in x.sigmoid() * x.sigmoid() })
        #expect(once.description.split(separator: "\n").count == 4)
    }

    @Test func typesFollowTheRealInputs() throws {
        let sum = ElementFunction { x, y in x + y }
        let half = Tensor(repeating: 1, [3], dtype: .float16, device: .cpu)
        let number = Tensor(repeating: 0.5, [], device: .cpu)
        #expect(sum(half, number).dtype == .float16)
        #expect(sum(half, Tensor([1, 0, 1] as [UInt8], device: .cpu)).dtype == .float16)
        #expect(sum(half, Tensor(repeating: 1, [3], device: .cpu)).dtype == .float32)
        let whole = Tensor([1, 2] as [Int32], device: .cpu)
        #expect(try sum(whole, whole).floats() == [2, 4])
    }

    @Test func mistakesStop() async {
        await #expect(processExitsWith: .failure) {
            _ = ElementFunction { x, y in x + y }(Tensor([1, 2]))
        }
        await #expect(processExitsWith: .failure) {
            _ = ElementFunction { x, y in x + y }(Tensor([1, 2]), Tensor([1, 2, 3]))
        }
    }
}
