import Gimbal
import GimbalTestSupport
import Testing

/// Operations with gradient rules written outside of Gimbal.
@Suite struct CustomFunctionTests {
    static let cube = CustomFunction("cube") { inputs, saved in
        saved = [inputs[0]]
        return [inputs[0] * inputs[0] * inputs[0]]
    } gradient: { outputGradients, saved in
        [outputGradients[0] * saved[0].square() * 3]
    }

    /// exp(x) from what it gave.
    static let exponential = CustomFunction("exponential") { inputs, saved in
        let y = inputs[0].exp()
        saved = [y]
        return [y]
    } gradient: { outputGradients, saved in
        [outputGradients[0] * saved[0]]
    }

    /// The product and the quotient of two tensors.
    static let pair = CustomFunction("pair") { inputs, saved in
        let quotient = inputs[0] / inputs[1]
        saved = [inputs[0], inputs[1], quotient]
        return [inputs[0] * inputs[1], quotient]
    } gradient: { outputGradients, saved in
        let (x, y, quotient) = (saved[0], saved[1], saved[2])
        let (product, ratio) = (outputGradients[0], outputGradients[1])
        return [product * y + ratio / y, product * x - ratio * quotient / y]
    }

    private func expectBoth(
        _ inputs: [(values: [Double], shape: Shape)], sourceLocation: SourceLocation = #_sourceLocation,
        _ function: ([Tensor]) throws -> Tensor
    ) throws {
        for check in [try GradientCheck.run(inputs, function), try GradientCheck.runSecond(inputs, function)] {
            #expect(check.largestError < 1e-6, "\(check.place)", sourceLocation: sourceLocation)
        }
    }

    @Test func gradientsAreThoseOfTheRuleAndCanBeDifferentiatedAgain() throws {
        try expectBoth([spread([3, 4])]) { Self.cube($0[0]) }
        try expectBoth([spread([3, 4])]) { Self.exponential($0[0] * 2) }
        try expectBoth([spread([5], low: 0.5), spread([5], low: 1)]) { inputs in
            let results = Self.pair([inputs[0].exp(), inputs[1]])
            return results[0] * results[1].sine()
        }
        // Of several outputs, one that nothing depends on.
        try expectBoth([spread([5], low: 0.5), spread([5], low: 1)]) { Self.pair([$0[0], $0[1]])[1] }
    }

    @Test func aRuleMayDifferFromTheDerivative() throws {
        let straightThrough = CustomFunction("straightThrough") { inputs, _ in
            [inputs[0].sign()]
        } gradient: { outputGradients, _ in
            [outputGradients[0]]
        }
        let x = Tensor([-2, 0.5]).requiringGradient()
        try (straightThrough(x) * Tensor([3, 4])).sum().backward()
        #expect(try x.gradient!.floats() == [3, 4])
    }

    @Test func inputsWithoutAGradientAreLeftOut() throws {
        let scaled = CustomFunction("scaled") { inputs, saved in
            saved = [inputs[1]]
            return [inputs[0] * inputs[1]]
        } gradient: { outputGradients, saved in
            [outputGradients[0] * saved[0], nil]
        }
        let x = Tensor([1, 2]).requiringGradient()
        let scale = Tensor([5, 7]).requiringGradient()
        try scaled(x, scale).sum().backward()
        #expect(try x.gradient!.floats() == [5, 7])
        #expect(scale.gradient == nil)
        #expect(withoutGradients { scaled(x, scale) }.requiresGradient == false)
    }

    @Test func gradientsHaveTheTypeOfTheirInputs() throws {
        let x = Tensor([1, 2]).requiringGradient()
        let loss = withPrecision(.bfloat16) { Self.cube(x.cast(to: .bfloat16)).sum() }
        try loss.backward()
        #expect(x.gradient!.dtype == .float32)
        #expect(try x.gradient!.floats() == [3, 12])
    }

    @Test func aRuleOutsideOfTensorsIsNotDifferentiatedAgain() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let opaque = CustomFunction("opaque") { inputs, _ in
                [inputs[0]]
            } gradient: { outputGradients, _ in
                [outputGradients[0].detached()]
            }
            let x = Tensor([1, 2]).requiringGradient()
            _ = try gradient(of: opaque(x).sum(), withRespectTo: x, createsGraph: true)
        }
        let message = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(message.contains("the gradient of 'opaque' cannot be differentiated again"))
    }
}
