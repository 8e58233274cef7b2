import Foundation
import GimbalDoctor
import GimbalTestSupport
import Testing

/// The origin of a NaN or an infinity.
@Suite("The first number that is not finite")
struct NonFiniteTests {
    private static let devices = Array(BackendUnderTest.cpu.prefix(1) + BackendUnderTest.openCL.prefix(1))

    private struct Data {
        var x: Tensor
        var y: Tensor
    }

    private func search(
        _ device: BackendUnderTest, _ model: () -> Module, _ data: () -> Data,
        _ loss: @escaping (Module, Data) -> Tensor
    ) throws -> NonFiniteOrigin? {
        try withDevice(Device(backend: device.backend)) {
            try withGenerator(RandomGenerator(seed: 2)) {
                let (model, data) = (model(), data())
                return try NonFiniteOrigin.search(model, on: data) { loss(model, data) }
            }
        }
    }

    @Test("What users meet", arguments: devices) func cases(_ device: BackendUnderTest) throws {
        func mlp() -> Sequential {
            Sequential {
                Linear(4, 8); ReLU(); Linear(8, 3)
            }
        }
        func numbers() -> Data { Data(x: .normal([5, 4]), y: Tensor([0, 1, 2, 1, 0] as [Int32])) }
        func entropy(_ model: Module, _ data: Data) -> Tensor { crossEntropy((model as! Sequential)(data.x), data.y) }
        #expect(try search(device, mlp, numbers, entropy) == nil)

        // A missing value in a row.
        let row = try search(
            device, mlp,
            {
                var data = numbers()
                var values = try! data.x.floats()
                values[2 * 4 + 1] = .nan
                data.x = Tensor(values, [5, 4])
                return data
            }, entropy)
        #expect(row?.place == .data && row?.index == [2, 1] && row?.sample == 2 && row?.value == "nan")

        // A weight that an earlier step has spoilt.
        let weight = try search(
            device,
            {
                let model = mlp()
                let bias = model.parameters[3]
                bias.assign(Tensor([0, .infinity, 0]))
                return model
            }, numbers, entropy)
        #expect(weight?.place == .parameter && weight?.layer == "2.bias" && weight?.index == [1])

        // The logarithm of 0, by hand.
        let logarithm = try search(device, mlp, numbers) { model, data in
            -((model as! Sequential)(data.x).relu() * 0).log().mean()
        }
        #expect(logarithm?.place == .forward && logarithm?.operation == "log" && logarithm?.value == "-infinity")

        // The root of 0 has no slope.
        let root = try search(device, mlp, numbers) { model, data in
            ((model as! Sequential)(data.x) * 0).squareRoot().sum()
        }
        #expect(root?.place == .backward && root?.operation == "squareRoot", "\(root.map { "\($0)" } ?? "nil")")

        // An overflow is named where it comes up, not where it has become NaN.
        let overflow = try search(device, mlp, numbers) { model, data in
            let large = (model as! Sequential)(data.x).exp() * 3e38
            return (large * 10 - large * 10).mean()
        }
        #expect(
            overflow?.isInfinite == true && overflow?.place == .forward && overflow?.operation == "affine",
            "\(overflow.map { "\($0)" } ?? "nil")")

        // Minus infinity in a mask is meant; a row that is masked as a whole is not.
        func masked(_ rows: [Float]) throws -> NonFiniteOrigin? {
            try search(device, mlp, numbers) { model, data in
                let scores = (model as! Sequential)(data.x)
                return (scores + Tensor(rows, [5, 3])).softmax().square().mean()
            }
        }
        var mask = [Float](repeating: 0, count: 15)
        mask[1] = -.infinity
        #expect(try masked(mask) == nil)
        for column in 0..<3 { mask[6 + column] = -.infinity }
        let row2 = try masked(mask)
        #expect(row2?.operation == "softmax" && row2?.index == [2, 0], "\(row2.map { "\($0)" } ?? "nil")")
        #expect(row2?.operands.first?.infinityCount == 4)
    }

    @Test("Nothing of the model or the random numbers changes") func leavesAlone() throws {
        try withDevice(.cpu) {
            let generator = RandomGenerator(seed: 3)
            try withGenerator(generator) {
                let model = Sequential {
                    Linear(4, 8); BatchNorm1d(8); Dropout(0.5); Linear(8, 1)
                }
                let x = Tensor.normal([6, 4])
                try model(x).sum().backward()
                let (state, random) = (model.stateDictionary(), generator.state)
                let gradients = try model.parameters.map { try $0.gradient!.floats() }
                _ = try NonFiniteOrigin.search(model, on: x) { (model(x) * Float.infinity).sum() }
                #expect(generator.state == random)
                #expect(try model.parameters.map { try $0.gradient!.floats() } == gradients)
                let now = model.stateDictionary()
                for name in state.names { #expect(try state[name]?.floats() == now[name]?.floats(), "\(name)") }
            }
        }
    }

    /// Numbers put into the memory of one result or gradient of a pass, as a broken kernel would: where they are found.
    ///
    /// `GIMBAL_INJECTIONS=1000` tries as many on each device.
    @Test("Injected numbers are found where they were put", arguments: devices)
    func injected(_ device: BackendUnderTest) throws {
        let count = wantedTrials("GIMBAL_INJECTIONS", otherwise: 60)
        var random = Choices(seed: 11)
        var (located, harmless) = (0, 0)
        try withDevice(Device(backend: device.backend)) {
            let nets = Self.nets()
            for trial in 0..<count {
                let (model, batch, loss) = nets[trial % nets.count]
                // How many places there are.
                let counting = Injector(at: nil, random: 0, value: 0)
                #expect(try counting.search(model, batch, loss) == nil)
                let isBackward = random.next() % 2 == 0
                let places = isBackward ? counting.backward : counting.forward
                try #require(places > 0)
                let value: Float = [.nan, .infinity, -.infinity][Int(random.next() % 3)]
                let injector = Injector(
                    at: (isBackward, Int(random.next() % UInt64(places))), random: random.next(), value: value)
                let origin = try injector.search(model, batch, loss)
                let expected = try #require(injector.injected)
                guard let origin else {
                    // It did not reach the loss, or became finite on the way, as the tanh of an infinity does.
                    harmless += 1
                    continue
                }
                let isRight =
                    origin.operation == expected.operation && origin.layer == expected.layer
                    && origin.index == expected.index && (origin.place == .backward) == isBackward
                    && origin.value == expected.value
                #expect(isRight, "put: \(expected); found: \(origin)")
                located += 1
            }
        }
        #expect(located > count / 3, "\(harmless) of \(count) reached no loss and no gradient")
        tell(tried: count, of: "injections")
    }

    private typealias Net = (Module, [Tensor], () -> Tensor)

    /// Nets of all kinds, with their batch and loss.
    private static func nets() -> [Net] {
        withGenerator(RandomGenerator(seed: 5)) {
            func net(_ model: any TensorLayer, _ x: Tensor, _ loss: @escaping (Tensor) -> Tensor) -> Net {
                (model, [x], { loss(model(x)) })
            }
            let classes = Tensor([0, 1, 2, 1] as [Int32])
            let mlp = Sequential {
                Linear(6, 8); BatchNorm1d(8); ReLU(); Linear(8, 8); Tanh(); Dropout(0.3); Linear(8, 3)
            }
            let convolutional = Sequential {
                Conv2d(2, 4, kernelSize: 3); GELU(); MaxPool2d(kernelSize: 2); Flatten(); Linear(4 * 3 * 3, 3)
            }
            let (recurrent, head) = (LSTM(inputSize: 3, hiddenSize: 5, isBatchFirst: true), Linear(5, 3))
            let sequence = Tensor.normal([4, 6, 3])
            let both = ModuleList([recurrent, head])
            let language = LanguageModel(vocabulary: 9, length: 5, size: 8, heads: 2, layers: 1)
            let tokens = Tensor([1, 2, 3, 4, 5, 0, 8, 7, 6, 5] as [Int32], [2, 5])
            let next = Tensor([2, 3, 4, 5, 0, 8, 7, 6, 5, 1] as [Int32])
            return [
                net(mlp, .normal([4, 6])) { crossEntropy($0, classes) },
                net(convolutional, .normal([4, 2, 8, 8])) { meanSquaredError($0, $0.detached() * 0 + 1) },
                (both, [sequence], { crossEntropy(head(recurrent(sequence).selecting(-1, axis: 1)), classes) }),
                (language, [tokens], { crossEntropy(language(tokens).reshaped([10, 9] as Shape), next) }),
            ]
        }
    }

    /// Puts a number into one result or gradient of a pass.
    private final class Injector {
        struct Injected: CustomStringConvertible {
            var operation: String
            var layer: String
            var index: [Int]
            var value: String
            var description: String { "\(value) at \(index) of \(operation) in \(layer)" }
        }
        private let place: (isBackward: Bool, number: Int)?
        private let random: UInt64
        private let value: Float
        private(set) var (forward, backward) = (0, 0)
        private(set) var injected: Injected?

        init(at place: (isBackward: Bool, number: Int)?, random: UInt64, value: Float) {
            self.place = place
            self.random = random
            self.value = value
        }

        func search(_ model: Module, _ batch: [Tensor], _ loss: () -> Tensor) throws -> NonFiniteOrigin? {
            try withGenerator(RandomGenerator(seed: 9)) {
                try withOperationWatcher(
                    OperationWatcher(
                        computed: { [unowned self] operation in
                            guard !operation.isBackward, let output = operation.outputs.first,
                                output.dtype == .float32, output.elementCount > 0,
                                // A view has no memory of its own.
                                !operation.inputs.contains(where: { $0.view.storage === output.view.storage })
                            else { return }
                            if let place, !place.isBackward, place.number == forward {
                                put(into: output, "\(operation.name)", operation.layer?.path ?? "")
                            }
                            forward += 1
                        },
                        differentiated: { [unowned self] operation in
                            for gradient in operation.inputGradients.compactMap({ $0 })
                            where gradient.elementCount > 0
                                && gradient.view.storage !== operation.outputGradient.view.storage
                            {
                                if let place, place.isBackward, place.number == backward {
                                    put(into: gradient, "\(operation.name)", operation.layer?.path ?? "")
                                }
                                backward += 1
                            }
                        })
                ) { try NonFiniteOrigin.search(model, on: batch, loss: loss) }
            }
        }

        private func put(into tensor: Tensor, _ operation: String, _ layer: String) {
            var place = Int(random % UInt64(tensor.elementCount))
            var index: [Int] = []
            for size in tensor.shape.sizes.reversed() {
                index.insert(place % size, at: 0)
                place /= size
            }
            let view = tensor.view
            let offset = view.offset + zip(index, view.strides).reduce(0) { $0 + $1.0 * $1.1 }
            withUnsafeBytes(of: value) { view.storage.backend.upload($0, to: view.storage, byteOffset: 4 * offset) }
            // Where a view repeats an element, the first of its places is what is found.
            for axis in index.indices where view.strides[axis] == 0 { index[axis] = 0 }
            injected = Injected(
                operation: operation, layer: layer, index: index,
                value: value.isNaN ? "nan" : value > 0 ? "infinity" : "-infinity")
        }
    }

    private struct Choices {
        private var state: UInt64
        init(seed: UInt64) { state = seed }
        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (state >> 33) ^ (state >> 11)
        }
    }
}
