import GimbalBackend
import GimbalOpenCL
import Testing

@Suite(.needsOpenCL) struct Tuner {
    /// Two vectors of 16 do not cover 24 columns: the kernel builds, runs, and leaves a third of the product unwritten.
    static let wrong = MatrixPlan.panels(rows: 4, columns: 24, length: 16)
    static let right = MatrixPlan.panels(rows: 4, columns: 16, length: 8)

    @Test func aWrongCandidateIsPassedOver() throws {
        try withTemporaryFolder { folder in
            let backend = try OpenCLBackend(id: firstDevice, cachePath: folder)
            #expect(backend.fault(of: Self.wrong) != nil)
            #expect(backend.fault(of: Self.right) == nil)

            var lines: [String] = []
            let tunings = try backend.tuneMatrixMultiply(candidates: [Self.wrong, Self.right]) { lines.append($0) }
            #expect(!tunings.isEmpty && tunings.allSatisfy { $0.plan == Self.right })
            #expect(lines.contains { $0.contains("\(Self.wrong)") && $0.contains("wrong") })
        }
    }

    /// The kernel that GPUs use, on whatever device the tests have; a small tile, as PoCL takes long over large ones.
    @Test func aTileInLocalMemoryIsRight() throws {
        let backend = try OpenCLBackend(id: firstDevice)
        #expect(backend.fault(of: .tiles(m: 16, n: 32, k: 16, workM: 4, workN: 4)) == nil)
    }

    @Test func whatWasTunedIsUsedByTheNextStart() throws {
        try withTemporaryFolder { folder in
            let first = try OpenCLBackend(id: firstDevice, cachePath: folder)
            try first.tuneMatrixMultiply(candidates: [Self.right])
            let second = try OpenCLBackend(id: firstDevice, cachePath: folder)
            #expect(second.plan(m: 512, n: 512, k: 512) == Self.right)
        }
    }

    @Test func storedPlansOfAnotherDriverAreCheckedAgain() throws {
        try withTemporaryFolder { folder in
            let first = try OpenCLBackend(id: firstDevice, cachePath: folder)
            first.storePlans(
                [(64, 512, 784, Self.right), (512, 512, 512, Self.wrong)], driver: "an older driver")
            let second = try OpenCLBackend(id: firstDevice, cachePath: folder)
            #expect(second.plan(m: 64, n: 512, k: 784) == Self.right)
            #expect(second.plan(m: 512, n: 512, k: 512) == first.plan(m: 512, n: 512, k: 512))
        }
    }
}
