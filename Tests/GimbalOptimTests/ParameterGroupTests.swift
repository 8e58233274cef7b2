import GimbalNN
import GimbalOptim
import GimbalTestSupport
import Testing

@Suite struct ParameterGroupTests {
    let device = Device(backend: ReferenceBackend())

    private func model() -> Sequential {
        withDevice(device) {
            Sequential {
                Linear(2, 3)
                BatchNorm1d(3)
                ReLU()
                Linear(3, 1)
            }
        }
    }

    @Test func namesFitPatterns() {
        let cases: [(String, String, Bool)] = [
            ("layer1.0.bias", "layer1.*", true), ("layer1.0.bias", "*.bias", true), ("layer10.bias", "layer1.*", false),
            ("fc.weight", "fc.weight", true), ("fc.weight", "fc", false), ("a.b.c", "a.*.c", true),
            ("a.c", "a.*.c", false), ("abcabc", "*abc", true), ("block3.w", "block?.w", true), ("x", "*", true),
            ("", "*", true), ("", "?", false), ("aab", "a*b*", true), ("ab", "a**b", true), ("a[b", "a[b", true),
        ]
        for (name, pattern, fits) in cases {
            #expect(
                Parameter(Tensor(0, device: device), name: name).matches(NamePattern(pattern)) == fits,
                "\(name), \(pattern)")
        }
    }

    @Test func aGroupsRateAndDecayAreItsOwnAndSchedulesMoveAllInProportion() throws {
        let parameters = (0..<3).map { Parameter(Tensor([1, 1] as [Double], device: device), name: "p\($0)") }
        let optimizer = SGD(
            [
                ParameterGroup([parameters[0]]), ParameterGroup([parameters[1]], learningRateScale: 0.5),
                ParameterGroup([parameters[2]], learningRate: 0.4, weightDecay: 1),
            ], learningRate: 0.1)
        for factor in [1, 0.25] {
            optimizer.learningRate = 0.1 * factor
            for parameter in parameters {
                parameter.assign(Tensor([1, 1] as [Double], device: device))
                parameter.gradient = Tensor([1, 2] as [Double], device: device)
            }
            try optimizer.step()
            let values = try parameters.map { try $0.value.doubles() }
            let expected = [[0.9, 0.8], [0.95, 0.9], [0.2, -0.2]].map { $0.map { 1 - (1 - $0) * factor } }
            for (value, wanted) in zip(values.joined(), expected.joined()) { #expect(abs(value - wanted) < 1e-12) }
        }
    }

    @Test func biasesAndNormsAreSpared() {
        let groups = ParameterGroup.withoutDecayOnBiasesAndNorms(model().parameters)
        #expect(
            groups.map { $0.parameters.map(\.name) } == [
                ["0.weight", "3.weight"], ["0.bias", "1.weight", "1.bias", "3.bias"],
            ])
        #expect(groups[0].weightDecay == nil && groups[1].weightDecay == 0)
    }

    @Test func ratesShrinkLayerByLayer() {
        let groups = ParameterGroup.layerwiseDecay(model().parameters, factor: 0.5)
        #expect(groups.map(\.learningRateScale) == [0.25, 0.5, 1])
        #expect(groups[0].parameters.map(\.name) == ["0.weight", "0.bias"])
    }

    @Test func thePatternThatComesFirstWins() {
        let groups = ParameterGroup.matching(
            [("3.*", 0.1, nil), ("*.bias", 1, 0)], in: model().parameters)
        #expect(
            groups.map { $0.parameters.map(\.name) } == [
                ["3.weight", "3.bias"], ["0.bias", "1.bias"], ["0.weight", "1.weight"],
            ])
    }

    @Test func frozenParametersStay() throws {
        try withDevice(device) {
            let model = model()
            let optimizer = Adam(model.parameters, learningRate: 0.1)
            #expect(model.freeze("0.*") == ["0.weight", "0.bias"])
            func step() throws -> [[Double]] {
                let before = try model.parameters.map { try $0.value.doubles() }
                optimizer.zeroGradients()
                try meanSquaredError(model(Tensor([1, 2, 3, -1], [2, 2])), Tensor([1, 2], [2, 1])).backward()
                try optimizer.step()
                let after = try model.parameters.map { try $0.value.doubles() }
                return zip(before, after).map { zip($0, $1).map { $1 - $0 } }
            }
            let frozen = try step()
            #expect(frozen[0].allSatisfy { $0 == 0 } && frozen[1].allSatisfy { $0 == 0 })
            #expect(frozen[5].allSatisfy { $0 != 0 })
            model.unfreeze()
            let free = try step()
            #expect(free[0].contains { $0 != 0 })
        }
    }

    @Test func anOptimizerWithoutParametersIsAMistake() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = SGD(ReLU().parameters, learningRate: 0.1)
        }
        let message = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(message.contains("Optimizer: no parameters to train"))
    }
}
