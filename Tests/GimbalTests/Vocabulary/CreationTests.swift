import Gimbal
import GimbalCPU
import GimbalTestSupport
import Testing

private let devices = BackendUnderTest.all.map { Device(backend: $0.backend) } + [Device(backend: ReferenceBackend())]

/// Tensors from Swift values and back, and from device to device.
@Suite(.serialized) struct CreationTests {
    @Test(arguments: devices) func literalsOfAnyRankAreFloats(_ device: Device) throws {
        try withDevice(device) { () throws in
            let real = device.backend.realType
            #expect(Tensor([1, 2]).dtype == real && Tensor([[1, 2], [3, 4]]).dtype == real)
            #expect(Tensor(5).dtype == real && Tensor(5).shape == [])
            let x = Tensor([[[1, 2], [3, 4]], [[5, 6], [7, 8.5]]])
            #expect(x.shape == [2, 2, 2])
            #expect(try x.floats() == [1, 2, 3, 4, 5, 6, 7, 8.5])
            #expect(try x.array() as [[[Float]]] == [[[1, 2], [3, 4]], [[5, 6], [7, 8.5]]])
            #expect(try x.array([[[Int]]].self) == [[[1, 2], [3, 4]], [[5, 6], [7, 8]]])
            #expect(Tensor([[[[1]]]]).shape == [1, 1, 1, 1])
        }
    }

    @Test(arguments: devices) func wholeNumbersAndMasksKeepTheirKind(_ device: Device) throws {
        try withDevice(device) { () throws in
            let whole = [3, -7, 2_147_483_647, -2_147_483_648]
            let x = Tensor(whole, [2, 2])
            #expect(x.dtype == .int32)
            #expect(try x.array([[Int]].self) == [[3, -7], [2_147_483_647, -2_147_483_648]])
            #expect(try x.array([[Double]].self) == [[3, -7], [2_147_483_647, -2_147_483_648]])
            #expect(try Tensor(whole.map { Int64($0) }).array([Int64].self) == whole.map { Int64($0) })
            #expect(Tensor(whole[0]).dtype == .int32)

            let mask = Tensor([[true, false], [false, true]])
            #expect(mask.dtype == .uint8 && mask.shape == [2, 2])
            #expect(try mask.array([[Bool]].self) == [[true, false], [false, true]])
            #expect(try Tensor([0, 0.25, -1, .nan]).array([Bool].self) == [false, true, true, true])
            #expect(try Tensor([1.5, 2] as [Float16]).array([Float16].self) == [1.5, 2])
            #expect(Tensor([1.5, 2] as [Float16]).dtype == .float16)
            #expect(try Tensor([[1, 2]] as [[Int32]], dtype: .float16).array([[Float]].self) == [[1, 2]])
            #expect(Tensor([1, 2], dtype: .bfloat16).dtype == .bfloat16)
        }
    }

    @Test(arguments: devices) func emptyArraysAndItems(_ device: Device) throws {
        try withDevice(device) { () throws in
            #expect(Tensor([[Float]]()).shape == [0, 0])
            #expect(Tensor([[], []] as [[Float]]).shape == [2, 0])
            #expect(try Tensor.zeros([2, 0]).array([[Float]].self) == [[], []])
            #expect(try Tensor.full([1, 1], 3.75).item() == 3.75)
            #expect(try Tensor.full([], 3.75).item(as: Int.self) == 3)
            #expect(try Tensor(2_147_483_647 as Int).item(as: Int.self) == 2_147_483_647)
            #expect(try Tensor(0).item(as: Bool.self) == false)
        }
    }

    @Test func mistakesAreSaid() async {
        expectMessage(
            "nested arrays must be rectangular: at depth 1 one has 2 elements, another 1",
            await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                _ = Tensor([[1, 2], [3]], device: .cpu)
            })
        expectMessage(
            "3000000000 does not fit int32",
            await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                _ = Tensor([1, 3_000_000_000] as [Int], device: .cpu)
            })
        expectMessage(
            "has 1 levels, a tensor of [2, 2] 2",
            await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                _ = try Tensor([[1, 2], [3, 4]], device: .cpu).array([Float].self)
            })
        expectMessage(
            "0.5 is no int32",
            await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                _ = Tensor([1, 2] as [Int], device: .cpu) + 0.5
            })
    }

    // MARK: Moving

    @Test(arguments: devices) func movingKeepsEveryBit(_ device: Device) throws {
        let cpu = Device(backend: CPUBackend())
        for dtype in [DType.float32, .float16, .bfloat16, .int32, .uint8] {
            let bytes = (0..<6 * dtype.byteCount).map { UInt8(truncatingIfNeeded: $0 * 37 + 11) }
            let x = bytes.withUnsafeBytes { Tensor(copying: $0, [2, 3], dtype, cpu) }
            let moved = try x.transposed().to(device)
            #expect(moved.dtype == dtype && moved.shape == [3, 2] && moved.device.backend === device.backend)
            #expect(try moved.to(cpu).transposed().bytes() == bytes)
        }
    }

    @Test func float64BecomesFloat32WhereDevicesComputeInIt() throws {
        let reference = Device(backend: ReferenceBackend())
        let x = Tensor([0.1, 0.2] as [Double], device: reference)
        #expect(x.dtype == .float64)
        let moved = try x.to(.cpu)
        #expect(moved.dtype == .float32)
        #expect(try moved.floats() == [0.1, 0.2])
    }

    @Test(arguments: devices) func gradientsFlowBetweenDevices(_ device: Device) throws {
        let cpu = Device(backend: CPUBackend())
        let x = Tensor([1, 2, 3], device: cpu).requiringGradient()
        let there = try (x * x).to(device)
        try (there * there).sum().backward()
        #expect(try x.gradient?.floats() == [4, 32, 108])
        #expect(x.gradient?.device.backend === cpu.backend)
    }
}

/// Expects that a program which was stopped said `message`.
func expectMessage(_ message: String, _ result: ExitTest.Result?, sourceLocation: SourceLocation = #_sourceLocation) {
    let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(text.contains(message), sourceLocation: sourceLocation)
}
