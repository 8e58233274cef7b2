import Gimbal
import GimbalTestSupport
import Testing

/// Leaves whose gradients are whole are told of while the backward pass goes on.
@Suite struct GradientArrivalsTests {
    /// The names of parameters in the order in which they are told of, and how many operations the pass had then gone through.
    private func arrivals(
        _ parameters: [Parameter], _ loss: () throws -> Tensor
    ) throws -> (names: [String], isComplete: Bool) {
        for parameter in parameters { parameter.zeroGradient() }
        try loss().backward()
        let whole = try parameters.map { try $0.gradient?.floats() }
        for parameter in parameters { parameter.zeroGradient() }
        let names = Dictionary(uniqueKeysWithValues: parameters.map { ($0.gradientNode.sequence, $0.name) })
        var told: [String] = []
        var isComplete = true
        let observer = GradientArrivals { leaf in
            guard let name = names[leaf.sequence] else { return }
            told.append(name)
            let index = parameters.firstIndex { $0.name == name }!
            isComplete = try isComplete && parameters[index].gradient?.floats() == whole[index]
        }
        let tensor = try loss()
        try GradientArrivals.$current.withValue(observer) { try tensor.backward() }
        return (told, isComplete)
    }

    private func parameter(_ name: String, _ values: [Float]) -> Parameter {
        Parameter(Tensor(values), name: name)
    }

    @Test func theLastLayerComesFirst() throws {
        let parameters = [parameter("first", [1, 2]), parameter("second", [3, 4]), parameter("third", [5, 6])]
        let result = try arrivals(parameters) {
            ((Tensor([1, 1]) * parameters[0].value).exp() * parameters[1].value).exp().sum()
                + (parameters[2].value * parameters[2].value).sum()
        }
        #expect(Set(result.names) == ["first", "second", "third"])
        #expect(result.names.firstIndex(of: "second")! < result.names.firstIndex(of: "first")!)
        #expect(result.isComplete)
    }

    @Test func aParameterThatIsUsedOftenIsToldOfOnceItIsWhole() throws {
        let shared = parameter("shared", [0.5, 0.25]), last = parameter("last", [2, 1])
        let result = try arrivals([shared, last]) {
            var hidden = Tensor([1, 2])
            for _ in 0..<5 { hidden = (hidden * shared.value).tanh() + shared.value }
            return (hidden * last.value).sum()
        }
        #expect(result.names == ["last", "shared"])
        #expect(result.isComplete)
    }

    @Test func parametersOfARecomputedBlockAreToldOf() throws {
        let outer = parameter("outer", [1, 2]), inner = parameter("inner", [3, 4])
        let result = try arrivals([outer, inner]) {
            let x = Tensor([1, 1]) * outer.value
            return checkpointed([x]) { [($0[0] * inner.value * outer.value).tanh()] }[0].sum()
        }
        #expect(Set(result.names) == ["outer", "inner"] && result.names.count == 2)
        #expect(result.isComplete)
    }

    @Test func hooksComeBeforeThoseWhoAreTold() throws {
        let hooked = parameter("hooked", [1, 2]), plain = parameter("plain", [3, 4])
        hooked.onGradient { $0 * 2 }
        let result = try arrivals([hooked, plain]) { (hooked.value * plain.value).sum() }
        #expect(result.names == ["plain", "hooked"])
        #expect(result.isComplete)
        #expect(try hooked.gradient?.floats() == [6, 8])
    }

    @Test func nobodyIsToldOfWhatGetsNoGradient() throws {
        let used = parameter("used", [1, 2]), unused = parameter("unused", [3, 4]),
            frozen = parameter("frozen", [5, 6])
        frozen.isTrainable = false
        let result = try arrivals([used, unused, frozen]) { (used.value * frozen.value).sum() }
        #expect(result.names == ["used"])
    }
}
