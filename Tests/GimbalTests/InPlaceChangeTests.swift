import Gimbal
import GimbalOptim
import GimbalTestSupport
import Testing

/// What backward needs must be what it was in the forward pass.
@Suite struct InPlaceChangeTests {
    private func refusal(_ content: [UInt8]?) -> String { String(decoding: content ?? [], as: UTF8.self) }

    @Test func aWeightThatWasAssignedIsRefused() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let w = Parameter(Tensor([1, 2]))
            let x = Tensor([3, 4]).requiringGradient()
            let y = (w.value * x).sum()
            w.assign(Tensor([5, 6]))
            try y.backward()
        }
        let message = refusal(result?.standardErrorContent)
        #expect(message.contains("'*' needs a tensor of [2] as it was, and 'assign'"))
    }

    @Test func anOptimizersStepBetweenForwardAndBackwardIsRefused() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let w = Parameter(Tensor([1, 2, 3, 4], [2, 2]))
            let optimizer = SGD([w], learningRate: 0.1)
            let x = Tensor([3, 4], [1, 2]).requiringGradient()
            let y = x.linear(weight: w.value).sum()
            try y.backward(retainsGraph: true)
            try optimizer.step()
            try y.backward()
        }
        let message = refusal(result?.standardErrorContent)
        #expect(message.contains("'linear' needs a tensor of [2, 2] as it was"))
    }

    @Test func whatIsNotNeededMayChange() throws {
        let w = Parameter(Tensor([1, 2]))
        let other = Parameter(Tensor([1, 2]))
        let optimizer = SGD([w, other], learningRate: 0.1)
        let x = Tensor([3, 4])
        let sum = (w.value + x).sum() + (other.value * x).sum()
        // The gradient for w needs x alone, and x is a constant.
        w.assign(Tensor([7, 8]))
        try sum.backward()
        #expect(try w.gradient!.floats() == [1, 1])
        #expect(try other.gradient!.floats() == [3, 4])
        try optimizer.step()
    }

    @Test func aChangeOfAnotherParameterInTheArenaIsNone() throws {
        let (w, other) = (Parameter(Tensor([1, 2])), Parameter(Tensor([1, 2])))
        try ParameterArena.pack([w, other])
        let x = Tensor([3, 4]).requiringGradient()
        let y = (w.value * x).sum()
        other.assign(Tensor([5, 6]))
        try y.backward()
        #expect(try x.gradient!.floats() == [1, 2])
    }

    @Test func aChangeBeforeTheForwardPassIsNone() throws {
        let w = Parameter(Tensor([1, 2]))
        for value in [Float(5), 6] {
            w.assign(Tensor([value, value]))
            let x = Tensor([3, 4]).requiringGradient()
            try (w.value * x).sum().backward()
            #expect(try x.gradient!.floats() == [value, value])
        }
    }
}
