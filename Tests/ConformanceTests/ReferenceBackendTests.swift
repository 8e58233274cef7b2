import Foundation
import GimbalBackend
import GimbalTestSupport
import Testing

/// The oracle's primitives against values worked out by hand, or published.
@Suite struct ReferenceBackendTests {
    let bench = Workbench(ReferenceBackend())
    var backend: any Backend { bench.backend }

    func only() throws -> [Double] { try bench.results().outputs[0].values }

    /// Known answers of Philox 4x32-10 as distributed with Random123 (Salmon et al. 2011).
    @Test func philoxGivesThePublishedBlocks() {
        #expect(
            ReferenceRandom.philox(counter: .zero, key: .zero)
                == SIMD4(0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8))
        #expect(
            ReferenceRandom.philox(counter: SIMD4(repeating: .max), key: SIMD2(repeating: .max))
                == SIMD4(0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD))
        // The digits of π.
        #expect(
            ReferenceRandom.philox(
                counter: SIMD4(0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344),
                key: SIMD2(0xA409_3822, 0x299F_31D0))
                == SIMD4(0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1))
    }

    @Test func uniformNumbersAreTheUpperBits() throws {
        backend.randomUniform(try bench.output([3]), RandomState(seed: 0))
        #expect(try only() == [0x66_27E8, 0xE1_69C5, 0xBC_57AC].map { Double($0) / 16_777_216 })
    }

    @Test func normalNumbersComeInPairs() throws {
        backend.randomNormal(try bench.output([2]), RandomState(seed: 0))
        let u1 = (Double(0x6627_E8D5) + 0.5) / 4_294_967_296
        let angle = 2 * Double.pi * Double(0xE169_C58D >> 6) / 67_108_864
        let values = try only()
        #expect(abs(values[0] * values[0] + values[1] * values[1] + 2 * log(u1)) < 1e-14)
        #expect(abs(values[1] - values[0] * tan(angle)) < 1e-14)
        #expect(values[0].sign == cos(angle).sign)
    }

    @Test func activationsHaveTheirKnownValues() {
        let values: [(UnaryOperation, Double, Double)] = [
            (.init(.sigmoid), 0, 0.5), (.init(.sigmoid), 2, 0.880_797_077_977_882_3),
            (.init(.tanh), 0.5, 0.462_117_157_260_009_7),
            (.init(.relu), -3, 0), (.init(.relu), 3, 3), (.init(.leakyReLU, a: 0.1), -3, -0.3),
            (.init(.elu, a: 2), -1, -1.264_241_117_657_115_4), (.init(.silu), 1, 0.731_058_578_630_004_9),
            // x Φ(x) with Φ(1) and Φ(-2) from tables of the normal distribution.
            (.init(.gelu), 1, 0.841_344_746_068_542_9), (.init(.gelu), -2, -2 * 0.022_750_131_948_179_2),
            (.init(.geluTanh), 1, 0.841_191_990_608_276_5), (.init(.softplus), 0, 0.693_147_180_559_945_3),
            (.init(.softplus), 1000, 1000), (.init(.softplus), -1000, 0), (.init(.clamp, a: -1, b: 1), 5, 1),
            (.init(.affine, a: 2, b: 1), 3, 7), (.init(.reciprocalSquareRoot), 4, 0.5), (.init(.power, a: 3), -2, -8),
            // The limit of SELU is -λα (Klambauer et al. 2017).
            (.init(.selu), -1000, -1.758_099_340_847_376_6), (.init(.mish), 0, 0), (.init(.logSigmoid), -1000, -1000),
            (.init(.hardSwish), 1, 2.0 / 3), (.init(.hardSigmoid), -1, 1.0 / 3), (.init(.softsign), -3, -0.75),
            (.init(.softShrink, a: 0.5), -2, -1.5), (.init(.hardShrink, a: 0.5), 0.5, 0),
            (.init(.threshold, a: 1, b: 7), 1, 7),
        ]
        withEvery("case", in: values) { operation, x, expected in
            #expect(abs(operation.reference(x) - expected) < 1e-14)
        }
        withEvery("kind", in: UnaryOperation.Kind.allCases.filter { $0 != .isFinite }) { kind in
            #expect(UnaryOperation(kind, a: 1, b: 2).reference(.nan).isNaN)
        }
        #expect(UnaryOperation(.isFinite).reference(.nan) == 0)
        #expect(UnaryOperation(.relu).reference(-.infinity) == 0)
    }

    /// Each gradient against the central difference of its activation.
    @Test func gradientsAreDerivatives() {
        let pairs: [(UnaryOperation, BinaryOperation.Kind, isFromOutput: Bool)] = [
            (.init(.sigmoid), .sigmoidGradient, true), (.init(.tanh), .tanhGradient, true),
            (.init(.relu), .reluGradient, true), (.init(.leakyReLU, a: 0.2), .leakyReLUGradient, true),
            (.init(.elu, a: 1.5), .eluGradient, false), (.init(.silu), .siluGradient, false),
            (.init(.gelu), .geluGradient, false), (.init(.geluTanh), .geluTanhGradient, false),
            (.init(.softplus), .softplusGradient, false), (.init(.selu), .seluGradient, false),
            (.init(.celu, a: 1.5), .celuGradient, false), (.init(.mish), .mishGradient, false),
            (.init(.logSigmoid), .logSigmoidGradient, false), (.init(.hardSigmoid), .hardSigmoidGradient, false),
            (.init(.hardSwish), .hardSwishGradient, false), (.init(.softsign), .softsignGradient, false),
        ]
        withEvery("activation", in: pairs) { activation, kind, isFromOutput in
            withEvery("x", in: [-3.1, -1, -0.2, 0.3, 1.1, 4]) { x in
                let step = 1e-5
                let slope = (activation.reference(x + step) - activation.reference(x - step)) / (2 * step)
                let gradient = BinaryOperation(kind, a: activation.a)
                let value = gradient.reference(isFromOutput ? activation.reference(x) : x, 3)
                #expect(abs(value - 3 * slope) < 1e-8, "\(Trace.current)")
            }
        }
    }

    @Test func sumsFoldTheAxesOfSizeOne() throws {
        let x = try bench.input([1, 2, 3, 4, 5, 6], [2, 3])
        backend.reduce(.sum, x, out: try bench.output([1, 3]), accumulates: false)
        backend.reduce(.sum, x, out: try bench.output([2, 1], initially: [10, 20]), accumulates: true)
        backend.reduce(.product, x, out: try bench.output([1, 1]), accumulates: false)
        backend.reduce(.maximum, x, out: try bench.output([2, 1]), accumulates: false)
        backend.reduce(.minimum, x, out: try bench.output([1, 3]), accumulates: false)
        backend.argMaximum(x, out: try bench.output([2], dtype: .int32))
        let values = try bench.results().outputs.map(\.values)
        #expect(values == [[5, 7, 9], [16, 35], [720], [3, 6], [1, 2, 3], [2, 2]])
    }

    @Test func matrixProductAppliesItsEpilogueInOrder() throws {
        let x = try bench.input([1, 2, 3, 4], [2, 2])
        let y = try bench.input([5, 6, 7, 8], [2, 2])
        let bias = try bench.input([-100, 3], [2])
        backend.matrixMultiply(x, y, out: try bench.output([2, 2]), .plain)
        backend.matrixMultiply(x.transposed, y, out: try bench.output([2, 2]), .plain)
        backend.matrixMultiply(
            x, y, out: try bench.output([2, 2], initially: [1, 1, 1, 1]),
            Epilogue(scale: 2, accumulates: true, bias: bias))
        let values = try bench.results().outputs.map(\.values)
        #expect(values == [[19, 22, 43, 50], [26, 30, 38, 44], [-61, 48, -13, 104]])
    }

    @Test func gatherAndScatterPassOverWrongIndices() throws {
        backend.gather(
            try bench.input([1, 2, 3, 4], [2, 2]), indices: try bench.indices([1, 2, 0]), out: try bench.output([3, 2]))
        backend.scatterAdd(
            try bench.input([1, 2, 4], [3]), indices: try bench.indices([1, -1, 1]),
            into: try bench.output([2], initially: [10, 20]))
        let values = try bench.results().outputs.map(\.values)
        #expect(values[0][0...1] == [3, 4] && values[0][2].isNaN && values[0][3].isNaN && values[0][4...] == [1, 2])
        #expect(values[1] == [10, 25])
    }

    @Test func conversionsRoundToNearestEvenAndTruncate() throws {
        func converted(_ values: [Double], to dtype: DType) throws -> [Double] {
            let bench = Workbench(ReferenceBackend())
            bench.backend.copy(
                try bench.input(values, [values.count]), to: try bench.output([values.count], dtype: dtype))
            return try bench.results().outputs[0].values
        }
        #expect(
            try converted([1 + 0x1p-8, 1 + 0x1.8p-7, 1 + 0x1.01p-8], to: .bfloat16) == [1, 1 + 0x1p-6, 1 + 0x1p-7])
        #expect(try converted([1 + 0x1p-11, 65519, 65520, -1e9], to: .float16) == [1, 65504, .infinity, -.infinity])
        #expect(try converted([2.9, -2.9, 16_777_216], to: .int32) == [2, -2, 16_777_216])
        #expect(try converted([.nan], to: .bfloat16)[0].isNaN)
    }

    @Test func memoryHasALimit() throws {
        let small = ReferenceBackend(memoryLimitBytes: 100)
        let first = try small.allocate(byteCount: 60)
        #expect(throws: GimbalError.outOfMemory(device: "reference", requestedBytes: 41, usedBytes: 60)) {
            try small.allocate(byteCount: 41)
        }
        #expect(small.memoryUsage == MemoryUsage(inUse: first.byteCount, peak: 60, pooled: 0))
    }
}
