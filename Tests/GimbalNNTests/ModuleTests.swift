import GimbalNN
import GimbalTestSupport
import Testing

/// How a model is found in its stored properties, named, switched and printed.
@Suite struct ModuleTests {
    let device = Device(backend: ReferenceBackend())

    final class Block: Module, Layer {
        let inputNorm = BatchNorm1d(4)
        let layers = [Linear(4, 4), Linear(4, 4)]
        let shortcut: Linear?
        private let label = "not a part"

        init(hasShortcut: Bool) { shortcut = hasShortcut ? Linear(4, 4, hasBias: false) : nil }
        func forward(_ input: Tensor) -> Tensor { layers.reduce(inputNorm(input)) { $1($0) } }
    }

    @Test func propertiesNameTheParametersAsPyTorchDoes() {
        withDevice(device) {
            let model = Sequential {
                Block(hasShortcut: true)
                Block(hasShortcut: false)
            }
            #expect(
                model.parameters.map(\.name) == [
                    "0.input_norm.weight", "0.input_norm.bias", "0.layers.0.weight", "0.layers.0.bias",
                    "0.layers.1.weight", "0.layers.1.bias", "0.shortcut.weight", "1.input_norm.weight",
                    "1.input_norm.bias", "1.layers.0.weight", "1.layers.0.bias", "1.layers.1.weight",
                    "1.layers.1.bias",
                ])
            #expect(
                BatchNorm1d(3).stateParts.map(\.path)
                    == ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"])
        }
    }

    @Test func aSharedParameterIsListedOnce() {
        withDevice(device) {
            let shared = Linear(3, 3)
            let model = Sequential([shared, shared])
            #expect(model.parameters.count == 2)
            #expect(model.parameterCount == 12)
        }
    }

    @Test func modesReachEveryLayer() {
        withDevice(device) {
            let dropout = Dropout(0.5)
            let norm = BatchNorm1d(4)
            let model = Sequential {
                Residual {
                    dropout
                    norm
                }
            }
            model.setMode(.evaluation)
            #expect(!dropout.isTraining && !norm.isTraining)
            model.setMode(.training)
            #expect(dropout.isTraining && norm.isTraining)
        }
    }

    @Test func aModelPrintsItsTreeWithShapesAndCounts() {
        withDevice(device) {
            let model = Sequential {
                Flatten()
                Linear(784, 512)
                Residual {
                    BatchNorm1d(512)
                    ReLU()
                }
                Linear(512, 10, hasBias: false)
            }
            let expected = [
                "Sequential", "0: Flatten()", "1: Linear(784, 512)", "[2, 512]", "401,920", "2: Residual",
                "0: BatchNorm1d(512)", "1,024", "1: ReLU()", "3: Linear(512, 10, hasBias: false)", "[2, 10]", "5,120",
                "408,064 parameters",
            ]
            let summary = model.summary(of: .ones([2, 28, 28]))
            for part in expected {
                #expect(summary.contains(part), "\(part) in\n\(summary)")
                if !part.hasPrefix("[") { #expect(model.description.contains(part), "\(part) in\n\(model)") }
            }
            let norm = model.modules.compactMap { $0 as? BatchNorm1d }[0]
            #expect(norm.batchCount?.value == 0 && norm.isTraining, "a summary changes nothing")
        }
    }

    @Test func theBuilderTakesConditionsAndLoops() {
        withDevice(device) {
            func model(isNormalized: Bool) -> Sequential {
                Sequential {
                    for size in [2, 3] { Linear(size, size + 1) }
                    if isNormalized { BatchNorm1d(4) } else { Tanh() }
                    if isNormalized { ReLU() }
                }
            }
            #expect(model(isNormalized: true).layers.count == 4)
            #expect(model(isNormalized: false).layers.count == 3)
        }
    }

    @Test func weightsSurviveSavingAndLoading() throws {
        try withTemporaryFolder { folder in
            try withDevice(.cpu) {
                func model() -> Sequential {
                    Sequential {
                        Linear(5, 4)
                        BatchNorm1d(4)
                    }
                }
                let saved = model()
                let x = Tensor.normal([6, 5])
                for _ in 0..<3 { _ = saved(x) }
                saved.setMode(.evaluation)
                try saved.save(to: folder + "/model.safetensors")
                let loaded = model()
                try loaded.load(from: folder + "/model.safetensors")
                loaded.setMode(.evaluation)
                #expect(try loaded(x).floats() == saved(x).floats())
                #expect((loaded.layers[1] as? BatchNorm1d)?.batchCount?.value == 3)
            }
        }
    }

    @Test func loadingIsStrictAndListsEveryName() throws {
        try withTemporaryFolder { folder in
            try withDevice(.cpu) {
                let path = folder + "/model.safetensors"
                try Sequential {
                    Linear(5, 4)
                    Linear(4, 4)
                }.save(to: path)
                let other = Sequential {
                    Linear(5, 3)
                    BatchNorm1d(4)
                }
                let before = try other.parameters.map { try $0.value.floats() }
                do {
                    try other.load(from: path)
                    Issue.record("the file fits another model only")
                } catch GimbalError.weightMismatch(_, let missing, let unexpected, let misshaped) {
                    #expect(missing == ["1.running_mean", "1.running_var", "1.num_batches_tracked"])
                    #expect(unexpected == [])
                    #expect(misshaped.count == 3)
                    #expect(misshaped.contains { $0.hasPrefix("0.weight ([4, 5] in the file, [3, 5] in the model") })
                }
                #expect(try other.parameters.map { try $0.value.floats() } == before)
            }
        }
    }

    @Test func aMistakeNamesOperationShapesAndLayer() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let model = Sequential {
                Linear(4, 4)
                Residual { Linear(5, 5) }
            }
            _ = model(Tensor.zeros([2, 4]))
        }
        let message = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(message.contains("linear: an input of [2, 4] does not fit a weight of [5, 5]"))
        #expect(message.contains("(in layer 1.body.0: Linear)"))
    }

    @Test func batchNormOfOneValuePerChannelIsAMistake() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = BatchNorm1d(3)(Tensor.zeros([1, 3]))
        }
        let message = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(message.contains("[1, 3] has one value per channel"))
    }
}
