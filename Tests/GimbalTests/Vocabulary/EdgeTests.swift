import Gimbal
import GimbalTestSupport
import Testing

private let devices = BackendUnderTest.all.map { Device(backend: $0.backend) } + [Device(backend: ReferenceBackend())]

/// What lies at the edges of formulas and types.
@Suite(.serialized) struct EdgeTests {
    // MARK: Whole numbers

    /// 16,777,217 is the first whole number that float32 does not hold.
    @Test(arguments: devices) func largeWholeNumbersAreToldApart(_ device: Device) throws {
        let x = Tensor([16_777_216, 16_777_217, 16_777_215, -16_777_217, -16_777_216] as [Int], device: device)
        #expect(try x.argMax().item(as: Int.self) == 1 && x.argMin().item(as: Int.self) == 3)
        #expect(try x.sorted().indices.array([Int].self) == [3, 4, 2, 0, 1])
        let columns = Tensor.stacked([x, x.flipped()], axis: 1)
        #expect(try columns.argMax(axis: 0).array([Int].self) == [1, 3])
    }

    @Test(arguments: BackendUnderTest.all) func partsOfNoElementsAfterTheLastAreEmpty(_ subject: BackendUnderTest)
        throws
    {
        let x = Tensor([1, 2, 3] as [Float], device: Device(backend: subject.backend))
        for whole in [x, x.flipped()] {
            let parts = whole.split(sizes: [3, 0], axis: 0)
            #expect(try parts[1].sum().item() == 0 && parts[1].array([Float].self) == [])
            #expect(try (parts[0] + parts[1].sum()).array([Float].self) == whole.array([Float].self))
        }
    }

    @Test(arguments: BackendUnderTest.all) func sumsAndProductsOfWholeNumbersWrapAround(_ subject: BackendUnderTest)
        throws
    {
        let device = Device(backend: subject.backend)
        let x = Tensor([46_341, 46_341] as [Int], device: device)
        #expect(try x.product().item(as: Int32.self) == 46_341 &* (46_341 as Int32))
        let y = Tensor([2_147_483_647, 1, 1] as [Int], device: device)
        #expect(try y.sum().item(as: Int.self) == -2_147_483_647)
        #expect(try y.max().item(as: Int.self) == 2_147_483_647 && y.min().item(as: Int.self) == 1)
    }

    @Test(arguments: devices) func productsOfWholeMatricesAreExact(_ device: Device) throws {
        let x = Tensor([[16_777_217, 1], [2, 3]] as [[Int]], device: device)
        let y = Tensor([[1, 0, 2], [0, 1, 0]] as [[Int]], device: device)
        #expect(try matmul(x, y).array([[Int]].self) == [[16_777_217, 1, 33_554_434], [2, 3, 4]])
        #expect(try einsum("ij,jk->ik", x, y).array([[Int]].self) == [[16_777_217, 1, 33_554_434], [2, 3, 4]])
        #expect(matmul(x, y).dtype == .int32)
    }

    @Test func wholeNumbersAreNotDivided() async {
        expectMessage(
            "/: needs real numbers, not int32 [2] and [2]",
            await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                _ = Tensor([7, -7] as [Int], device: .cpu) / Tensor([2, 2] as [Int], device: .cpu)
            })
    }

    // MARK: Narrow types

    @Test(arguments: BackendUnderTest.all) func statisticsOfFloat16ExceedItOnTheWayOnly(_ subject: BackendUnderTest)
        throws
    {
        let device = Device(backend: subject.backend)
        func float16(_ values: [Float]) -> Tensor { Tensor(values, dtype: .float16, device: device) }
        #expect(try float16([60_000, 60_000]).mean().item() == 60_000)
        #expect(try float16([200, -200]).variance().item() == 40_000)
        #expect(try float16([400, -400]).standardDeviation().item() == 400)
        #expect(try float16([300, 400]).norm().item() == 500)
        #expect(float16([1]).mean().dtype == .float16 && float16([1]).norm().dtype == .float16)
    }

    // MARK: Axes

    /// A mean over one axis named twice was divided by the square of its size.
    @Test func anAxisIsNamedOnce() async {
        expectMessage(
            "mean: [1, -1] names an axis of [3, 4] twice",
            await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                _ = Tensor.ones([3, 4], device: .cpu).mean([1, -1])
            })
        expectMessage(
            "product: [0, 0] names an axis of [3, 4] twice",
            await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                _ = Tensor.ones([3, 4], device: .cpu).product([0, 0])
            })
    }

    @Test func anEquationNamesTheAxisThatIsMissing() async {
        expectMessage(
            "no operand has the result's axis 'k'",
            await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                _ = einsum("ij->ik", Tensor.ones([3, 4], device: .cpu))
            })
    }

    @Test func aSequenceEnds() async {
        expectMessage(
            "too many numbers",
            await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                _ = Tensor.arange(0.0, .infinity, device: .cpu)
            })
    }

    @Test func aSequenceAwayFromItsEndIsEmpty() throws {
        #expect(Tensor.arange(1.0, 0.5, device: .cpu).shape == [0] && Tensor.arange(1, 0, device: .cpu).shape == [0])
        #expect(Tensor.arange(0.5, 1.0, by: -0.25, device: .cpu).shape == [0])
        #expect(try Tensor.arange(1.0, 0.5, by: -0.25, device: .cpu).floats() == [1, 0.75])
    }

    // MARK: Gradients, as PyTorch has them

    @Test(arguments: devices) func aDeviationOfNothingHasNoSlope(_ device: Device) throws {
        let x = Tensor([2, 2, 1, 3], [2, 2], device: device).requiringGradient()
        try x.standardDeviation([1]).sum().backward()
        #expect(try x.gradient!.floats() == [0, 0, -0.5, 0.5])
    }

    @Test(arguments: devices) func powersThatAreConstantHaveNoSlope(_ device: Device) throws {
        let x = Tensor([0, 2], device: device).requiringGradient()
        try x.power(0).sum().backward()
        #expect(try x.gradient!.floats() == [0, 0])
        let base = Tensor([0, 0, 2], device: device).requiringGradient()
        let exponent = Tensor([2, 0, 0], device: device).requiringGradient()
        try base.power(exponent).sum().backward()
        #expect(try base.gradient!.floats() == [0, 0, 0])
        let slopes = try exponent.gradient!.floats()
        #expect(slopes[..<2] == [0, 0] && abs(slopes[2] - 0.693_147) < 1e-5)
    }
}
