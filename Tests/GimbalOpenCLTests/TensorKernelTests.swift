import Foundation
import GimbalBackend
import GimbalOpenCL
import GimbalTestSupport
import Testing

/// Products by tensor cores, emulated where the device has none: whatever the tests have runs the kernel's one text.
@Suite(.needsOpenCL) struct TensorKernelTests {
    let backend: OpenCLBackend

    init() throws { backend = try OpenCLBackend(id: firstDevice) }

    static func plan(_ operands: String, stages: Int = 2, parts: Int = 1) -> MatrixPlan {
        .tensor(operands, m: 64, n: 64, warpM: 32, warpN: 32, stages: stages, parts: parts)
    }

    static let types: [(operands: String, dtype: DType)] = [
        ("bfloat16", .bfloat16), ("float16", .float16), ("tf32", .float32), ("splitFloat32", .float32),
    ]

    /// Every transposition, copied operands (sizes that are multiples of 16 bytes) and those that pass through registers.
    @Test(arguments: types)
    func everyLayoutIsRight(_ operands: String, _ dtype: DType) throws {
        for (m, n, k) in [(72, 136, 200), (33, 65, 77)] {
            for x in [false, true] {
                for y in [false, true] {
                    let fault = try backend.fault(
                        of: Self.plan(operands, parts: x == y ? 1 : 2), (m, n, k), x: (dtype, x), y: (dtype, y))
                    #expect(fault == nil, "x transposed: \(x), y transposed: \(y)")
                }
            }
        }
    }
}
