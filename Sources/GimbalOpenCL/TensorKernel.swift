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
    /// Among how many groups, at most, the k axis of a tile is shared.
    var parts: Int

    var description: String {
        "tensor cores by \(operands) on tiles of \(m) x \(n), \(warpM) x \(warpN) a warp, \(stages) stages"
            + (parts > 1 ? ", k in \(parts) parts" : "")
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
            shapes.flatMap { shape in
                [1, 2, 3, 4, 6, 8, 12, 16, 24].map { parts in
                    TensorKernel(
                        operands: operands, m: shape.m, n: shape.n, warpM: shape.warpM, warpN: shape.warpN,
                        stages: shape.stages, parts: parts)
                }
            }
        }
    }

    /// Sums of 16-bit operands are those of float32 arithmetic, as their products are exact.
    var precision: ProductPrecision { operands == .tf32 ? .tf32 : .float32 }
    var checkedTypes: [DType] { [operands.dtype] }
    /// It depends on how the driver takes inline PTX; one number of parts speaks for the others.
    var proof: MatrixPlan? {
        var kernel = self
        kernel.parts = min(parts, 2)
        return MatrixPlan(kernel)
    }

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
        // Below, a launch takes most of the time in any case.
        guard problem.multiplications >= 0x1p20 else { return false }
        // What the parts leave for the last group must not take much memory.
        guard parts == 1 || tiles(problem) * parts * m * n <= 1 << 24 else { return false }
        // What passes through registers, and what other groups leave, takes some of those that large parts of a warp need.
        let isLarge = warpM * warpN >= 64 * 64, isLong = m != n && m * n >= 128 * 64
        if isLarge || isLong { guard copies(problem.x) && copies(problem.y) else { return false } }
        return switch operands {
        case .bfloat16, .float16: true
        case .tf32: !isLarge || parts == 1
        case .splitFloat32: !(isLarge || isLong) || parts == 1 && (!isLarge || problem.x.isRowMajor)
        }
    }

    private static func isReal(_ dtype: DType) -> Bool {
        dtype == .float32 || dtype == .float16 || dtype == .bfloat16
    }

    /// Whether an operand goes to local memory in chunks of 16 bytes, as it is stored.
    private func copies(_ operand: MatrixProblem.Operand) -> Bool {
        operand.dtype == operands.dtype && operand.width * operands.byteCount == 16
    }

    private func tiles(_ problem: MatrixProblem) -> Int {
        (problem.m + m - 1) / m * ((problem.n + n - 1) / n) * problem.batch
    }

    /// Values of k in a slab.
    private var depth: Int { 64 / operands.byteCount }

    /// In how many parts a problem's k axis is cut: each takes a slab at least.
    private func parts(for problem: MatrixProblem) -> Int { max(1, min(parts, (problem.k + depth - 1) / depth)) }

    func seconds(_ problem: MatrixProblem, on device: OpenCLDevice) -> Double {
        let parts = parts(for: problem)
        // More parts than there are slabs are the same as fewer.
        guard let capability = device.capability, parts == self.parts else { return .infinity }
        let units = device.description.computeUnits
        let groups = tiles(problem) * parts
        let slabs = Double(((problem.k + depth - 1) / depth + parts - 1) / parts)
        // What a slab costs the unit. Values that pass through registers arrive later and cost more.
        let copiesBoth = copies(problem.x) && copies(problem.y)
        let busy = 2 * Double(m * n * depth) / (Self.rate(operands, capability) * share) * (copiesBoth ? 1 : 1.3)
        // What it takes a group that is alone: the memory's latency, or its own arithmetic.
        let alone = max(busy, (copiesBoth ? 0.7e-6 : 1.0e-6) / Double(copiesBoth ? stages - 1 : 1))
        // Registers hold about two tiles of 128 x 128.
        let resident = max(1, min(2 * 128 * 128 / (m * n), 8))
        let groupsPerUnit = (groups + units - 1) / units
        func wave(_ count: Int) -> Double { count == 0 ? 0 : slabs * max(alone, Double(count) * busy) + 1.5e-6 }
        var seconds = Double(groupsPerUnit / resident) * wave(resident) + wave(groupsPerUnit % resident)
        // The last group reads what all left.
        if parts > 1 { seconds += 1.5e-6 + Double(parts) * Double(m * n) * 4 / 80e9 }
        func bytes(_ rows: Int, _ columns: Int, _ operand: MatrixProblem.Operand) -> Double {
            Double(rows) * Double(columns) * Double(operand.dtype.byteCount)
        }
        let moved =
            Double(problem.batch)
            * (bytes(problem.m, problem.k, problem.x) + bytes(problem.k, problem.n, problem.y)
                + bytes(problem.m, problem.n, problem.out))
        return max(seconds, moved / 3e12) + 3e-6
    }

    /// How much of a unit's rate the parts of a warp reach: small ones read local memory more often for each multiplication.
    private var share: Double {
        switch warpM * warpN {
        case 4096...: 1
        case 2048...: 0.92
        case 1024...: 0.7
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
        backend.reportingErrors {
            let parts = parts(for: problem)
            let isWide = needsWideIndex([product.x, product.y, product.out])
            func width(_ operand: MatrixProblem.Operand) -> Int {
                operand.dtype == .float32 && operand.width == 4 ? 4 : 1
            }
            let operand =
                switch operands {
                case .bfloat16: 0
                case .float16: 1
                case .tf32, .splitFloat32: 2
                }
            var settings: [KernelKey.Setting] = [
                .number(.operand, operand), .flag(.split, operands == .splitFloat32), .number(.tileM, m),
                .number(.tileN, n), .number(.warpM, warpM), .number(.warpN, warpN), .number(.stages, stages),
                .flag(.xKFirst, problem.x.isRowMajor), .flag(.yNFirst, problem.y.isRowMajor),
                .flag(.xCopies, copies(problem.x)), .flag(.yCopies, copies(problem.y)),
                .number(.xWidth, width(problem.x)), .number(.yWidth, width(problem.y)),
                .type(.yType, product.y.dtype),
                .number(.outWidth, problem.out.isRowMajor && problem.out.width >= 2 ? 2 : 1),
            ]
            var more: [KernelArgument] = []
            let tiles = tiles(problem)
            if parts > 1 {
                settings.append(.flag(.splitK, true))
                let share = m * n + (product.rowSums == nil ? 0 : m)
                more += [.buffer(try backend.allocate([tiles * parts * share]).storage), .counters(tiles)]
            }
            if let rowSums = product.rowSums {
                settings += [.number(.sumsRows, rowSums.accumulates ? 2 : 1), .type(.biasType, rowSums.view.dtype)]
                more += [.view(rowSums.view), .index(rowSums.view.strides[0], isWide: isWide)]
            }
            backend.launchProduct(
                .gemmTensor, product, settings, groups: (tiles / problem.batch, parts, problem.batch),
                groupSize: groupSize, isWide: isWide, more: more)
        }
    }
}

extension MatrixPlan {
    /// By what is multiplied, such as `bfloat16`, `tf32` or `splitFloat32`.
    package static func tensor(
        _ operands: String, m: Int, n: Int, warpM: Int, warpN: Int, stages: Int = 2, parts: Int = 1
    ) -> MatrixPlan {
        MatrixPlan(
            TensorKernel(
                operands: .init(rawValue: operands)!, m: m, n: n, warpM: warpM, warpN: warpN, stages: stages,
                parts: parts))
    }
}
