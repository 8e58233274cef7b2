import Gimbal
import GimbalTestSupport
import Testing

private let devices = BackendUnderTest.all.map { Device(backend: $0.backend) } + [Device(backend: ReferenceBackend())]

/// Parts of tensors, read and assigned.
@Suite(.serialized) struct SubscriptTests {
    /// 0, 1, 2, … as [2, 3, 4].
    func counting(on device: Device) -> Tensor { Tensor.arange(24, device: device).reshaped([2, 3, 4]) }

    @Test(arguments: devices) func everyFormOfIndexReads(_ device: Device) throws {
        let x = counting(on: device)
        let row = Tensor.arange(8, device: device)
        #expect(try x[1, 2, 3].item(as: Int.self) == 23)
        #expect(try x[-1, -3].array([Int].self) == [12, 13, 14, 15])
        #expect(try row[2..<5].array([Int].self) == [2, 3, 4])
        #expect(try row[2...4].array([Int].self) == [2, 3, 4])
        #expect(try row[5...].array([Int].self) == [5, 6, 7])
        #expect(try row[..<2].array([Int].self) == [0, 1])
        #expect(try row[...2].array([Int].self) == [0, 1, 2])
        #expect(try row[(-2)...].array([Int].self) == [6, 7])
        #expect(try row[..<(-6)].array([Int].self) == [0, 1])
        #expect(try row[...(-7)].array([Int].self) == [0, 1])
        #expect(try row[(-3)...(-1)].array([Int].self) == [5, 6, 7])
        #expect(try row[...].array([Int].self) == [0, 1, 2, 3, 4, 5, 6, 7])
        #expect(row[3..<3].shape == [0] && row[8...].shape == [0])
        #expect(try row[.every(3)].array([Int].self) == [0, 3, 6])
        #expect(try row[.every(3, from: 1, to: 7)].array([Int].self) == [1, 4])
        #expect(try row[.every(-1)].array([Int].self) == [7, 6, 5, 4, 3, 2, 1, 0])
        #expect(try row[.every(-2, from: 5, to: 0)].array([Int].self) == [5, 3, 1])
        #expect(row[.newAxis].shape == [1, 8] && row[..., .newAxis].shape == [8, 1])
        #expect(x[0, ..., .newAxis, 1..<3].shape == [3, 1, 2])
        #expect(x[0..., 1, ...].shape == [2, 4] && x[0, 0, ..., 0].shape == [] && x[0, 0, 0, ...].shape == [])
        #expect(x[.ellipsis, 0].shape == [2, 3])
    }

    @Test(arguments: devices) func indexTensorsAndMasksRead(_ device: Device) throws {
        let x = counting(on: device)
        let places = Tensor([2, 0, 2] as [Int], device: device)
        #expect(try x[0, places, 1].array([Int].self) == [9, 1, 9])
        #expect(x[places[..., .newAxis]].shape == [3, 1, 3, 4])
        #expect(x[0..., 0..., places].shape == [2, 3, 3])
        let rows = Tensor([0, 1] as [Int], device: device)
        #expect(try x[rows, 0, rows].array([Int].self) == [0, 13])
        #expect(try x[x .> 20].array([Int].self) == [21, 22, 23])
        #expect(x[x .> 100].shape == [0])
        #expect(x[Tensor([false, true], device: device)].shape == [1, 3, 4])
        #expect(x[0, Tensor([true, false, true], device: device), 1...].shape == [2, 3])
    }

    @Test(arguments: devices) func indexTensorsOutOfRangeGiveNaNAndAreNotAssigned(_ device: Device) throws {
        var x = Tensor([[1, 2], [3, 4]], device: device)
        let outside = Tensor([0, 2, -3] as [Int], device: device)
        let read = try x[outside].array([[Float]].self)
        #expect(read[0] == [1, 2] && read[1].allSatisfy(\.isNaN) && read[2].allSatisfy(\.isNaN))
        // Neither may an index out of range find an element by way of another's.
        let pairs = try x[Tensor([0, 1] as [Int], device: device), Tensor([3, -3] as [Int], device: device)]
            .array([Float].self)
        #expect(pairs.count(where: { $0.isNaN }) == 2)
        x[outside] = Tensor([[5, 6], [7, 8], [9, 10]], device: device)
        #expect(try x.array([[Float]].self) == [[5, 6], [3, 4]])
    }

    // MARK: Assigning

    @Test(arguments: devices) func everyFormOfIndexAssigns(_ device: Device) throws {
        var x = Tensor.zeros([3, 4], dtype: .int32, device: device)
        func value(_ numbers: [Int]) -> Tensor { Tensor(numbers, device: device) }
        x[0] = value([1])
        x[1, 1..<3] = value([5, 6])
        x[..., -1] = value([7, 8, 9])
        #expect(try x.array([[Int]].self) == [[1, 1, 1, 7], [0, 5, 6, 8], [0, 0, 0, 9]])
        x[2, .every(-2)] = value([3, 4])
        #expect(try x[2].array([Int].self) == [0, 4, 0, 3])
        x[value([2, 0])] = value([1, 2, 3, 4])
        #expect(try x.array([[Int]].self) == [[1, 2, 3, 4], [0, 5, 6, 8], [1, 2, 3, 4]])
        x[0..., value([1, 1])] = value([10, 20])  // The last one counts.
        #expect(try x[0..., 1].array([Int].self) == [20, 20, 20])
        x[value([0, 1]), value([0, 3])] = value([-1, -2])
        #expect(try x.array([[Int]].self) == [[-1, 20, 3, 4], [0, 20, 6, -2], [1, 20, 3, 4]])
        x.fill(0, at: x .> 5)
        #expect(try x.array([[Int]].self) == [[-1, 0, 3, 4], [0, 0, 0, -2], [1, 0, 3, 4]])
        x[x .< 0] = value([50, 60])
        #expect(try x.array([[Int]].self) == [[50, 0, 3, 4], [0, 0, 0, 60], [1, 0, 3, 4]])
        x[0] += 1
        x[..., 0] *= 2
        #expect(try x.array([[Int]].self) == [[102, 1, 4, 5], [0, 0, 0, 60], [2, 0, 3, 4]])
        x[0][1] = Tensor(9, device: device)
        #expect(try x[0].array([Int].self) == [102, 9, 4, 5])
        x[...] = value([0, 1, 2, 3])
        #expect(try x.array([[Int]].self) == [[0, 1, 2, 3], [0, 1, 2, 3], [0, 1, 2, 3]])
        x[3...] = value([8])
        #expect(try x[0].array([Int].self) == [0, 1, 2, 3])
    }

    @Test(arguments: devices) func assignmentRoundsToTheTensorsType(_ device: Device) throws {
        var x = Tensor.zeros([2], dtype: .float16, device: device)
        x[0] = Tensor(0.1, device: device)
        #expect(x.dtype == .float16)
        #expect(try x.floats() == [Float(Float16(0.1)), 0])
    }

    /// Elements are changed where they lie, unless another tensor has them too.
    @Test(arguments: devices) func whatIsSharedKeepsItsElements(_ device: Device) throws {
        var x = Tensor([1, 2, 3, 4], device: device)
        let place = x.view.storage.handle
        x[0] = Tensor(10, device: device)
        x[1] += 5
        #expect(x.view.storage.handle == place, "changed where it lay")
        let copy = x
        let part = x[2...]
        x[2] = Tensor(30, device: device)
        #expect(try x.floats() == [10, 7, 30, 4])
        #expect(try copy.floats() == [10, 7, 3, 4])
        #expect(try part.floats() == [3, 4])

        var repeated = Tensor([1], device: device).broadcast(to: [3])
        repeated[0] = Tensor(2, device: device)
        #expect(try repeated.floats() == [2, 1, 1])

        var swapped = Tensor([1, 2], device: device)
        swapped[...] = swapped[.every(-1)]
        #expect(try swapped.floats() == [2, 1])
    }

    // MARK: Gradients

    @Test(arguments: devices) func whatBackwardNeedsIsKept(_ device: Device) throws {
        let leaf = Tensor([1, 2, 3], device: device).requiringGradient()
        var x = leaf * 2
        let squares = x.square()
        x[0] = Tensor(100, device: device)
        try (squares + x).sum().backward()
        #expect(try leaf.gradient?.floats() == [8, 18, 26])
    }

    @Test(arguments: devices) func aLeafIsChangedWithoutGradientsAndStaysOne(_ device: Device) throws {
        var leaf = Tensor([1, 2, 3], device: device).requiringGradient()
        withoutGradients { leaf[1] = Tensor(5, device: device) }
        #expect(leaf.requiresGradient)
        try leaf.square().sum().backward()
        #expect(try leaf.gradient?.floats() == [2, 10, 6])
    }

    @Test(arguments: devices) func equalIndicesPassTheGradientToTheLastOne(_ device: Device) throws {
        let value = Tensor([1, 2, 3], device: device).requiringGradient()
        var x = Tensor.zeros([4], device: device)
        x[Tensor([1, 1, 7] as [Int], device: device)] = value
        try (x * 3).sum().backward()
        #expect(try value.gradient?.floats() == [0, 3, 0])
        let added = Tensor([1, 2, 3], device: device).requiringGradient()
        try Tensor.zeros([4], device: device)
            .scatterAdded(added, along: 0, at: Tensor([1, 1, -1] as [Int], device: device)).sum().backward()
        #expect(try added.gradient?.floats() == [1, 1, 0])
    }

    /// As NumPy and PyTorch have it, for one index tensor, for several, and in assignments.
    @Test(arguments: devices) func indexTensorsCountFromTheEnd(_ device: Device) throws {
        func places(_ numbers: [Int]) -> Tensor { Tensor(numbers, device: device) }
        let x = Tensor.arange(12, dtype: .float32, device: device).reshaped([3, 4])
        #expect(try x[places([-1, 0])].floats() == [8, 9, 10, 11, 0, 1, 2, 3])
        #expect(try x[places([0, -1]), places([1, -4])].floats() == [1, 8])
        #expect(try x[0..., places([-2])].floats() == [2, 6, 10])
        let outside = try x[places([-4, 3, -3])].floats()
        #expect(outside[..<8].allSatisfy(\.isNaN) && outside[8...] == [0, 1, 2, 3])
        var y = x
        y[places([-1]), places([-1])] = Tensor(50, device: device)
        y[places([-3, -4])] = Tensor([[1, 1, 1, 1], [2, 2, 2, 2]], device: device)
        #expect(try y.floats() == [1, 1, 1, 1, 4, 5, 6, 7, 8, 9, 10, 50])
        let leaf = x.requiringGradient()
        try leaf[places([0, 0, -1])].sum().backward()
        #expect(try leaf.gradient?.floats() == [2, 2, 2, 2, 0, 0, 0, 0, 1, 1, 1, 1])
    }

    @Test(arguments: devices) func numbersAreAssigned(_ device: Device) throws {
        var x = Tensor.zeros([3, 4], dtype: .float32, device: device)
        x[0] = 5
        x[1, 1] = 2.5
        x[..., -1] = 7
        x[2, ...] = Float(4)
        x[Tensor([-1] as [Int], device: device), 0] = 9
        x[x .== 4] = -1
        #expect(try x.floats() == [5, 5, 5, 7, 0, 2.5, 0, 7, 9, -1, -1, -1])
        x[0] *= 2
        #expect(try (x[0] + 1).floats() == [11, 11, 11, 15])
        var mask = Tensor([true, true], device: device)
        mask[0] = false
        #expect(try mask.array([Bool].self) == [false, true])
        let leaf = Tensor([1, 2], device: device).requiringGradient()
        var y = leaf * 3
        y[0] = 0
        try y.sum().backward()
        #expect(try leaf.gradient?.floats() == [0, 3])
    }

    @Test(arguments: devices) func axesOfSizeOneInFrontOfAValueDoNotCount(_ device: Device) throws {
        var x = Tensor.zeros([2, 3], device: device)
        x[1] = Tensor([[[1, 2, 3]]], device: device)
        #expect(try x.floats() == [0, 0, 0, 1, 2, 3])
    }

    @Test func numbersThatDoNotFitAreRefused() async {
        expectMessage(
            "2.5 is no int32",
            await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var x = Tensor.zeros([2], dtype: .int32, device: .cpu)
                x[0] = 2.5
            })
        expectMessage(
            "300.0 is no uint8",
            await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var x = Tensor.zeros([2], dtype: .uint8, device: .cpu)
                x.fill(300, at: 0)
            })
    }

    @Test func mistakesAreSaid() async {
        expectMessage(
            "indices of [3] have not the axes of [3, 4]",
            await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                _ = Tensor.zeros([3, 4], device: .cpu).gathered(along: 1, Tensor([0, 1, 2] as [Int], device: .cpu))
            })
        expectMessage(
            "[-1, 2] has a negative size",
            await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                _ = Tensor.zeros([-1, 2], device: .cpu)
            })

        expectMessage(
            "index 3 exceeds axis 0 of [3, 4]",
            await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                _ = Tensor.zeros([3, 4], device: .cpu)[3]
            })
        expectMessage(
            "2 to 5 exceeds axis 1 of [3, 4]",
            await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                _ = Tensor.zeros([3, 4], device: .cpu)[0, 2..<5]
            })
        expectMessage(
            "3 indices for the axes of [3, 4]",
            await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                _ = Tensor.zeros([3, 4], device: .cpu)[0, 0, 0]
            })
        expectMessage(
            "a value of [3] does not fit the part of [4]",
            await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var x = Tensor.zeros([3, 4], device: .cpu)
                x[0] = Tensor([1, 2, 3], device: .cpu)
            })
    }
}
