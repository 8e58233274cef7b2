import Gimbal
import GimbalTestSupport
import Testing

/// The gradients of `output`, 0 for what it does not depend on.
private func gradients(of output: Tensor, for inputs: [Tensor], createsGraph: Bool = false) throws -> [Tensor] {
    try gradient(of: output, withRespectTo: inputs, createsGraph: createsGraph, unused: .zeros)
}

/// A gradient of exactly 0 stays 0, whatever the slope that it meets: what a mask left out sends nothing back.
@Suite struct ZeroGradientTests {
    /// Functions of one element, and elements where their slope is infinite or NaN.
    static let functions: [(name: String, bad: [Double], function: @Sendable (Tensor) -> Tensor)] = [
        ("log", [0, -1], { $0.log() }),
        ("squareRoot", [0, -1], { $0.squareRoot() }),
        ("reciprocalSquareRoot", [0, -1], { $0.reciprocalSquareRoot() }),
        ("reciprocal", [0], { $0.reciprocal() }),
        ("exp", [1000], { $0.exp() }),
        ("square", [.infinity], { $0.square() }),
        ("sine", [.infinity], { $0.sine() }),
        ("cosine", [.infinity], { $0.cosine() }),
        ("power(0.5)", [0, -1], { $0.power(0.5) }),
        ("power(-2)", [0], { $0.power(-2) }),
        ("power of a tensor", [0, -1], { $0.power($0.scalar(0.5)) }),
        ("1 / x", [0], { 1 / $0 }),
        ("x / x", [0], { $0 / $0 }),
        ("x · log x", [0, -1], { $0 * $0.log() }),
        ("x · 1/x", [0], { $0 * $0.reciprocal() }),
        ("clamped root", [-1, 0], { $0.clamped(to: 0 ... .infinity).squareRoot() }),
        ("root of |x|", [0], { $0.absolute().squareRoot() }),
        ("root of the larger", [-1, 0], { Tensor.maximum($0, $0.scalar(0)).squareRoot() }),
        ("sigmoid", [.nan], { $0.sigmoid() }),
        ("tanh", [.nan], { $0.tanh() }),
        ("ELU", [.nan, .infinity, -.infinity], { $0.elu() }),
        ("SELU", [.nan, .infinity, -.infinity], { $0.selu() }),
        ("CELU", [.nan, .infinity, -.infinity], { $0.celu() }),
        ("SiLU", [.nan, .infinity, -.infinity], { $0.silu() }),
        ("GELU", [.nan, .infinity, -.infinity], { $0.gelu() }),
        ("GELU by tanh", [.nan, .infinity, -.infinity], { $0.gelu(approximatesByTanh: true) }),
        ("Mish", [.nan, .infinity, -.infinity], { $0.mish() }),
        ("softplus", [.nan, .infinity, -.infinity], { $0.softplus() }),
        ("logSigmoid", [.nan, .infinity, -.infinity], { $0.logSigmoid() }),
        ("softsign", [.nan, .infinity, -.infinity], { $0.softsign() }),
        ("hardSwish", [.nan, .infinity, -.infinity], { $0.hardSwish() }),
        ("hardSigmoid", [.nan, .infinity], { $0.hardSigmoid() }),
        ("tanhShrink", [.nan, .infinity], { $0.tanhShrink() }),
        ("leakyReLU", [.nan, .infinity, -.infinity], { $0.leakyReLU() }),
        ("PReLU", [.nan, .infinity, -.infinity], { $0.prelu(slopes: $0 * 0.5) }),
        ("product", [.infinity], { Tensor.stacked([$0, $0], axis: 0).product([0]) }),
        ("root of the norm", [0], { Tensor.stacked([$0, $0], axis: 0).norm([0]).squareRoot() }),
        ("norm(p: 0.5)", [0], { Tensor.stacked([$0, $0], axis: 0).norm(p: 0.5, [0]) }),
    ]

    @Test(arguments: BackendUnderTest.all) func maskedBranches(on subject: BackendUnderTest) throws {
        try withDevice(Device(backend: subject.backend)) {
            for (name, bad, function) in Self.functions {
                for createsGraph in [false, true] {
                    let x = Tensor(bad + [1.5]).requiringGradient()
                    let mask = Tensor(bad.map { _ in 0 } + [1]).isGreater(than: Tensor(0.5))
                    let y = Tensor.select(mask, function(x), x.scalar(0)).sum()
                    let gradient = try gradients(of: y, for: [x], createsGraph: createsGraph)[0]
                    let values = try gradient.floats()
                    #expect(values.dropLast().allSatisfy { $0 == 0 }, "\(name), \(createsGraph): \(values)")
                    let alone = Tensor([1.5]).requiringGradient()
                    let expected = try gradients(of: function(alone).sum(), for: [alone])[0].floats()[0]
                    #expect(values.last!.isFinite, "\(name): \(values)")
                    #expect(
                        abs(values.last! - expected) <= 1e-5 * (1 + abs(expected)), "\(name): \(values), \(expected)")
                    guard createsGraph else { continue }
                    let second = try gradients(of: gradient.sum(), for: [x])[0].floats()
                    #expect(second.dropLast().allSatisfy { $0 == 0 }, "\(name), second: \(second)")
                }
            }
        }
    }

    /// As in PyTorch: nothing is dropped where a value is NaN.
    @Test(arguments: BackendUnderTest.all) func extremesOfNaN(on subject: BackendUnderTest) throws {
        try withDevice(Device(backend: subject.backend)) {
            for function in [{ $0.max([1]) }, { $0.min([1]) }] as [(Tensor) -> Tensor] {
                let x = Tensor([1, .nan, 3, .nan, 2, 2] as [Float], [3, 2]).requiringGradient()
                let shares = try gradients(of: function(x).sum(), for: [x])[0].floats()
                #expect(shares == [0, 1, 0, 1, 0.5, 0.5])
                let all = Tensor([.nan, 1, .nan] as [Float]).requiringGradient()
                #expect(
                    try gradients(of: function(all.expandingAxis(0)).sum(), for: [all])[0].floats() == [0.5, 0, 0.5])
            }
            for function in [Tensor.maximum, Tensor.minimum] {
                let x = Tensor([.nan, 1, .nan, 2, 1] as [Float]).requiringGradient()
                let y = Tensor([1, .nan, .nan, 2, 5] as [Float]).requiringGradient()
                let found = try gradients(of: function(x, y).sum(), for: [x, y]).map { try $0.floats() }
                let last: Float = try function(x, y).floats()[4] == 1 ? 1 : 0
                #expect(found == [[1, 1, 1, 0.5, last], [1, 1, 1, 0.5, 1 - last]])
            }
        }
    }

    @Test(arguments: BackendUnderTest.all) func countingNorm(on subject: BackendUnderTest) throws {
        try withDevice(Device(backend: subject.backend)) {
            let x = Tensor([0, -2, .nan, .infinity, 0, 0] as [Float], [2, 3]).requiringGradient()
            let norm = x.norm(p: 0, [1])
            #expect(try norm.floats() == [2, 1])
            #expect(try gradients(of: norm.sum(), for: [x])[0].floats() == [0, 0, 0, 0, 0, 0])
            let alone = Tensor([3, 0] as [Float]).requiringGradient()
            try alone.norm(p: 0).backward()
            #expect(try alone.gradient?.floats() == [0, 0])
        }
    }

    /// The same of formulas, whose gradients are worked out from them.
    @Test(arguments: BackendUnderTest.all) func maskedBranchesOfFormulas(on subject: BackendUnderTest) throws {
        let formulas: [(name: String, bad: Double, function: ElementFunction)] = [
            ("log", 0, ElementFunction { x in .select(x .> 0.5, x.log(), 0) }),
            ("squareRoot", 0, ElementFunction { x in .select(x .> 0.5, x.squareRoot(), 0) }),
            ("reciprocal", 0, ElementFunction { x in .select(x .> 0.5, x.reciprocal(), 0) }),
            ("exp", 1000, ElementFunction { x in .select(x .< 2, x.exp(), 0) }),
            ("divide", 0, ElementFunction { x in .select(x .> 0.5, x.sine() / x, 0) }),
            ("multiply", 0, ElementFunction { x in .select(x .> 0.5, x * x.log(), 0) }),
            ("power", 0, ElementFunction { x in .select(x .> 0.5, x.power(-1.5), 0) }),
        ]
        try withDevice(Device(backend: subject.backend)) {
            for (name, bad, function) in formulas {
                let x = Tensor([bad, 1.5]).requiringGradient()
                let gradient = try gradients(of: function(x).sum(), for: [x], createsGraph: true)[0]
                let second = try gradients(of: gradient.sum(), for: [x])[0].floats()
                let values = try gradient.floats()
                #expect(values[0] == 0 && values[1].isFinite && values[1] != 0, "\(name): \(values)")
                #expect(second[0] == 0 && second[1].isFinite, "\(name), second: \(second)")
            }
        }
    }

    /// PyTorch's values.
    @Test(arguments: BackendUnderTest.all) func powersOfZeroAndByZero(on subject: BackendUnderTest) throws {
        func close(_ x: [Float], _ y: [Float]) -> Bool {
            zip(x, y).allSatisfy { $0 == $1 || $0.isNaN && $1.isNaN || abs($0 - $1) <= 1e-6 * abs($1) }
        }
        try withDevice(Device(backend: subject.backend)) {
            let x = Tensor([-2, 0, 2] as [Double]).requiringGradient()
            let zeroth = try gradients(of: x.power(0).sum(), for: [x])[0].floats()
            #expect(zeroth == [0, 0, 0])
            let first = try gradients(of: x.power(1).sum(), for: [x])[0].floats()
            #expect(first == [1, 1, 1])
            let root = try gradients(of: x.power(0.5).sum(), for: [x])[0].floats()
            #expect(root[0].isNaN && root[1] == .infinity)

            let base = Tensor([0, 0, 0, -2, 2, 0] as [Double]).requiringGradient()
            let exponent = Tensor([0, 2, 1, 0, 3, -1] as [Double]).requiringGradient()
            let both = try gradients(of: base.power(exponent).sum(), for: [base, exponent])
            let (ofBase, ofExponent) = (try both[0].floats(), try both[1].floats())
            #expect(close(ofBase, [0, 0, 1, 0, 12, -.infinity]), "\(ofBase)")
            #expect(close(ofExponent, [0, 0, 0, .nan, 5.545_177_4, -.infinity]), "\(ofExponent)")
        }
    }

    /// A gradient that is 0 now may not be 0 elsewhere: its own derivative is the slope.
    @Test func theSlopeIsTheDerivativeOfTheGradient() throws {
        try withDevice(.cpu) {
            let x = Tensor([4] as [Double]).requiringGradient()
            let arriving = Tensor([0] as [Double]).requiringGradient()
            let gradient = try gradients(of: (x.log() * arriving).sum(), for: [x], createsGraph: true)[0]
            let slope = try gradients(of: gradient.sum(), for: [arriving])[0].floats()
            #expect(slope == [0.25])
        }
    }

    /// Squares of a divisor do not fit where the quotient does.
    @Test(arguments: BackendUnderTest.all) func quotientsOfExtremeNumbers(on subject: BackendUnderTest) throws {
        try withDevice(Device(backend: subject.backend)) {
            let (a, b) = (Tensor([1e30, 1e-30]).requiringGradient(), Tensor([1e25, 1e-25]).requiringGradient())
            let both = try gradients(of: (a / b).sum(), for: [a, b])
            let values = try both[1].floats()
            #expect(abs(values[0] / -1e-20 - 1) < 1e-5 && abs(values[1] / -1e20 - 1) < 1e-5, "\(values)")
        }
    }
}
