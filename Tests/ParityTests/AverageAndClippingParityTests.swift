import GimbalNN
import GimbalOptim
import GimbalTestSupport
import GimbalTrain
import Testing

/// Averages of weights, clipping and constraints, held against PyTorch's and NumPy's.
@Suite struct AverageAndClippingParityTests {
    private final class Small: Module {
        let weight = Parameter(Tensor.zeros([4, 3]))
        let bias = Parameter(Tensor.zeros([4]))
        let buffer = Buffer(Tensor.zeros([4]))
    }

    @Test(arguments: devices) func movingAverage(_ subject: BackendUnderTest) throws {
        let fixture = try Fixture("averages-and-clipping")
        try withDevice(subject.device) {
            let model = Small()
            let average = ExponentialMovingAverage(model, decay: 0.9)
            let names = ["weight", "bias", "buffer"]
            let values = try names.map { try fixture.tensor("ema.\($0)", on: subject.device) }
            for step in 0..<12 {
                // An optimizer made in between moves the parameters.
                if step == 5 { _ = SGD(model.parameters, learningRate: 0.1) }
                model.weight.assign(values[0].selecting(step))
                model.bias.assign(values[1].selecting(step))
                let buffer = values[2].selecting(step).contiguous()
                buffer.backend.copy(buffer.view, to: model.buffer.value.view)
                try average.update()
            }
            try average.whileSwappedIn {
                for (name, value) in zip(names, [model.weight.value, model.bias.value, model.buffer.value]) {
                    try expectClose(
                        value, try fixture.values("ema.average.\(name)"), 1e-5, name,
                        of: .optimizer("ExponentialMovingAverage"), .steps)
                }
            }
            let after = try model.weight.value.floats()
            let last = try values[0].selecting(11).floats()
            #expect(after == last)
        }
    }

    private func parameters(_ fixture: Fixture, _ subject: BackendUnderTest) throws -> [Parameter] {
        let parameters = try ["a", "b", "c"].map {
            Parameter(try fixture.tensor("weights.\($0)", on: subject.device), name: $0)
        }
        _ = SGD(parameters, learningRate: 0)
        for parameter in parameters {
            parameter.gradient = try fixture.tensor("gradients.\(parameter.name)", on: subject.device)
        }
        return parameters
    }

    @Test(arguments: devices) func clippingOfParametersAndUnits(_ subject: BackendUnderTest) throws {
        let fixture = try Fixture("averages-and-clipping")
        let cases: [(name: String, piece: String, clipping: GradientClipping)] = [
            ("parameter_1", "clipParameterNorms", .parameterNorm(0.5, p: 1)),
            ("parameter_2", "clipParameterNorms", .parameterNorm(0.5)),
            ("parameter_inf", "clipParameterNorms", .parameterNorm(0.5, p: .infinity)),
            ("adaptive", "clipAdaptively", .adaptive(clipping: 0.1, epsilon: 1e-3)),
        ]
        for (name, piece, clipping) in cases {
            let parameters = try parameters(fixture, subject)
            _ = try GradientClipper(clipping).clip(parameters)
            for parameter in parameters {
                let gradient = try #require(parameter.gradient)
                try expectClose(
                    gradient, try fixture.values("\(name).\(parameter.name)"), 1e-5, "\(name) of \(parameter.name)",
                    of: .clipping(piece))
            }
        }
    }

    @Test(arguments: devices) func constraints(_ subject: BackendUnderTest) throws {
        let fixture = try Fixture("averages-and-clipping")
        for (name, constraint) in [("maxnorm", WeightConstraint.maxNorm(0.8)), ("unitnorm", .unitNorm)] {
            let parameters = try parameters(fixture, subject)
            try constraint.apply(to: parameters)
            for parameter in parameters {
                try expectClose(
                    parameter.value, try fixture.values("\(name).\(parameter.name)"), 1e-5,
                    "\(name) of \(parameter.name)", of: .regularization("WeightConstraint.\(constraint.name)"))
            }
        }
    }

    @Test(arguments: devices) func percentilesOfTheNormsSoFar(_ subject: BackendUnderTest) throws {
        let fixture = try Fixture("averages-and-clipping")
        let norms = try fixture.values("autoclip.norms")
        let limits = try fixture.values("autoclip.limits")
        var clipper = GradientClipper(.percentile(30))
        let parameter = Parameter(Tensor.zeros([2], device: subject.device))
        var found: [Tensor] = []
        for (step, norm) in norms.enumerated() {
            if step == 17 {
                let resumed = GradientClipper(.percentile(30))
                try resumed.restore(normHistory: clipper.normHistory)
                clipper = resumed
            }
            parameter.gradient = Tensor([0.6 * norm, -0.8 * norm], device: subject.device)
            _ = try clipper.clip([parameter])
            found.append(try gradientNorm([parameter]))
        }
        let expected = zip(norms, limits).map { min($0, $1) }
        try expectClose(
            Tensor.stacked(found), expected, 1e-5, "norms after clipping", of: .clipping("GradientClipping.percentile"))
    }
}

extension WeightConstraint {
    fileprivate var name: String {
        switch self {
        case .maxNorm: "maxNorm"
        case .unitNorm: "unitNorm"
        case .nonNegative: "nonNegative"
        }
    }
}
