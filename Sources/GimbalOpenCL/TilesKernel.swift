import GimbalBackend

/// `gemm.cl`: tiles in local memory, float32 multiply-adds, for any GPU.
struct TilesKernel: MatrixKernel {
    static let name = "tiles"
    static let sources = [KernelName.gemm]

    var m: Int
    var n: Int
    var k: Int
    var workM: Int
    var workN: Int
    var vector: Int

    var description: String { "tiles of \(m) x \(n) x \(k), \(workM) x \(workN) a work-item" }

    var groupSize: Int { (m / workM) * (n / workN) }

    static func candidates(for device: OpenCLDevice) -> [TilesKernel] {
        guard !device.isCPU else { return [] }
        let shapes: [(m: Int, n: Int, k: Int, workM: Int, workN: Int)] = [
            (128, 128, 8, 8, 8), (128, 128, 16, 8, 8), (128, 256, 8, 16, 8), (256, 128, 8, 8, 16),
            (128, 64, 16, 8, 4), (64, 128, 16, 4, 8), (128, 64, 8, 8, 8), (64, 128, 8, 8, 8),
            (64, 64, 8, 4, 4), (64, 64, 16, 4, 4), (64, 64, 32, 4, 4), (64, 64, 16, 8, 8),
            (32, 64, 32, 4, 4), (64, 32, 32, 4, 4), (32, 32, 32, 4, 4),
        ]
        return shapes.map { TilesKernel(m: $0.m, n: $0.n, k: $0.k, workM: $0.workM, workN: $0.workN, vector: 4) }
            .filter { $0.fits(device) }
    }

    /// Whether the device has the resources, and a work-group's reads cover its tiles without a rest.
    func fits(_ device: OpenCLDevice) -> Bool {
        let localMemory = 2 * 4 * k * (m + n + 2 * vector)
        // Some drivers take a little of the local memory for themselves.
        return localMemory <= min(device.localMemoryBytes, 48 << 10) - 1024
            && groupSize <= device.largestWorkGroup && workM % vector == 0 && workN % vector == 0
            && m * k % (groupSize * 4) == 0 && n * k % (groupSize * 4) == 0
    }

    func supports(_ problem: MatrixProblem) -> Bool { true }

    func seconds(_ problem: MatrixProblem, on device: OpenCLDevice) -> Double {
        // As before: by classes of output size.
        let outputs = problem.m * problem.n * problem.batch
        let wanted = outputs < 64 * 1024 ? (32, 32, 32) : outputs < 1024 * 1024 ? (64, 64, 16) : (128, 128, 16)
        return (m, n, k) == wanted && workM == max(4, m / 16) ? 0 : 1
    }

    func launch(_ product: MatrixProduct, _ problem: MatrixProblem, on backend: OpenCLBackend) {
        let settings: [KernelKey.Setting] = [
            .number(.tileM, m), .number(.tileN, n), .number(.tileK, k), .number(.workM, workM),
            .number(.workN, workN), .number(.vector, vector), .flag(.xKFirst, problem.x.isRowMajor),
            .flag(.yNFirst, problem.y.isRowMajor),
            .number(.xWidth, problem.x.dtype == .float32 && problem.x.width == 4 ? 4 : 1),
            .number(.yWidth, problem.y.dtype == .float32 && problem.y.width == 4 ? 4 : 1),
            .type(.yType, problem.y.dtype),
        ]
        backend.launchProduct(
            .gemm, product, settings,
            groups: ((product.n + n - 1) / n, (product.m + m - 1) / m, product.batchCount), groupSize: groupSize,
            isWide: needsWideIndex([product.x, product.y, product.out]))
    }
}

extension MatrixPlan {
    package static func tiles(m: Int, n: Int, k: Int, workM: Int, workN: Int, vector: Int = 4) -> MatrixPlan {
        MatrixPlan(TilesKernel(m: m, n: n, k: k, workM: workM, workN: workN, vector: vector))
    }
}
