import GimbalNN
import GimbalTestSupport
import Synchronization
import Testing

/// The one way into a module: paths, observers, hooks and precision.
@Suite struct CallTests {
    let device = Device(backend: ReferenceBackend())

    final class TwoInputs: Module, Layer {
        let left = Linear(3, 2)
        let right = Linear(4, 2)
        func forward(_ input: (a: Tensor, b: Tensor)) -> Tensor { left(input.a) + right(input.b) }
    }

    private func paths(_ body: () -> Void) -> [String] {
        var found: [String] = []
        withObserver(after: { found.append($0.path) }, body)
        return found
    }

    @Test func everyLayerIsSeenUnderItsNameInTheModel() {
        withDevice(device) {
            let x = Tensor.zeros([1, 3, 8, 8])
            let net = SmallResNet(depth: 8, width: 2)
            let found = paths { _ = net(x) }
            let expected = ["conv1", "layer1.0.conv1", "layer2.0.downsample", "layer3.0.bn2", "fc"]
            for name in expected where name != "layer2.0.downsample" { #expect(found.contains(name), "\(found)") }
            #expect(found.last == "")
            let model = LanguageModel(vocabulary: 5, length: 4, size: 4, heads: 2, layers: 1)
            let tokens = Tensor([0, 1, 2, 3] as [Int32], [1, 4])
            let inside = paths { _ = model(tokens) }
            for name in ["positions", "encoder.layers.0.self_attn.out_proj", "encoder.layers.0.linear1", "head"] {
                #expect(inside.contains(name), "\(inside)")
            }
            let pair = TwoInputs()
            #expect(paths { _ = pair((a: .zeros([1, 3]), b: .zeros([1, 4]))) } == ["left", "right", ""])
            let layer = TransformerDecoderLayer(4, heads: 2, feedforwardSize: 4)
            let y = Tensor.zeros([2, 1, 4])
            #expect(paths { _ = layer(y, memory: y) }.contains("multihead_attn.out_proj"))
            let lstm = Sequential { LSTM(inputSize: 4, hiddenSize: 3) }
            #expect(paths { _ = lstm(y) } == ["0", ""])
        }
    }

    @Test func aMistakeInsideATransformerNamesTheLayer() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let model = TransformerClassifier(inputs: 4, classes: 2, size: 4, heads: 2, layers: 2)
            model.encoder.layers[1].linear2.weight.replaceTensors { _ in .zeros([4, 7]) }
            _ = model(Tensor.zeros([1, 3, 4]))
        }
        let message = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(message.contains("(in layer encoder.layers.1.linear2: Linear)"), "\(message)")
    }

    final class Failing: Module, Layer {
        func forward(_ input: Tensor) -> Tensor {
            Tensor.operation("failing", [input], input.shape) {
                $0.copy(input.view, to: $1)
            } gradient: { _, _ in
                stop("failing", "in the gradient")
            }
        }
    }

    @Test func aMistakeInBackwardNamesTheLayer() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let model = Sequential {
                Linear(2, 2)
                Residual { Failing() }
            }
            try model(Tensor.zeros([1, 2])).sum().backward()
        }
        let message = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(message.contains("(in layer 1.body.0: Failing)"), "\(message)")
    }

    @Test func observersNestAndMayReplaceWhatPasses() throws {
        try withDevice(device) {
            let model = Sequential { Tanh() }
            var order: [String] = []
            let y = withObserver(
                before: { _ in order.append("outer before") }, after: { _ in order.append("outer after") }
            ) {
                withObserver(
                    before: { call in
                        order.append("inner before")
                        if call.module is Tanh { call.input = Tensor.zeros([2]) }
                    },
                    after: { call in
                        order.append("inner after")
                        if call.module is Tanh { call.output = call.outputs[0] + 3 }
                    }
                ) { model(.ones([2])) }
            }
            let values = try y.doubles()
            #expect(values == [3, 3])
            let before = ["outer before", "inner before"]
            #expect(order == before + before + ["inner after", "outer after", "inner after", "outer after"])
        }
    }

    @Test func aHookSeesItsModuleUntilItIsRemoved() {
        withDevice(device) {
            let model = Sequential {
                Linear(3, 2)
                ReLU()
            }
            var shapes: [Shape] = []
            let hook = model[0].onForward { shapes += $0.outputs.map(\.shape) }
            _ = model(.zeros([4, 3]))
            #expect(shapes == [[4, 2]])
            hook.remove()
            _ = model(.zeros([4, 3]))
            #expect(shapes.count == 1)
        }
    }

    @Test func aLayerKeepsItsOwnPrecision() {
        withDevice(.cpu) {
            let model = Sequential {
                Linear(3, 3)
                Linear(3, 3)
            }
            model[1].precision = .float32
            var types: [DType] = []
            withPrecision(.bfloat16) {
                withObserver(after: { types.append($0.outputs[0].dtype) }) { _ = model(.zeros([2, 3])) }
            }
            #expect(types == [.bfloat16, .float32, .float32])
        }
    }

    // MARK: Names

    @Test func askingAPartRenamesNothing() {
        withDevice(device) {
            let model = Sequential {
                Linear(2, 2)
                Residual { Linear(2, 2) }
            }
            let part = model[1]
            #expect(part.parameters.map(\.name) == ["body.0.weight", "body.0.bias"])
            let names = model.parameters.map(\.name)
            #expect(names == ["0.weight", "0.bias", "1.body.0.weight", "1.body.0.bias"])
            #expect(part.parameters.map(\.name) == ["1.body.0.weight", "1.body.0.bias"])
            #expect(part.namedParameters.map(\.name) == ["body.0.weight", "body.0.bias"])
            #expect(part.freeze("body.*.weight") == ["body.0.weight"])
            #expect(model.parameters.map(\.name) == names)
        }
    }

    final class Tuned: Module, Layer {
        let body: Sequential
        var head: Linear
        var extras: [Linear] = []
        init(_ body: Sequential) {
            self.body = body
            head = Linear(2, 3)
        }
        func forward(_ input: Tensor) -> Tensor { extras.reduce(head(body(input))) { $1($0) } }
    }

    @Test func replacedPartsAreNoticed() {
        withDevice(device) {
            let model = Tuned(Sequential { Linear(2, 2) })
            #expect(model.parameters.count == 4)
            let first = model.parameters[0]
            model.head = Linear(2, 5)
            #expect(model.parameters.map(\.shape) == [[2, 2], [2], [5, 2], [5]])
            #expect(model.parameters[0] === first)
            model.extras.append(Linear(5, 5))
            #expect(model.parameters.last?.name == "extras.0.bias")
            model.extras[0] = Linear(5, 7)
            #expect(model.parameters.last?.shape == [7])
            model.extras.removeLast()
            #expect(model.parameters.count == 4)
            model.body[0] = Linear(2, 2, hasBias: false)
            #expect(model.parameters.map(\.name) == ["body.0.weight", "head.weight", "head.bias"])
            model.head = Linear(2, 3)
            #expect(paths { _ = model(.zeros([1, 2])) } == ["body.0", "body", "head", ""])
            #expect(model.head.weight.name == "head.weight")
        }
    }

    /// Reflection of fifty layers costs milliseconds; comparing what they hold, microseconds.
    @Test func parametersAreNotLookedForAtEveryAccess() {
        withDevice(device) {
            let model = Sequential((0..<100).map { _ in Linear(1, 1) })
            let first = ContinuousClock().measure { _ = model.parameters }
            let clock = ContinuousClock()
            let later = (0..<5).map { _ in clock.measure { _ = model.parameters } }.min()!
            #expect(later * 5 < first, "\(later) against \(first) at first")
        }
    }

    // MARK: Parts

    struct Pair {
        var up = Linear(1, 2)
        var down: Linear? = Linear(2, 1)
    }

    final class Everything: Module {
        let branches = ["right": Linear(1, 1, hasBias: false), "left": Linear(1, 1, hasBias: false)]
        let tuple = (Linear(1, 1, hasBias: false), norm: LayerNorm(1))
        let pairs = [Pair()]
        let table = [Double](repeating: 1, count: 10)
        lazy var late = Linear(1, 1, hasBias: false)
        let inputWeight = Parameter(.zeros([1]))
        override class var partNames: [String: String] { ["inputWeight": "weight_ih"] }
    }

    @Test func partsAreFoundInDictionariesTuplesStructsAndOptionals() {
        withDevice(device) {
            let module = Everything()
            #expect(
                module.parameters.map(\.name) == [
                    "branches.left.weight", "branches.right.weight", "tuple.0.weight", "tuple.norm.weight",
                    "tuple.norm.bias", "pairs.0.up.weight", "pairs.0.up.bias", "pairs.0.down.weight",
                    "pairs.0.down.bias", "weight_ih",
                ])
            _ = module.late
            #expect(module.parameters.contains { $0.name == "late.weight" })
        }
    }

    final class Forgetful: Module, Layer {
        let scale = Tensor.ones([3])
        let shift = Parameter(.zeros([3]))
        func forward(_ input: Tensor) -> Tensor { input * scale + shift.value }
    }

    @Test func aTensorThatLooksLikeAWeightIsSaidOnce() {
        withDevice(device) {
            let said = Mutex<[String]>([])
            Warnings.received(by: { message in said.withLock { $0.append(message) } }) {
                let module = Forgetful()
                for _ in 0..<3 {
                    _ = module.parameters
                    _ = module(.ones([3]))
                }
            }
            let messages = said.withLock { $0 }
            #expect(messages.count == 1 && messages[0].contains("Forgetful.scale"), "\(messages)")
        }
    }

    enum Shortcut {
        case none
        case projection(Linear)
        case gated(gate: Linear, [Linear])
    }
    final class Choosing: Module {
        var shortcuts: [Shortcut] = [
            .projection(Linear(2, 2, hasBias: false)), .none,
            .gated(gate: Linear(1, 1, hasBias: false), [Linear(3, 3, hasBias: false)]),
        ]
    }

    @Test func partsAreFoundInCasesOfEnums() {
        withDevice(device) {
            let module = Choosing()
            #expect(
                module.namedParameters.map(\.name) == [
                    "shortcuts.0.projection.weight", "shortcuts.2.gated.gate.weight", "shortcuts.2.gated.1.0.weight",
                ])
            module.shortcuts[1] = .projection(Linear(5, 5, hasBias: false))
            #expect(module.parameters.count == 4)
        }
    }

    final class Box { let layer = Linear(2, 2) }
    final class Hiding: Module { let box: Box? = Box() }

    /// PyTorch leaves them untrained without a word.
    @Test func partsOfAnObjectThatIsNoModuleAreSaidOnce() {
        withDevice(device) {
            let said = Mutex<[String]>([])
            Warnings.received(by: { message in said.withLock { $0.append(message) } }) {
                let module = Hiding()
                #expect(module.parameters.isEmpty && module.parameters.isEmpty)
            }
            let messages = said.withLock { $0 }
            #expect(messages.count == 1 && messages[0].contains("Hiding.box is a Box"), "\(messages)")
        }
    }

    @Test func mistakesWithListsAndHooksAreSaid() async {
        expectMessage(
            "Sequential: has no module 7 among its 1",
            await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                _ = Sequential { Linear(1, 2, device: .cpu) }[7]
            })
        expectMessage(
            "has no module -1 among its 1",
            await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                _ = ModuleList([Linear(1, 2, device: .cpu)])[-1]
            })
        expectMessage(
            "a hook made its output a Int, not a Tensor",
            await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                let layer = Linear(1, 2, device: .cpu)
                layer.onForward { $0.output = 3 }
                _ = layer(.zeros([1, 1], device: .cpu))
            })
    }

    @Test func listsAndDictionariesOfModules() {
        withDevice(device) {
            let list = ModuleList([Linear(1, 2), Linear(2, 3)])
            list[1] = Linear(2, 4)
            list.append(Linear(4, 1, hasBias: false))
            #expect(list.parameters.map(\.name) == ["0.weight", "0.bias", "1.weight", "1.bias", "2.weight"])
            #expect(list.reduce(Tensor.zeros([5, 1])) { $1($0) }.shape == [5, 1])
            let heads: ModuleDictionary<any TensorLayer> = ModuleDictionary(["b": Linear(1, 2), "a": ReLU()])
            heads["c"] = Linear(1, 1)
            #expect(heads.keys == ["a", "b", "c"])
            #expect(heads["b"]?(.zeros([1, 1])).shape == [1, 2])
            #expect(heads.parameters.map(\.name) == ["b.weight", "b.bias", "c.weight", "c.bias"])
            let model = Sequential {
                Linear(1, 2)
                ReLU()
                Linear(2, 3)
            }
            #expect(model[0...1](.zeros([1, 1])).shape == [1, 2])
            #expect(model[..<2].count == 2)
        }
    }

    // MARK: Modes, state, moving

    struct Refusal: Error {}

    @Test func evaluatingGivesEveryModuleTheModeItHad() {
        withDevice(device) {
            let model = Sequential {
                BatchNorm1d(2)
                Dropout(0.5)
            }
            model[0].isTraining = false
            #expect(throws: Refusal.self) {
                try model.evaluating {
                    #expect(model.modules.allSatisfy { !$0.isTraining })
                    throw Refusal()
                }
            }
            #expect(!model[0].isTraining && model[1].isTraining)
        }
    }

    @Test func stateIsKeptInMemoryAndPutBack() throws {
        try withDevice(.cpu) {
            let model = Sequential {
                Linear(2, 2)
                BatchNorm1d(2)
            }
            let state = model.stateDictionary()
            let before = try model.parameters.map { try $0.value.floats() }
            _ = model(.normal([4, 2]))
            for parameter in model.parameters { parameter.assign(parameter.value.detached() + 1) }
            try model.load(state)
            #expect(try model.parameters.map { try $0.value.floats() } == before)
            #expect((model[1] as? BatchNorm1d)?.batchCount?.value == 0)
            #expect(state.names.last == "1.num_batches_tracked")
            var other = state
            other["0.weight"] = nil
            #expect(throws: GimbalError.self) { try model.load(other) }
        }
    }

    @Test func aModelMovesWithItsBuffersAndGradients() throws {
        let model = withDevice(device) {
            Sequential {
                Linear(2, 2)
                BatchNorm1d(2)
                SinusoidalPositions(2, maximumLength: 4)
            }
        }
        let weight = (model[0] as? Linear)!.weight
        let x = Tensor.normal([3, 2], device: device)
        try model(x).sum().backward()
        let (value, gradient) = (try weight.value.floats(), try #require(weight.gradient).floats())
        try model.to(.cpu)
        #expect(model.parameters.allSatisfy { $0.device.id == "cpu" })
        #expect(try weight.value.floats() == value)
        #expect(try weight.gradient?.floats() == gradient)
        let moved = try x.to(.cpu)
        #expect(model(moved).device.id == "cpu")
        model.to(.bfloat16)
        #expect(model.parameters.allSatisfy { $0.value.dtype == .bfloat16 })
        model.to(.float32)
        #expect(weight.value.dtype == .float32)
    }

    @Test("A hook on a module sees the gradients of its outputs, and keeps no graph alive")
    func gradientHooks() throws {
        var seen: [String: Float] = [:]
        weak var kept: Linear?
        do {
            let first = Linear(2, 2)
            kept = first
            let model = Sequential([first, Tanh(), Linear(2, 1)])
            let hook = model[0].onGradient { path, gradient in
                seen[path] = try? gradient.absolute().sum().item()
            }
            let calls = model[2].onForward { call in call.outputs[0].onGradient { _ in seen[call.path] = 1 } }
            try model(Tensor([1, 2], [1, 2])).sum().backward()
            #expect(seen.keys.sorted() == ["0", "2"] && seen["0"]! > 0)
            hook.remove()
            calls.remove()
            seen = [:]
            try model(Tensor([1, 2], [1, 2])).sum().backward()
            #expect(seen.isEmpty)
        }
        #expect(kept == nil)
    }
}

/// Expects that a program ended with `message`.
private func expectMessage(
    _ message: String, _ result: ExitTest.Result?, sourceLocation: SourceLocation = #_sourceLocation
) {
    let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(text.contains(message), "\(text)", sourceLocation: sourceLocation)
}
