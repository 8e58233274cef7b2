import Foundation
import GimbalBackend
import GimbalOpenCL
import GimbalTestSupport
import Testing

/// Products by tensor cores, emulated where the device has none: whatever the tests have runs the kernel's one text.
@Suite(.needsOpenCL) struct TensorKernelTests {
    let backend: OpenCLBackend

    init() throws { backend = try OpenCLBackend(id: firstDevice) }

    static let small = (m: 64, n: 64, warpM: 32, warpN: 32)

    static func plan(_ operands: String, stages: Int = 2) -> MatrixPlan {
        .tensor(operands, m: small.m, n: small.n, warpM: small.warpM, warpN: small.warpN, stages: stages)
    }

    /// Sizes within and across tiles, every transposition, copied operands and those that pass through registers.
    @Test(arguments: ["bfloat16", "float16", "tf32", "splitFloat32"])
    func everyLayoutIsRight(_ operands: String) throws {
        #expect(backend.fault(of: Self.plan(operands)) == nil)
    }
}
