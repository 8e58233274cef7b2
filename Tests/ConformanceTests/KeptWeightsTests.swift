import Gimbal
import GimbalBackend
import GimbalCPU
import GimbalOptim
import GimbalTestSupport
import Testing

/// Weights that stay as they are are laid out once for products by a few rows; whatever is written to them is seen.
@Suite struct KeptWeightsTests {
    /// What multiplies by weights: the CPU's ways, and another input for each.
    enum Product: CaseIterable {
        case channelsLast, winograd, grouped, columns, wideColumns

        var shapes: (x: Shape, weight: Shape) {
            switch self {
            case .channelsLast: ([1, 32, 9, 9], [48, 32, 3, 3])
            case .winograd: ([1, 32, 16, 17], [40, 32, 3, 3])
            case .grouped: ([2, 48, 11], [64, 24, 3])
            case .columns: ([5, 700], [130, 700])
            // Several blocks of columns, shared out among the threads.
            case .wideColumns: ([30, 530], [1111, 530])
            }
        }

        func callAsFunction(_ x: Tensor, _ weight: Tensor) throws -> [Float] {
            let result: Tensor =
                switch self {
                case .channelsLast:
                    x.convolved(weight: weight, .init(kernel: [3, 3], stride: [2, 2], padding: [1, 1]))
                case .winograd: x.convolved(weight: weight, .init(kernel: [3, 3], padding: [1, 1]))
                case .grouped: x.convolved(weight: weight, .init(kernel: [3], padding: [1], groups: 2))
                case .columns, .wideColumns: x.linear(weight: weight)
                }
            return try result.reshaped([result.elementCount]).array([Float].self)
        }
    }

    private static let backends =
        BackendUnderTest.cpu + [
            BackendUnderTest(description: "cpu, 3 threads", backend: CPUBackend(threads: 3)),
            BackendUnderTest(description: "cpu, 1 thread", backend: CPUBackend(threads: 1)),
        ]

    private func tensor(_ shape: Shape, seed: UInt64, on device: Device) -> Tensor {
        Tensor(samples(shape.elementCount, seed: seed).map(Float.init), shape, device: device)
    }

    @Test(arguments: backends, Product.allCases)
    func productsAreThoseOfTheWeightsAsTheyAre(on subject: BackendUnderTest, _ product: Product) throws {
        let device = Device(backend: subject.backend)
        let x = tensor(product.shapes.x, seed: 1, on: device)
        let shape = product.shapes.weight
        let parameter = Parameter(tensor(shape, seed: 2, on: device))
        /// A copy that nothing was made of.
        func expected() throws -> [Float] {
            let weight = parameter.value
            return try product(
                x, Tensor(try weight.reshaped([weight.elementCount]).array([Float].self), shape, device: device))
        }
        let optimizer = SGD([parameter], learningRate: 0.1)
        let changes: [(String, () throws -> Void)] = [
            ("nothing", {}),
            ("assign", { parameter.assign(tensor(shape, seed: 3, on: device)) }),
            (
                "a step",
                {
                    parameter.gradient = tensor(shape, seed: 4, on: device)
                    try optimizer.step()
                }
            ),
            (
                "write",
                { parameter.value.write(.ones(Shape([1] + shape.sizes.dropFirst()), device: device), at: 1, axis: 0) }
            ),
            (
                "upload",
                {
                    let view = parameter.weights
                    let values = samples(shape.elementCount, seed: 5).map(Float.init)
                    values.withUnsafeBytes {
                        subject.backend.upload($0, to: view.storage, byteOffset: view.byteOffset)
                    }
                }
            ),
            ("fill", { subject.backend.fill(parameter.weights.sliced(axis: 0, 2..<5), with: 3) }),
            (
                "scatterAdd",
                {
                    let rows = Tensor([0, 3] as [Int32], device: device)
                    let source = tensor(Shape([2] + shape.sizes.dropFirst()), seed: 6, on: device)
                    subject.backend.scatterAdd(source.view, indices: rows.view, into: parameter.weights)
                }
            ),
            ("an operation", { subject.backend.unary(.init(.square), parameter.weights, out: parameter.weights) }),
        ]
        for (name, change) in changes {
            try change()
            let expected = try expected()
            for turn in 1...4 { #expect(try product(x, parameter.value) == expected, "after \(name), time \(turn)") }
        }
    }

    @Test(arguments: Product.allCases)
    func theNumberOfThreadsChangesNoBit(_ product: Product) throws {
        let results = try [1, 2, 3, 5].map { threads in
            let device = Device(backend: CPUBackend(threads: threads))
            let x = tensor(product.shapes.x, seed: 1, on: device)
            let weight = tensor(product.shapes.weight, seed: 2, on: device)
            return try (0..<3).map { _ in try product(x, weight) }
        }
        for result in results { #expect(result.allSatisfy { $0 == results[0][0] }) }
    }

    @Test(arguments: Product.allCases)
    func whatIsKeptGoesWithTheWeights(_ product: Product) throws {
        let backend = CPUBackend(threads: 2)
        let device = Device(backend: backend)
        let x = tensor(product.shapes.x, seed: 1, on: device)
        let before = backend.memoryUsage.inUse
        do {
            let parameter = Parameter(tensor(product.shapes.weight, seed: 2, on: device))
            _ = try product(x, parameter.value)
            let afterOne = backend.memoryUsage.inUse
            for _ in 0..<3 { _ = try product(x, parameter.value) }
            #expect(backend.memoryUsage.inUse > afterOne)
            // As in training, where each step changes them.
            parameter.assign(tensor(product.shapes.weight, seed: 3, on: device))
            _ = try product(x, parameter.value)
            #expect(backend.memoryUsage.inUse == afterOne)
        }
        #expect(backend.memoryUsage.inUse == before)
    }
}
