import GimbalBackend
import GimbalCPU
import GimbalNN
import GimbalOpenCL
import GimbalOptim
import GimbalTestSupport
import Testing

/// What happens to gradients that are not finite, on every device and without the host waiting.
@Suite struct GradientClipperTests {
    /// Two parameters, the second with a gradient as given.
    private func parameters(_ second: Double, on device: Device) -> [Parameter] {
        let parameters = ["fc1.weight", "fc2.weight"].map {
            Parameter(Tensor([1, -2, 3] as [Double], device: device), name: $0)
        }
        parameters[0].gradient = Tensor([0.5, 0.5, 0.5] as [Double], device: device)
        parameters[1].gradient = Tensor([0.5, second, 0.5], device: device)
        return parameters
    }

    private static let kinds: [@Sendable ([Parameter]) -> any Optimizer] = [
        { SGD($0, learningRate: 0.1, momentum: 0.9) }, { Adam($0, learningRate: 0.1) },
        { LAMB($0, learningRate: 0.1) }, { Lookahead(RMSprop($0), interval: 2) },
    ]

    @Test(arguments: BackendUnderTest.all) func aStepLeftOutChangesNothing(_ subject: BackendUnderTest) throws {
        let device = Device(backend: subject.backend)
        for make in Self.kinds {
            for bad in [Double.nan, .infinity, -.infinity] {
                let parameters = parameters(bad, on: device)
                let optimizer = make(parameters)
                let clipper = GradientClipper(.globalNorm(1), nonFinite: .skip)
                try optimizer.step(if: try clipper.clip(parameters).condition)
                for parameter in parameters {
                    let values = try parameter.value.floats()
                    #expect(values == [1, -2, 3], "\(type(of: optimizer)), \(bad)")
                }
                for (name, moment) in optimizer.state.tensors where !name.hasPrefix("slow.") {
                    let values = try moment.floats()
                    #expect(values == [0, 0, 0], "\(name) of \(type(of: optimizer)), \(bad)")
                }
            }
        }
    }

    /// Parameters lie in an arena with zeros between them, which a NaN must not reach.
    @Test(arguments: BackendUnderTest.all) func aStepAfterOneLeftOutIsAsIfThatHadNotBeen(
        _ subject: BackendUnderTest
    ) throws {
        let device = Device(backend: subject.backend)
        func train(_ gradients: [Double]) throws -> [[Float]] {
            let parameters = parameters(0, on: device)
            let optimizer = SGD(parameters, learningRate: 0.1)
            let clipper = GradientClipper(.globalNorm(1), nonFinite: .skip)
            for gradient in gradients {
                optimizer.zeroGradients()
                for parameter in parameters {
                    parameter.gradient = Tensor([0.5, gradient, 0.5] as [Double], device: device)
                }
                try optimizer.step(if: try clipper.clip(parameters).condition)
            }
            return try parameters.map { try $0.value.floats() }
        }
        #expect(try train([.nan, 2]) == train([2]))
    }

    @Test(arguments: BackendUnderTest.all) func aStepWithFiniteGradientsIsTaken(_ subject: BackendUnderTest) throws {
        let device = Device(backend: subject.backend)
        for make in Self.kinds {
            for handling in [NonFiniteGradients.skip, .error, .zero, .pass] {
                let (given, expected) = (parameters(2, on: device), parameters(2, on: device))
                let (first, second) = (make(given), make(expected))
                let clipped = try GradientClipper(.globalNorm(1), nonFinite: handling).clip(given)
                try first.step(if: clipped.condition)
                try clipGradientNorm(expected, maxNorm: 1)
                try second.step()
                let values = try given.map { try $0.value.floats() }
                let others = try expected.map { try $0.value.floats() }
                #expect(values == others, "\(handling)")
                let worst = zip(values.joined(), others.joined()).map { abs($0 - $1) }.max() ?? 0
                Ledger.record(
                    .clipping("GradientClipper"), .property, on: device.id, error: Double(worst), tolerance: 0)
            }
        }
    }

    /// On devices of its own: whoever waits next is told. Not on the reference, whose norms of stretches wait.
    @Test func theErrorNamesTheParametersWhenTheHostWaits() throws {
        let openCL = try BackendUnderTest.openCL.prefix(1).map { try OpenCLBackend(id: $0.backend.device.id) }
        for backend in [CPUBackend()] + openCL as [any Backend] {
            try expectErrorWhenTheHostWaits(Device(backend: backend))
        }
    }

    private func expectErrorWhenTheHostWaits(_ device: Device) throws {
        let parameters = parameters(.nan, on: device)
        let optimizer = SGD(parameters, learningRate: 0.1)
        let clipper = GradientClipper(.value(1), nonFinite: .error)
        try optimizer.step(if: try clipper.clip(parameters).condition)
        // A finite step after it: the failure is still known.
        parameters[1].gradient = Tensor([0, 0, 0] as [Double], device: device)
        parameters[0].gradient = Tensor([0, 0, 0] as [Double], device: device)
        try optimizer.step(if: try clipper.clip(parameters).condition)
        let error = #expect(throws: GimbalError.self) { try parameters[0].value.floats() }
        #expect(error?.description.contains("the gradient of fc2.weight became nan") == true)
        // Told once; the weights are as they were.
        let values = try parameters[1].value.floats()
        #expect(values == [1, -2, 3])
    }

    @Test(arguments: BackendUnderTest.all) func zerosTakeThePlaceOfAllGradients(_ subject: BackendUnderTest) throws {
        let parameters = parameters(.infinity, on: Device(backend: subject.backend))
        let clipped = try GradientClipper(.none, nonFinite: .zero).clip(parameters)
        #expect(clipped.condition == nil)
        for parameter in parameters {
            let values = try #require(parameter.gradient).floats()
            #expect(values == [0, 0, 0])
        }
    }

    /// Between the parameters of an arena are gaps, which nothing overwrites.
    @Test(arguments: BackendUnderTest.all) func aNormOfNaNLeavesNoTraceInTheNextStep(_ subject: BackendUnderTest) throws
    {
        let device = Device(backend: subject.backend)
        for clipping in [
            GradientClipping.globalNorm(1), .value(1), .parameterNorm(1), .adaptive(clipping: 0.01), .percentile(10),
        ] {
            let parameters = (0..<3).map { _ in Parameter(Tensor.ones([3], device: device)) }
            try ParameterArena.pack(parameters)
            let clipper = GradientClipper(clipping)
            for values in [[0, .nan, 1], [0, 3, 4]] {
                for parameter in parameters { parameter.gradient = Tensor(values, device: device) }
                _ = try clipper.clip(parameters)
                let norm = try gradientNorm(parameters).item()
                #expect(norm.isNaN == values[1].isNaN, "\(clipping): \(norm)")
            }
        }
    }

    @Test func aHistoryOutgrowsItsMemoryAndKeepsItsOrder() throws {
        let device = Device(backend: ReferenceBackend())
        let clipper = GradientClipper(.percentile(50))
        let parameter = Parameter(Tensor.zeros([1], device: device))
        let norms = (0..<300).map { Double(($0 * 7919) % 1009) + 1 }
        for (step, norm) in norms.enumerated() {
            parameter.gradient = Tensor([step == 10 ? .nan : norm], device: device)
            _ = try clipper.clip([parameter])
        }
        let history = try #require(clipper.normHistory).doubles()
        let expected = (norms.enumerated().filter { $0.offset != 10 }.map(\.element)).sorted() + [.infinity]
        #expect(history == expected)
    }

    @Test func nothingToClip() throws {
        let clipped = try GradientClipper(.percentile(10), nonFinite: .error).clip([])
        #expect(clipped.norm == nil && clipped.condition == nil)
    }
}
