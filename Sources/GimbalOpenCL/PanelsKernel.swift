import GimbalBackend

/// `gemm_panels.cl`: panels in registers and caches, for CPUs.
struct PanelsKernel: MatrixKernel {
    static let name = "panels"
    static let sources = [KernelName.gemmPanels]

    var rows: Int
    var columns: Int
    var length: Int

    var description: String { "panels of \(rows) x \(columns) by vectors of \(length)" }

    static func candidates(for device: OpenCLDevice) -> [PanelsKernel] {
        guard device.isCPU else { return [] }
        return [4, 6, 8, 12].flatMap { rows in
            [(16, 16), (32, 16), (48, 16), (8, 8), (16, 8), (4, 4), (8, 4)].map { columns, length in
                PanelsKernel(rows: rows, columns: columns, length: length)
            }
        }
    }

    /// What a CPU uses untuned.
    static func standard(for device: OpenCLDevice) -> PanelsKernel {
        let length = min(max(device.nativeVectorLength, 4), 16)
        return PanelsKernel(rows: 8, columns: 2 * length, length: length)
    }

    func fits(_ device: OpenCLDevice) -> Bool { true }

    func supports(_ problem: MatrixProblem) -> Bool { !problem.sumsRows }

    /// Untuned, a CPU takes the standard one for every problem.
    func seconds(_ problem: MatrixProblem, on device: OpenCLDevice) -> Double {
        self == .standard(for: device) ? problem.multiplications * 1e-11 : .infinity
    }

    private var settings: [KernelKey.Setting] {
        [.number(.rows, rows), .number(.columns, columns), .number(.length, length)]
    }

    func launch(_ given: MatrixProduct, _ problem: MatrixProblem, on backend: OpenCLBackend) {
        backend.reportingErrors {
            var product = [given, given.exchanged].min { cost($0) < cost($1) }!
            let groups = ((product.m + rows - 1) / rows, (product.n + columns - 1) / columns, product.batchCount)
            var panelStride = columns
            if isPackingNeeded(product), product.k > 0 {
                product = try packed(product, panels: groups.1, on: backend)
                panelStride = product.k * columns
            }
            let isWide = needsWideIndex([product.x, product.y, product.out])
            backend.launchProduct(
                .gemmPanels, product, settings, groups: groups, groupSize: 1, isWide: isWide,
                more: [.index(panelStride, isWide: isWide)])
        }
    }

    /// The product with y copied into panels.
    private func packed(_ given: MatrixProduct, panels: Int, on backend: OpenCLBackend) throws -> MatrixProduct {
        var product = given
        if given.batchStrides[1] == (0, 0) { product.batch = (1, 1) }
        let size = panels * product.k * columns
        let packed = try backend.allocate([product.batchCount * size], .float32)
        let isWide = needsWideIndex([product.y, packed])
        let block = 64
        backend.launch(
            KernelKey(
                .packPanels, settings + [.type(.yType, product.y.dtype), .flag(.wideIndex, isWide)]),
            groups: ((product.k + block - 1) / block, panels, product.batchCount), groupSize: 1,
            [
                .view(product.y), .buffer(packed.storage), .indices(product.numbers, isWide: isWide),
                .index(block, isWide: isWide),
            ])
        product.y = packed
        product.yStrides = (columns, 1)
        product.batchStrides[1] = product.batch == given.batch ? (size * given.batch.inner, size) : (0, 0)
        product.batch = given.batch
        return product
    }

    private func isPackingNeeded(_ product: MatrixProduct) -> Bool {
        product.y.dtype != .float32 || product.yStrides.n != 1 || product.n % columns != 0
    }

    /// Roughly the time of a product, in multiply-adds of a vector: padding, packing and scattered stores cost.
    private func cost(_ product: MatrixProduct) -> Int {
        let panels = (product.n + columns - 1) / columns
        let blocks = (product.m + rows - 1) / rows
        let sums = blocks * rows * panels * columns * product.k / 16
        let packing = isPackingNeeded(product) ? 2 * panels * columns * product.k : 0
        let storing = product.m * product.n * (product.outStrides.n == 1 ? 1 : 4)
        return sums + packing + storing
    }
}

extension MatrixPlan {
    package static func panels(rows: Int, columns: Int, length: Int) -> MatrixPlan {
        MatrixPlan(PanelsKernel(rows: rows, columns: columns, length: length))
    }
}
