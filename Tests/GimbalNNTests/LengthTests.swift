import GimbalCPU
import GimbalNN
import GimbalOpenCL
import GimbalTestSupport
import Testing

/// What lies beyond a sequence's length has no influence on anything, and a length out of range is an error.
@Suite struct LengthTests {
    /// Outputs, states and every gradient with `beyond` in the steps beyond the lengths.
    private func everything(_ kind: RecurrentKind, _ beyond: Float, createsGraph: Bool = false) throws -> [[Float]] {
        let (steps, batch, size) = (5, 4, 3)
        let lengths: [Int32] = [3, 5, 0, 1]
        let net = withGenerator(RandomGenerator(seed: 1)) {
            RecurrentTests.make(
                kind, size, 2, layers: 2, isBatchFirst: true, isBidirectional: true,
                variational: VariationalDropout(input: 0.1, hidden: 0.1))
        }
        let values = spread([batch, steps, size]).values.map { Float($0) }.enumerated().map { index, value in
            index / size % steps < Int(lengths[index / (size * steps)]) ? value : beyond
        }
        let x = Tensor(values, [batch, steps, size]).requiringGradient()
        let (outputs, state) = withGenerator(RandomGenerator(seed: 2)) { net(x, lengths: Tensor(lengths)) }
        let parts = [outputs, state.hidden, state.cell].compactMap { $0 }
        let loss = parts.reduce(Tensor(0)) { $0 + ($1 * $1 + $1).sum() }
        let inputs = [x] + net.parameters.map(\.value)
        let gradients = try gradient(of: loss, withRespectTo: inputs, createsGraph: createsGraph)
        return try (parts + gradients).map { try $0.floats() }
    }

    @Test(arguments: BackendUnderTest.all) func nothingBeyondTheLengthsCounts(on subject: BackendUnderTest) throws {
        try withDevice(Device(backend: subject.backend)) {
            for kind in RecurrentKind.allCases {
                for createsGraph in [false, true] {
                    let expected = try everything(kind, 0, createsGraph: createsGraph)
                    #expect(expected.joined().allSatisfy { $0.isFinite })
                    for beyond in [Float.nan, .infinity, -.infinity, 3e38] {
                        let found = try everything(kind, beyond, createsGraph: createsGraph)
                        #expect(found == expected, "\(kind), \(beyond), \(createsGraph)")
                    }
                }
            }
        }
    }

    /// The operation that the nets are made of keeps the same promise.
    @Test func nothingBeyondTheLengthsCountsInTheOperation() throws {
        let weights = RecurrentWeights(
            input: Tensor([0.5, -0.25], [2, 1]).requiringGradient(),
            hidden: Tensor([0.1, 0.2, 0.3, 0.4], [2, 2]).requiringGradient())
        let x = Tensor([1, 2, .nan, 3], [2, 2, 1])
        let result = x.recurrent(.tanh, weights, lengths: Tensor([1, 2] as [Int32]))
        // [steps, batch]: the first sequence ends after one step.
        let values = try gradient(of: result.outputs.sum(), withRespectTo: [weights.input, weights.hidden])
            .flatMap { try $0.floats() }
        #expect(values.allSatisfy { $0.isFinite }, "\(values)")
    }

    @Test(arguments: BackendUnderTest.all) func nothingBeyondTheLengthsCountsInTemporalClassification(
        on subject: BackendUnderTest
    ) throws {
        try withDevice(Device(backend: subject.backend)) {
            func results(_ beyond: Float, createsGraph: Bool) throws -> [[Float]] {
                var values = spread([5, 2, 3], low: -3, high: -0.1).values.map { Float($0) }
                // The first sample ends after three steps.
                for time in 3..<5 { for index in 0..<3 { values[time * 6 + index] = beyond } }
                let x = Tensor(values, [5, 2, 3]).requiringGradient()
                let loss = temporalClassification(
                    x, Tensor([1, 2, 2, 1], [2, 2]).cast(to: .int32), inputLengths: Tensor([3, 5] as [Int32]),
                    targetLengths: Tensor([2, 1] as [Int32]), reduction: .sum)
                return [
                    try loss.floats(), try gradient(of: loss, withRespectTo: x, createsGraph: createsGraph).floats(),
                ]
            }
            for createsGraph in [false, true] {
                let expected = try results(-1, createsGraph: createsGraph)
                #expect(expected.joined().allSatisfy { $0.isFinite })
                for beyond in [Float.nan, .infinity, -.infinity] {
                    let found = try results(beyond, createsGraph: createsGraph)
                    #expect(found == expected, "\(beyond), \(createsGraph)")
                }
            }
        }
    }

    /// In a process of its own: the tests of this one share their backends, and would take each other's errors.
    @Test func lengthsOutOfRangeAreRefused() async {
        await #expect(processExitsWith: .success) {
            for subject in BackendUnderTest.all { try LengthTests.refusals(on: subject) }
        }
    }

    fileprivate static func refusals(on subject: BackendUnderTest) throws {
        try withDevice(Device(backend: subject.backend)) {
            let net = LSTM(inputSize: 3, hiddenSize: 2, isBatchFirst: true)
            let x = Tensor.ones([2, 4, 3])
            let heads = Tensor.ones([2, 1, 4, 3])
            let logits = Tensor.zeros([4, 2, 3]).logSoftmax()
            let labels = Tensor([1, 2, 2, 1], [2, 2]).cast(to: .int32)
            func lengths(_ values: [Int32]) -> Tensor { Tensor(values) }
            let uses: [(String, [Int32], (Tensor) -> Tensor)] = [
                ("recurrent", [4, 9], { net(x, lengths: $0).outputs }),
                ("recurrent", [-1, 4], { net(x, lengths: $0).state.hidden }),
                ("attention", [4, 5], { scaledDotProductAttention(heads, heads, heads, keyLengths: $0) }),
                (
                    "temporalClassification, inputs", [5, 4],
                    { temporalClassification(logits, labels, inputLengths: $0, targetLengths: lengths([1, 1])) }
                ),
                (
                    "temporalClassification, targets", [2, -3],
                    { temporalClassification(logits, labels, inputLengths: lengths([4, 4]), targetLengths: $0) }
                ),
            ]
            for (operation, bad, use) in uses {
                let result = use(lengths(bad))
                do {
                    _ = try result.floats()
                    // A device that runs behind learns of it by its first wait, and throws then or at the next.
                    try subject.backend.synchronize()
                    stop(operation, "took lengths of \(bad)")
                } catch GimbalError.invalidSetting(let name, let reason) {
                    require(name.hasPrefix(operation), operation, name)
                    require(reason.contains("\(bad.first { $0 < 0 || $0 > 4 } ?? 0)"), operation, reason)
                }
                // Nothing is left over, and good lengths are taken.
                _ = try use(lengths(operation.hasSuffix("targets") ? [0, 2] : [0, 4])).floats()
                try subject.backend.synchronize()
            }
        }
    }

    @Test func theErrorNamesTheLayer() throws {
        final class Model: Module, Layer {
            let encoder = GRU(inputSize: 2, hiddenSize: 2)
            func forward(_ input: Tensor) -> Tensor { encoder(input, lengths: Tensor([7] as [Int32])).outputs }
        }
        // A backend of its own: another test that waits for the shared one would be thrown this error.
        _ = withDevice(Device(backend: CPUBackend())) {
            #expect(
                throws: GimbalError.invalidSetting(
                    name: "recurrent (in layer encoder)", reason: "the length of sequence 0 is 7, out of 0...3")
            ) {
                _ = try Model()(.ones([3, 1, 2])).floats()
            }
        }
    }

    @Test(arguments: BackendUnderTest.all) func attentionDoesNotSeeWhatLiesBeyond(on subject: BackendUnderTest) throws {
        try withDevice(Device(backend: subject.backend)) {
            /// Result and gradients of attention with `beyond` in keys and values from the lengths on.
            func everything(_ leading: [Int], _ beyond: Float) throws -> [[Float]] {
                let (keys, size, lengths) = (5, 3, [3, 5, 0])
                func made(_ count: Int, _ seed: Int) -> Tensor {
                    let shape = Shape(leading + [count, size])
                    let rows = shape.elementCount / size / leading[0]
                    let values = spread(shape).values.enumerated().map { index, value in
                        let (sample, key) = (index / size / rows, index / size % count)
                        return seed > 0 && key >= lengths[sample] ? beyond : Float(value) + Float(seed)
                    }
                    return Tensor(values, shape).requiringGradient()
                }
                let leaves = [made(2, 0), made(keys, 1), made(keys, 2)]
                let result = scaledDotProductAttention(
                    leaves[0], leaves[1], leaves[2], keyLengths: Tensor(lengths.map(Int32.init)))
                let gradients = try gradient(of: result.square().sum(), withRespectTo: leaves)
                return try ([result] + gradients).map { try $0.floats() }
            }
            for leading in [[3], [3, 2]] {
                let expected = try everything(leading, 0)
                for beyond in [Float.nan, .infinity, 1e30] {
                    #expect(try everything(leading, beyond) == expected, "\(leading), \(beyond)")
                }
            }
        }
    }

    /// One look at lengths that many layers read.
    @Test func lengthsAreLookedAtOnce() throws {
        // A backend of its own: other tests wait for the shared one meanwhile.
        guard let id = OpenCLDevices.available().devices.first?.id else { return }
        let backend = try OpenCLBackend(id: id)
        try withDevice(Device(backend: backend)) {
            let lengths = Tensor([4, 2] as [Int32])
            let heads = Tensor.ones([2, 1, 4, 3])
            try backend.synchronize()
            let before = try #require(backend.launchRecord).waits
            for _ in 0..<12 { _ = scaledDotProductAttention(heads, heads, heads, keyLengths: lengths) }
            try backend.synchronize()
            let after = try #require(backend.launchRecord).waits
            #expect(after - before <= 3)
        }
    }
}
