import GimbalBackend

/// `gemm_tensor.cl`: tiles on the tensor cores of NVIDIA GPUs, sm_80 and newer.
struct TensorKernel: MatrixKernel {
    static let name = "tensor"
    static let sources = [KernelName.gemmTensor]

    /// What the tensor cores multiply.
    enum Operands: String, Hashable, Sendable, Codable, CaseIterable {
        case bfloat16, float16, tf32
        /// Two parts of each float32, in TF32: three products instead of one, to nearly float32's accuracy.
        case splitFloat32

        var byteCount: Int { self == .bfloat16 || self == .float16 ? 2 : 4 }
        /// The type that is multiplied as it is stored.
        var dtype: DType {
            switch self {
            case .bfloat16: .bfloat16
            case .float16: .float16
            case .tf32, .splitFloat32: .float32
            }
        }
    }

    var operands: Operands
    var m: Int
    var n: Int
    var warpM: Int
    var warpN: Int
    var stages: Int

    var description: String {
        "tensor cores by \(operands) on tiles of \(m) x \(n), \(warpM) x \(warpN) a warp, \(stages) stages"
    }

    var groupSize: Int { (m / warpM) * (n / warpN) * 32 }

    static func candidates(for device: OpenCLDevice) -> [TensorKernel] {
        guard let capability = device.capability, capability >= ComputeCapability(major: 8, minor: 0) else { return [] }
        let shapes: [(m: Int, n: Int, warpM: Int, warpN: Int, stages: Int)] = [
            (128, 128, 64, 64, 2), (128, 128, 64, 32, 2), (128, 64, 64, 32, 3), (64, 128, 32, 64, 3),
            (64, 64, 32, 32, 3), (64, 32, 32, 16, 4), (32, 64, 16, 32, 4),
        ]
        // Three products in TF32 are faster than one in float32 where TF32 is more than three times as fast.
        let paysToSplit = [ComputeCapability(major: 8, minor: 0), .init(major: 9, minor: 0)].contains(capability)
        return Operands.allCases.filter { $0 != .splitFloat32 || paysToSplit }.flatMap { operands in
            shapes.map {
                TensorKernel(
                    operands: operands, m: $0.m, n: $0.n, warpM: $0.warpM, warpN: $0.warpN, stages: $0.stages)
            }
        }
    }

    /// Sums of 16-bit operands are those of float32 arithmetic, as their products are exact.
    var precision: ProductPrecision { operands == .tf32 ? .tf32 : .float32 }
    var checkedTypes: [DType] { [operands.dtype] }
    var isProvenFirst: Bool { true }

    func fits(_ device: OpenCLDevice) -> Bool {
        // The longer rows of TF32 operands that are not contiguous along k.
        let slab = operands.byteCount == 4 ? (m + n + 16) * 64 : (m + n) * 64
        return stages * slab + 16 <= min(device.localMemoryBytes, 47 << 10) && groupSize <= device.largestWorkGroup
    }

    func supports(_ problem: MatrixProblem) -> Bool {
        let types = [problem.x.dtype, problem.y.dtype]
        let isStored = types.allSatisfy { $0 == operands.dtype }
        let isRoundable = types.allSatisfy { $0 == .float32 || $0 == operands.dtype }
        let hasTypes =
            switch operands {
            case .bfloat16: isStored || isRoundable && problem.precision == .bfloat16
            case .float16: isStored || isRoundable && problem.precision == .float16
            // TF32 holds every float16 and bfloat16.
            case .tf32:
                types.allSatisfy { $0 == .float16 || $0 == .bfloat16 }
                    || types.allSatisfy(Self.isReal) && problem.precision != .float32
            case .splitFloat32: types.allSatisfy(Self.isReal)
            }
        guard hasTypes, Self.isReal(problem.out.dtype), problem.bias.map(Self.isReal) ?? true else { return false }
        // Where values pass through registers, the large parts of a warp leave too few of them; splitting takes some too.
        let isLarge = warpM * warpN >= 64 * 64
        let copiesBoth = copies(problem.x) && copies(problem.y)
        if isLarge || m != n && m * n >= 128 * 64 { guard copiesBoth else { return false } }
        return !(isLarge && operands == .splitFloat32 && !problem.x.isRowMajor)
    }

    private static func isReal(_ dtype: DType) -> Bool {
        dtype == .float32 || dtype == .float16 || dtype == .bfloat16
    }

    /// Whether an operand goes to local memory in chunks of 16 bytes, as it is stored.
    private func copies(_ operand: MatrixProblem.Operand) -> Bool {
        operand.dtype == operands.dtype && operand.width * operands.byteCount == 16
    }

    func seconds(_ problem: MatrixProblem, on device: OpenCLDevice) -> Double {
        let launch = 3.5e-6
        guard let capability = device.capability else { return .infinity }
        let units = device.description.computeUnits
        let tiles = ((problem.m + m - 1) / m) * ((problem.n + n - 1) / n) * problem.batch
        // As many groups at once as registers allow: about 64 KB for a 128 x 128 tile.
        let resident = min(max(1, 2 * 128 * 128 / (m * n)), max(1, (tiles + units - 1) / units), 8)
        let waves = Double((tiles + units * resident - 1) / (units * resident))
        let depth = 64 / operands.byteCount
        let slabs = Double((problem.k + depth - 1) / depth)
        let rate = Self.rate(operands, capability) * share
        let multiplying = Double(resident) * 2 * Double(m * n * depth) / rate
        // Values that pass through registers arrive later and cost more.
        let copiesBoth = copies(problem.x) && copies(problem.y)
        let arriving = (copiesBoth ? 0.7e-6 : 1.0e-6) / Double(copiesBoth ? stages - 1 : 1)
        let moved = Double(problem.m * problem.k * problem.x.dtype.byteCount
            + problem.k * problem.n * problem.y.dtype.byteCount
            + problem.m * problem.n * problem.out.dtype.byteCount) * Double(problem.batch)
        let moving = moved / (Double(units) * 25e9)
        return launch + max(waves * (slabs * max(multiplying * (copiesBoth ? 1 : 1.3), arriving) + 1.5e-6), moving)
    }

    /// How much of a unit's rate the parts of a warp reach: small ones read local memory more often for each multiplication.
    private var share: Double {
        switch warpM * warpN {
        case 64 * 64...: 1
        case 64 * 32...: 0.92
        case 32 * 32...: 0.7
        default: 0.45
        }
    }

    /// Floating-point operations per second that one unit's tensor cores reach through `mma.sync`.
    private static func rate(_ operands: Operands, _ capability: ComputeCapability) -> Double {
        let halfRate: Double =
            switch (capability.major, capability.minor) {
            case (8, 0): 2.0e12
            case (8, 6), (8, 7): 0.7e12
            case (8, _), (12, _): 1.1e12
            default: 2.7e12
            }
        return switch operands {
        case .bfloat16, .float16: halfRate
        case .tf32: halfRate * 0.53
        case .splitFloat32: halfRate * 0.16
        }
    }

    func launch(_ product: MatrixProduct, _ problem: MatrixProblem, on backend: OpenCLBackend) {
        func width(_ operand: MatrixProblem.Operand) -> Int {
            operand.dtype == .float32 && operand.width == 4 ? 4 : 1
        }
        let operand =
            switch operands {
            case .bfloat16: 0
            case .float16: 1
            case .tf32, .splitFloat32: 2
            }
        let settings: [KernelKey.Setting] = [
            .number(.operand, operand), .flag(.split, operands == .splitFloat32), .number(.tileM, m), .number(.tileN, n),
            .number(.warpM, warpM), .number(.warpN, warpN), .number(.stages, stages),
            .flag(.xKFirst, problem.x.isRowMajor), .flag(.yNFirst, problem.y.isRowMajor),
            .flag(.xCopies, copies(problem.x)), .flag(.yCopies, copies(problem.y)),
            .number(.xWidth, width(problem.x)), .number(.yWidth, width(problem.y)), .type(.yType, problem.y.dtype),
            .number(.outWidth, problem.out.isRowMajor && problem.out.width >= 2 ? 2 : 1),
        ]
        let tiles = ((product.m + m - 1) / m) * ((product.n + n - 1) / n)
        backend.launchProduct(
            .gemmTensor, product, settings, groups: (tiles, 1, product.batchCount), groupSize: groupSize,
            isWide: needsWideIndex([product.x, product.y, product.out]))
    }
}

extension MatrixPlan {
    /// By what is multiplied, such as `bfloat16`, `tf32` or `splitFloat32`.
    package static func tensor(
        _ operands: String, m: Int, n: Int, warpM: Int, warpN: Int, stages: Int = 2
    ) -> MatrixPlan {
        MatrixPlan(
            TensorKernel(operands: .init(rawValue: operands)!, m: m, n: n, warpM: warpM, warpN: warpN, stages: stages))
    }
}
