import GimbalBackend

/// `gemm_wgmma.cl`: large products on the tensor cores of Hopper GPUs, sm_90. Operands that it cannot read as they lie are packed
/// first.
struct WgmmaKernel: MatrixKernel {
    static let name = "wgmma"
    static let sources = [KernelName.gemmWgmma, .packOperand]

    /// What the tensor cores multiply: float16, bfloat16, or float32 cut to TF32.
    var operands: DType
    var n: Int
    var stages: Int

    private let m = 128
    private let groupSize = 256

    private enum CodingKeys: CodingKey {
        case operands, n, stages
    }

    init(operands: DType, n: Int, stages: Int) {
        (self.operands, self.n, self.stages) = (operands, n, stages)
    }

    var description: String { "wgmma of \(operands) on tiles of \(m) x \(n), \(stages) stages" }

    static func candidates(for device: OpenCLDevice) -> [WgmmaKernel] {
        guard device.capability == ComputeCapability(major: 9, minor: 0) else { return [] }
        return [DType.bfloat16, .float16, .float32].flatMap { operands in
            [WgmmaKernel(operands: operands, n: 128, stages: 3), WgmmaKernel(operands: operands, n: 256, stages: 4)]
        }
    }

    var precision: ProductPrecision { operands == .float32 ? .tf32 : .float32 }
    var checkedTypes: [DType] { [operands] }
    var proof: MatrixPlan? { MatrixPlan(self) }

    /// On a real device the local array grows beyond what OpenCL C may declare.
    func fits(_ device: OpenCLDevice) -> Bool {
        groupSize <= device.largestWorkGroup && (device.compilesPTX || localMemory <= device.localMemoryBytes)
    }

    private var localMemory: Int { stages * (m + n) * 128 }

    func supports(_ problem: MatrixProblem) -> Bool {
        let types = [problem.x.dtype, problem.y.dtype]
        let areReal = (types + [problem.out.dtype, problem.bias ?? .float32]).allSatisfy {
            $0 == .float32 || $0 == .float16 || $0 == .bfloat16
        }
        let isRounded =
            switch operands {
            case .float32: problem.precision != .float32
            case .bfloat16: problem.precision == .bfloat16
            default: problem.precision == .float16
            }
        let isStored = operands != .float32 && types.allSatisfy { $0 == operands }
        return areReal && !problem.sumsRows && problem.k > 0 && (isStored || isRounded)
            // Rows by which `pack_operand` can be launched.
            && max(problem.m, problem.n) <= 1 << 20
            // Small ones do not fill the device with tiles of this size.
            && problem.multiplications >= 0x1p27
    }

    /// Whether an operand can be read as it lies.
    private func isReadable(_ operand: MatrixProblem.Operand, isContiguousAlongK: Bool) -> Bool {
        operand.dtype == operands && isContiguousAlongK && operand.width * operands.byteCount == 16
    }

    func seconds(_ problem: MatrixProblem, on device: OpenCLDevice) -> Double {
        let units = device.description.computeUnits
        let tiles = (problem.m + m - 1) / m * ((problem.n + n - 1) / n) * problem.batch
        let depth = 128 / operands.byteCount
        let slabs = Double((problem.k + depth - 1) / depth)
        // As an H200 was measured: of 132 units, 480 and 550 TFLOP/s with 16-bit operands, half as much in TF32.
        let rate = (n == 256 ? 4.2e12 : 3.7e12) * (operands == .float32 ? 0.5 : 1)
        let busy = 2 * Double(m * n * depth) / rate
        let resident = n == 256 ? 1 : 2
        let tilesPerUnit = (tiles + units - 1) / units
        func wave(_ count: Int) -> Double {
            count == 0 ? 0 : slabs * max(busy * Double(count), 0.9e-6 / Double(stages - 2)) + 2.5e-6
        }
        var seconds = 3e-6 + Double(tilesPerUnit / resident) * wave(resident) + wave(tilesPerUnit % resident)
        for (operand, isContiguous, rows) in [
            (problem.x, problem.x.isRowMajor, problem.m), (problem.y, !problem.y.isRowMajor, problem.n),
        ] where !isReadable(operand, isContiguousAlongK: isContiguous) {
            let values = Double(rows) * Double(problem.k) * Double(problem.batch)
            seconds += 5e-6 + values * Double(operand.dtype.byteCount + operands.byteCount) / 2e12
        }
        return seconds
    }

    func launch(_ given: MatrixProduct, _ problem: MatrixProblem, on backend: OpenCLBackend) {
        backend.reportingErrors {
            var product = given
            if !isReadable(problem.x, isContiguousAlongK: problem.x.isRowMajor) {
                (product.x, product.xStrides, product.batchStrides[0]) = try packed(given, problem.x, on: backend)
            }
            if !isReadable(problem.y, isContiguousAlongK: !problem.y.isRowMajor) {
                var operand = problem.y
                operand.isRowMajor.toggle()
                let (view, strides, batch) = try packed(given.exchanged, operand, on: backend)
                (product.y, product.yStrides, product.batchStrides[1]) = (view, (strides.k, strides.m), batch)
            }
            let settings: [KernelKey.Setting] = [
                .number(.operand, operands == .bfloat16 ? 0 : operands == .float16 ? 1 : 2), .number(.tileN, n),
                .number(.stages, stages), .type(.yType, product.y.dtype),
                .number(.outWidth, problem.out.isRowMajor && problem.out.width >= 2 ? 2 : 1),
            ]
            let tiles = (product.m + m - 1) / m * ((product.n + n - 1) / n)
            backend.launchProduct(
                .gemmWgmma, product, settings, groups: (tiles, 1, product.batchCount), groupSize: groupSize,
                isWide: needsWideIndex([product.x, product.y, product.out]))
        }
    }

    /// x contiguous along k, in the operands' type, with rows of whole chunks.
    private func packed(
        _ product: MatrixProduct, _ operand: MatrixProblem.Operand, on backend: OpenCLBackend
    ) throws -> (TensorView, (m: Int, k: Int), (outer: Int, inner: Int)) {
        let chunk = 16 / operands.byteCount
        let row = (product.k + chunk - 1) / chunk * chunk
        var product = product
        // What is the same throughout the batch is packed once.
        let isShared = product.batchStrides[0] == (0, 0)
        let batch = product.batch
        if isShared { product.batch = (1, 1) }
        let packed = try backend.allocate([product.batchCount, product.m, row], operands)
        let isWide = needsWideIndex([product.x, packed])
        backend.launch(
            KernelKey(
                .packOperand,
                [
                    .type(.xType, product.x.dtype), .type(.outType, operands), .flag(.xKFirst, operand.isRowMajor),
                    .flag(.wideIndex, isWide),
                ]),
            groups: ((row + 31) / 32, (product.m + 31) / 32, product.batchCount), groupSize: 256,
            [
                .view(product.x), .buffer(packed.storage), .indices(product.numbers, isWide: isWide),
                .index(row, isWide: isWide),
            ])
        let size = product.m * row
        return (packed, (row, 1), isShared ? (0, 0) : (size * batch.inner, size))
    }
}

extension MatrixPlan {
    package static func wgmma(_ operands: DType, n: Int, stages: Int) -> MatrixPlan {
        MatrixPlan(WgmmaKernel(operands: operands, n: n, stages: stages))
    }
}
