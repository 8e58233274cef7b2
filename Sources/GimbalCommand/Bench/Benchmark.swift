import GimbalTrain

/// Something to be timed on any device.
struct Benchmark {
    var name: String
    /// What sets this case apart from others of the name, such as the sizes.
    var variant: String
    var batch: Int?
    /// Floating-point operations of a call.
    var operations: Double?
    /// Bytes that a call must read and write at least.
    var bytes: Double?
    /// Tokens that a training step learns from.
    var tokens: Int?
    /// Where it runs if nobody has named it.
    var unasked = Unasked.everywhere
    /// Makes what a call needs on the device, and gives the call.
    var prepare: (Device) throws -> Call
    /// Of a training step: makes what is trained.
    var training: ((Device) -> Training)?

    /// Where a benchmark runs that nobody has named.
    enum Unasked {
        case everywhere
        /// Other devices would take minutes.
        case onGPUs
        case nowhere
    }

    /// What is timed.
    struct Call {
        /// Elements of the net's parameters, where there is one.
        var parameters: Int?
        /// Queues the work; need not wait for it.
        var run: () throws -> Void
    }

    /// A whole training step.
    init(
        name: String, variant: String, batch: Int, operations: Double? = nil, tokens: Int? = nil,
        unasked: Unasked = .everywhere, training: @escaping (Device) -> Training
    ) {
        self.init(
            name: name, variant: variant, batch: batch, operations: operations, tokens: tokens, unasked: unasked
        ) { device -> Call in
            let training = training(device)
            let parameters = training.optimizer.parameters.reduce(0) { $0 + $1.elementCount }
            return Call(parameters: parameters) { try training.step() }
        }
        self.training = training
    }

    /// An operation.
    init(
        name: String, variant: String, batch: Int? = nil, operations: Double? = nil, bytes: Double? = nil,
        unasked: Unasked = .everywhere, prepare: @escaping (Device) throws -> () throws -> Void
    ) {
        self.init(
            name: name, variant: variant, batch: batch, operations: operations, bytes: bytes, unasked: unasked
        ) { device -> Call in Call(run: try prepare(device)) }
    }

    init(
        name: String, variant: String, batch: Int? = nil, operations: Double? = nil, bytes: Double? = nil,
        tokens: Int? = nil, unasked: Unasked = .everywhere, prepare: @escaping (Device) throws -> Call
    ) {
        self.name = name
        self.variant = variant
        self.batch = batch
        self.operations = operations
        self.bytes = bytes
        self.tokens = tokens
        self.unasked = unasked
        self.prepare = prepare
    }

    /// - Parameters:
    ///   - choice: what was asked for.
    ///   - device: where; nil where none may take minutes.
    func isWanted(_ choice: Choice, on device: Device? = nil) -> Bool {
        guard choice.variants.map(variant.contains) ?? true else { return false }
        if let names = choice.names { return names.contains(name) }
        switch unasked {
        case .everywhere: return true
        case .onGPUs: return device?.description.kind == .gpu
        case .nowhere: return false
        }
    }

    /// Which benchmarks are to run.
    struct Choice {
        /// Those of these names; nil for all that run unasked.
        var names: Set<String>?
        /// Those whose variants contain this; nil for all.
        var variants: String?
    }

    /// - Parameter precision: of the training steps.
    static func all(_ precision: Precision = .float32) -> [Benchmark] {
        matrixProducts + precisions + elementwise + normalizations + attentions + convolutions + updates
            + streams + seedSteps(precision) + workloads(precision) + nets(precision)
    }

    // MARK: Operations

    private static var matrixProducts: [Benchmark] {
        [
            (256, 256, 256), (512, 512, 512), (1024, 1024, 1024), (2048, 2048, 2048), (64, 784, 512), (512, 784, 512),
            (4096, 256, 256),
        ].map { m, k, n in
            Benchmark(name: "matmul", variant: "\(m)x\(k)x\(n)", operations: 2 * Double(m * k * n)) { device in
                let (x, y) = (Tensor.normal([m, k]), Tensor.normal([k, n]))
                let out = try device.backend.allocate([m, n])
                return { device.backend.matrixMultiply(x.view, y.view, out: out, .plain) }
            }
        }
    }

    /// Layers' products x yᵀ of square matrices, by what is stored and how far it may be rounded.
    private static var precisions: [Benchmark] {
        let kinds: [(name: String, dtype: DType)] = [
            ("float32", .float32), ("tf32", .float32), ("float16", .float16), ("bfloat16", .bfloat16),
        ]
        var all: [Benchmark] = []
        for size in [1024, 2048, 4096, 8192] {
            for kind in kinds { all.append(squareProduct(size, kind.name, kind.dtype)) }
        }
        return all
    }

    private static func squareProduct(_ size: Int, _ name: String, _ dtype: DType) -> Benchmark {
        let operations = 2 * Double(size) * Double(size) * Double(size)
        return Benchmark(
            name: "product", variant: "\(name) \(size)", operations: operations,
            unasked: size > 2048 || name != "float32" ? .onGPUs : .everywhere
        ) { device in
            let shape: Shape = [size, size]
            let x = Tensor.normal(shape).cast(to: dtype), y = Tensor.normal(shape).cast(to: dtype)
            let out = try device.backend.allocate(shape, dtype)
            return {
                let allowed = device.allowsTF32
                device.allowsTF32 = name == "tf32"
                device.backend.matrixMultiply(x.view, y.view.transposed, out: out, .plain)
                device.allowsTF32 = allowed
            }
        }
    }

    private static var elementwise: [Benchmark] {
        let count = 1 << 22
        let functions: [(String, UnaryOperation)] = [
            ("relu", .init(.relu)), ("exp", .init(.exponential)), ("tanh", .init(.tanh)), ("gelu", .init(.gelu)),
        ]
        let unary = functions.map { name, operation in
            Benchmark(name: "elementwise", variant: "\(name) \(count)", bytes: 8 * Double(count)) { device in
                let x = Tensor.normal([count])
                let out = try device.backend.allocate([count])
                return { device.backend.unary(operation, x.view, out: out) }
            }
        }
        let add = Benchmark(name: "elementwise", variant: "add \(count)", bytes: 12 * Double(count)) { device in
            let (x, y) = (Tensor.normal([count]), Tensor.normal([count]))
            let out = try device.backend.allocate([count])
            return { device.backend.binary(.init(.add), x.view, y.view, out: out) }
        }
        let sum = Benchmark(name: "sum", variant: "\(count)", bytes: 4 * Double(count)) { device in
            let x = Tensor.normal([count])
            let out = try device.backend.allocate([1])
            return { device.backend.reduce(.sum, x.view, out: out, accumulates: false) }
        }
        return unary + [add, sum]
    }

    /// Traffic of BatchNorm: forward reads the input twice and writes once; backward reads both its inputs twice.
    private static var normalizations: [Benchmark] {
        [[512, 512, 1], [64, 64, 1024]].map { (shape: Shape) in
            Benchmark(
                name: "batchnorm", variant: "\(shape) both passes", bytes: 8 * 4 * Double(shape.elementCount)
            ) { device in
                let x = Tensor.normal(shape).requiringGradient()
                let (scale, shift) = (Tensor.ones([shape[1]]), Tensor.zeros([shape[1]]))
                let arriving = Tensor.normal(shape)
                return {
                    let y = x.batchNormalized(scale: scale, shift: shift, running: nil, momentum: 0.1, epsilon: 1e-5)
                    try y.backward(gradient: arriving)
                }
            }
        }
    }

    /// Causal attention and its gradients: forward two products of the scores' size, backward five, half of each masked.
    private static var attentions: [Benchmark] {
        [[4, 8, 512, 64], [1, 8, 4096, 64]].map { (shape: Shape) in
            let scores = Double(shape[0] * shape[1] * shape[2] * shape[2])
            return Benchmark(
                name: "attention", variant: "\(shape) both passes", operations: 7 * scores * Double(shape[3]),
                unasked: .nowhere
            ) { device in
                let inputs = (0..<3).map { _ in Tensor.normal(shape).requiringGradient() }
                let arriving = Tensor.normal(shape)
                return {
                    let y = scaledDotProductAttention(inputs[0], inputs[1], inputs[2], isCausal: true)
                    try y.backward(gradient: arriving)
                }
            }
        }
    }

    private static var updates: [Benchmark] {
        let count = 1 << 22
        func parameter() -> Parameter {
            let parameter = Parameter(.normal([count]))
            parameter.gradient = .normal([count])
            return parameter
        }
        func step(_ name: String, bytes: Double, _ make: @escaping ([Parameter]) -> any Optimizer) -> Benchmark {
            Benchmark(name: "optimizer", variant: "\(name) \(count)", bytes: bytes * Double(count)) { _ in
                let optimizer = make([parameter()])
                return { try optimizer.step() }
            }
        }
        return [
            // Reads for the norm, then reads and writes to scale.
            Benchmark(name: "clip", variant: "norm and scale \(count)", bytes: 12 * Double(count)) { _ in
                let parameters = [parameter()]
                return { try clipGradientNorm(parameters, maxNorm: 1) }
            },
            step("sgd", bytes: 12) { SGD($0, learningRate: 1e-9) },
            step("sgd momentum", bytes: 20) { SGD($0, learningRate: 1e-9, momentum: 0.9) },
            step("adam", bytes: 28) { Adam($0, learningRate: 1e-9) },
        ]
    }

    // MARK: Training steps

    /// The whole training step of Linear(784, 512)-BatchNorm1d(512)-ReLU-Linear(512, 10): gradients to zero, forward,
    /// cross-entropy, backward, clipping to norm 1, SGD.
    private static func seedSteps(_ precision: Precision) -> [Benchmark] {
        [64, 512].map { batch in
            let products = 2.0 * Double(batch) * (2 * 784 * 512 + 3 * 512 * 10)
            return Benchmark(
                name: "seed-step", variant: "batch \(batch)", batch: batch, operations: products
            ) { _ -> Training in
                let model = Sequential {
                    Linear(784, 512)
                    BatchNorm1d(512)
                    ReLU()
                    Linear(512, 10)
                }
                let optimizer = SGD(model.parameters, learningRate: 0.01)
                let inputs = Tensor.normal([batch, 784])
                let targets = Tensor((0..<batch).map { Int32($0 % 10) })
                return Training(optimizer, targets, precision) { model(inputs) }
            }
        }
    }
}
