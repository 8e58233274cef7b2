import Foundation
import GimbalBackend
import GimbalOpenCL
import Testing

/// Products by tensor cores, emulated where the device has none: whatever the tests have runs the kernel's one text.
/// `MatrixKernels` holds them against the definition where sums are exact.
@Suite(.needsOpenCL) struct TensorKernels {
    let backend: OpenCLBackend

    init() throws { backend = try OpenCLBackend(id: firstDevice) }

    static func plan(_ operands: String, stages: Int = 2, parts: Int = 1) -> MatrixPlan {
        .tensor(operands, m: 64, n: 64, warpM: 32, warpN: 32, stages: stages, parts: parts)
    }
    static let float32 = MatrixPlan.tiles(m: 32, n: 64, k: 16, workM: 8, workN: 4)

    /// Every transposition of 16-bit operands, copied (sizes that are multiples of 16 bytes) and through registers.
    @Test(.buildsLargeKernels, arguments: [("bfloat16", DType.bfloat16), ("float16", .float16)])
    func narrowOperandsAreRight(_ operands: String, _ dtype: DType) throws {
        for (m, n, k) in [(72, 136, 200), (33, 65, 77)] {
            for x in [false, true] {
                for y in [false, true] {
                    let plan = Self.plan(operands, stages: x ? 2 : 3, parts: x == y ? 1 : 2)
                    let fault = try backend.fault(of: plan, (m, n, k), x: (dtype, x), y: (dtype, y))
                    #expect(fault == nil, "x transposed: \(x), y transposed: \(y)")
                }
            }
        }
    }

    /// By `wgmma`, operands as they lie and packed.
    @Test(.buildsLargeKernels, arguments: [(DType.bfloat16, 128, 3), (.float16, 256, 4), (.float32, 128, 3)])
    func warpgroupsAreRight(_ dtype: DType, _ n: Int, _ stages: Int) throws {
        let plan = MatrixPlan.wgmma(dtype, n: n, stages: stages)
        for (x, y, m, n, k) in [(false, true, 136, 264, 200), (true, false, 136, 264, 200), (false, true, 33, 65, 77)] {
            #expect(try backend.fault(of: plan, (m, n, k), x: (dtype, x), y: (dtype, y)) == nil)
        }
    }

    /// The text of a program becomes one for `sm_90a` only where its marks are all there, once.
    @Test func marksInPTXBecomeReal() throws {
        let text = """
            .version 9.0
            .target sm_90, texmode_independent
            .shared .align 1024 .b8 slabs[4112];
            //@@array 4112 98304
            //@@ wgmma.fence.sync.aligned;
            """
        let edited = String(decoding: try #require(PTXEdit.edited(Array(text.utf8) + [0])), as: UTF8.self)
        #expect(edited.contains(".target sm_90a, texmode_independent") && edited.contains("slabs[98304];"))
        #expect(edited.contains("\nwgmma.fence.sync.aligned;"))
        for other in [
            text.replacing("//@@ ", with: "// "), text.replacing("//@@array", with: "// array"), text + "\nother[4112]",
            text.replacing("sm_90", with: "sm_80"),
        ] {
            #expect(PTXEdit.edited(Array(other.utf8)) == nil)
        }
    }

    /// One operand as it is stored, the other converted on its way.
    @Test(.buildsLargeKernels) func mixedTypesAreRight() throws {
        for (x, y) in [(DType.bfloat16, DType.float32), (.float32, .float16)] {
            let plan = Self.plan(x == .bfloat16 ? "bfloat16" : "splitFloat32")
            #expect(try backend.fault(of: plan, (72, 72, 72), x: (x, false), y: (y, true)) == nil)
        }
    }

    /// Outputs in every type, stored in pairs and singly, after the whole epilogue.
    @Test(.buildsLargeKernels, arguments: [DType.float32, .float16, .bfloat16])
    func outputsOfEveryType(_ dtype: DType) throws {
        for n in [40, 39] {
            let x = try backend.uploaded(Self.numbers(40 * 48, seed: 1)).reshaped([40, 48])
            let y = try backend.uploaded(Self.numbers(48 * n, seed: 2)).reshaped([48, n])
            let bias = try backend.uploaded(Self.numbers(n, seed: 3))
            let results = try [Self.plan("splitFloat32"), Self.float32].map { plan in
                let out = try backend.allocate([40, n], dtype), widened = try backend.allocate([40, n])
                backend.fill(out, with: 0.5)
                backend.matrixMultiply(
                    x, y, out: out,
                    Epilogue(scale: 2, accumulates: true, bias: bias), plan: plan)
                backend.copy(out, to: widened)
                return try backend.floats(widened)
            }
            // Two roundings of a 16-bit type may differ by one place.
            let unit: Float = dtype == .float32 ? 1e-5 : dtype == .float16 ? 0x1p-10 : 0x1p-7
            for (found, wanted) in zip(results[0], results[1]) {
                #expect(abs(found - wanted) <= unit * max(1, abs(wanted)))
            }
        }
    }

    /// Infinity, NaN, and values that rounding to TF32 would make infinite, in operands and in sums of rows.
    @Test(.buildsLargeKernels, arguments: ["splitFloat32", "tf32"])
    func valuesThatAreNotFinite(_ operands: String) throws {
        let (m, n, k) = (40, 72, 48)
        var x = Self.numbers(m * k, seed: 1), y = Self.numbers(k * n, seed: 2)
        x[3 * k + 7] = .infinity
        x[5 * k + 9] = .nan
        x[9 * k + 4] = .greatestFiniteMagnitude
        x[11 * k + 5] = -.infinity
        x[12 * k + 6] = Float(bitPattern: 0x7FFF_FFFF)
        (0..<k).forEach { if $0 != 4 { x[9 * k + $0] = 0 } }
        // One that has no smaller part, whose product with an infinite value must not become NaN; and infinity times 0.
        y[5 * n + 2] = 1
        y[7 * n + 3] = 0
        y[20 * n + 30] = -.infinity
        x[14 * k + 20] = 0
        y[4 * n + 8] = 1
        let left = try backend.uploaded(x).reshaped([m, k]), right = try backend.uploaded(y).reshaped([k, n])
        let results = try [Self.plan(operands), Self.float32].map { plan in
            let out = try backend.allocate([m, n])
            backend.matrixMultiply(left, right, out: out, .plain, plan: plan)
            return try backend.floats(out)
        }
        for (i, (found, wanted)) in zip(results[0], results[1]).enumerated() {
            let isSame =
                wanted.isNaN
                ? found.isNaN : wanted.isInfinite ? found == wanted : abs(found - wanted) < 1e-2 * max(1, abs(wanted))
            #expect(isSame, "row \(i / n), column \(i % n): \(found), not \(wanted)")
        }
        #expect(results[1].contains { $0.isNaN } && results[1].contains(.infinity) && results[1].contains(-.infinity))
        #expect(results[0][9 * n + 8] == .greatestFiniteMagnitude)
    }

    /// Against sums in float64: errors relative to Σ |x| |y|, which is what float32's bound goes by. Tensor cores round sums
    /// towards zero, and the emulation does too.
    @Test(.buildsLargeKernels, arguments: [256, 1024])
    func splitOperandsAreNearlyAsAccurateAsFloat32(_ k: Int) throws {
        let (m, n) = (24, 40)
        for isPositive in [false, true] {
            let offset: Float = isPositive ? 1 : 0
            let x = Self.numbers(m * k, seed: 1).map { $0 + offset },
                y = Self.numbers(k * n, seed: 2).map { $0 + offset }
            let left = try backend.uploaded(x).reshaped([m, k]), right = try backend.uploaded(y).reshaped([k, n])
            let errors = try [Self.plan("splitFloat32"), Self.float32].map { plan in
                let out = try backend.allocate([m, n])
                backend.matrixMultiply(left, right, out: out, .plain, plan: plan)
                let found = try backend.floats(out)
                var largest = 0.0
                for row in 0..<m {
                    for column in 0..<n {
                        var sum = 0.0, magnitude = 0.0
                        for i in 0..<k {
                            let product = Double(x[row * k + i]) * Double(y[i * n + column])
                            sum += product
                            magnitude += abs(product)
                        }
                        largest = max(largest, abs(Double(found[row * n + column]) - sum) / magnitude)
                    }
                }
                return largest
            }
            #expect(errors[0] <= max(2 * errors[1], 3e-7), "split \(errors[0]), float32 \(errors[1])")
        }
    }

    /// What a Hopper GPU, real or pretended, is given.
    @Test func plansOnHopper() throws {
        guard backend.device.architecture == "sm_90" else { return }
        #expect("\(backend.plan(m: 4096, n: 4096, k: 4096))".contains("splitFloat32"))
    }

    /// In [-1, 1), all bits of the fraction in use.
    static func numbers(_ count: Int, seed: UInt64) -> [Float] {
        var state = seed &* 0x9E37_79B9_7F4A_7C15
        return (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Float(state >> 40) * 0x1p-23 - 1
        }
    }
}
