import Gimbal
import GimbalOpenCL
import GimbalTestSupport
import Testing

@Suite struct CustomKernelTests {
    /// Each row's running sum: no elementwise operation, and one that needs the shape.
    static let runningSum = CustomKernel(
        "running_sum", inputs: ["x"], outputs: ["out"], numbers: ["scale"], integers: ["start"], groupSize: 32,
        body: """
            size_t row = get_global_id(0);
            if (row >= (size_t)x_shape.of[0]) return;
            float sum = 0.0f;
            for (int j = 0; j < x_shape.of[1]; j++) {
                size_t i = row * x_shape.of[1] + j;
                if (j >= start) sum += scale * x[i];
                out[i] = sum;
            }
            """
    ) { call in
        let width = call.inputShapes[0][1]
        for row in 0..<call.inputShapes[0][0] {
            var sum: Float = 0
            for j in 0..<width {
                let i = row * width + j
                if j >= call.integers[0] { sum += call.numbers[0] * call.inputs[0][i] }
                call.outputs[0][i] = sum
            }
        }
    }

    /// The sums and differences of two tensors, with a function of its own.
    static let butterfly = CustomKernel(
        "butterfly", inputs: ["a", "b"], outputs: ["sums", "differences"],
        header: "float half_of(float x) { return 0.5f * x; }",
        body: """
            size_t i = get_global_id(0);
            if (i >= sums_count) return;
            sums[i] = half_of(a[i] + b[i]);
            differences[i] = half_of(a[i] - b[i]);
            """
    ) { call in
        for i in call.outputs[0].indices {
            call.outputs[0][i] = 0.5 * (call.inputs[0][i] + call.inputs[1][i])
            call.outputs[1][i] = 0.5 * (call.inputs[0][i] - call.inputs[1][i])
        }
    }

    static let devices =
        BackendUnderTest.all + [
            BackendUnderTest(description: "reference", backend: ReferenceBackend())
        ]

    @Test(arguments: devices)
    func runsWithShapesNumbersAndIntegers(on subject: BackendUnderTest) throws {
        try withDevice(Device(backend: subject.backend)) { () throws -> Void in
            let x = Tensor([1, 2, 3, 4, 5, 6] as [Float], [2, 3])
            #expect(
                try Self.runningSum(x, numbers: [2], integers: [1], workItems: [2]).floats() == [0, 4, 10, 0, 10, 22])
            // A view that is not contiguous, and another shape by the same kernel.
            let y = Self.runningSum(x.transposed(0, 1), numbers: [1], integers: [0], workItems: [3])
            #expect(try y.floats() == [1, 5, 2, 7, 3, 9])
            // A view that begins further on.
            let rest = Self.runningSum(x.sliced(1..<2, axis: 0), numbers: [1], integers: [0], workItems: [1])
            #expect(try rest.floats() == [4, 9, 15])
        }
    }

    @Test(arguments: devices)
    func severalOutputs(on subject: BackendUnderTest) throws {
        try withDevice(Device(backend: subject.backend)) { () throws -> Void in
            let results = Self.butterfly.outputs(of: [Tensor([3, 5] as [Float]), Tensor([1, 1] as [Float])])
            #expect(try results.map { try $0.floats() } == [[2, 3], [1, 2]])
            let half = Tensor([3, 5] as [Float]).cast(to: .float16)
            #expect(try Self.butterfly.outputs(of: [half, half])[0].floats() == [3, 5])
            let nothing = Tensor.zeros([0])
            #expect(try Self.butterfly.outputs(of: [nothing, nothing])[1].floats() == [])
        }
    }

    @Test func aKernelThatDoesNotBuildIsThrownAtTheNextWait() throws {
        // A backend of its own: on the shared one, another test might wait first and meet the error.
        guard let id = OpenCLDevices.available().devices.first?.id else { return }
        let device = Device(backend: try OpenCLBackend(id: id))
        let broken = CustomKernel("not_opencl", inputs: ["x"], outputs: ["out"], body: "out[0] = 1;\nout[1] = y;") {
            _ in
        }
        try withDevice(device) { () throws -> Void in
            let result = broken(Tensor([1, 2] as [Float]))
            do {
                _ = try result.floats()
                Issue.record("nothing was thrown")
            } catch GimbalError.kernelBuildFailed(let kernel, _, _, let log) {
                #expect(kernel == "not_opencl")
                #expect(log.contains("'y'") && log.contains(":2:"), "\(log)")
            }
            // What comes after is as ever.
            #expect(try Tensor([1, 2] as [Float]).floats() == [1, 2])
        }
    }

    @Test func aBackendThatTakesNoKernelsSaysSo() throws {
        let backend = PrimitivesOnly(ReferenceBackend())
        let view = try backend.allocate([2], .float32)
        backend.run(
            Self.runningSum, .init(inputs: [view], outputs: [view], numbers: [1], integers: [0], workItems: [2]))
        #expect(throws: GimbalError.self) { try backend.errors.throwIfSet() }
    }

    @Test func mistakesStop() async {
        await #expect(processExitsWith: .failure) {
            _ = CustomKernelTests.runningSum(Tensor([1, 2], [1, 2]))
        }
        await #expect(processExitsWith: .failure) {
            _ = CustomKernel("no name", inputs: ["x"], outputs: ["out"], body: "") { _ in }
        }
        // Nobody has said how the gradient is computed.
        await #expect(processExitsWith: .failure) {
            let x = Tensor([1, 2], [1, 2]).requiringGradient()
            try CustomKernelTests.runningSum(x, numbers: [1], integers: [0]).sum().backward()
        }
    }
}
