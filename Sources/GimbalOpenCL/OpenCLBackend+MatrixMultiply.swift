import GimbalBackend

/// One matrix product as its kernels see it: any number of leading axes reduced to two, whose strides may be 0.
private struct Product {
    var m: Int
    var n: Int
    var k: Int
    var x: TensorView
    var y: TensorView
    var out: TensorView
    var xStrides: (m: Int, k: Int)
    var yStrides: (k: Int, n: Int)
    var outStrides: (m: Int, n: Int)
    var bias: TensorView?
    var biasStrides: (m: Int, n: Int)
    /// Sizes of the batch's two axes, and strides of x, y and out along them.
    var batch: (outer: Int, inner: Int) = (1, 1)
    var batchStrides: [(outer: Int, inner: Int)] = [(0, 0), (0, 0), (0, 0)]

    var batchCount: Int { batch.outer * batch.inner }

    /// The same product with the roles of x and y exchanged: outᵀ = yᵀ xᵀ.
    var exchanged: Product {
        var other = self
        (other.m, other.n) = (n, m)
        (other.x, other.y) = (y, x)
        other.xStrides = (yStrides.n, yStrides.k)
        other.yStrides = (xStrides.k, xStrides.m)
        other.outStrides = (outStrides.n, outStrides.m)
        other.biasStrides = (biasStrides.n, biasStrides.m)
        other.batchStrides.swapAt(0, 1)
        return other
    }

    /// In the order of the kernels' structure `Product`.
    var numbers: [Int] {
        [
            m, n, k, xStrides.m, xStrides.k, yStrides.k, yStrides.n, outStrides.m, outStrides.n, biasStrides.m,
            biasStrides.n, batch.inner,
        ] + batchStrides.flatMap { [$0.outer, $0.inner] }
    }
}

extension OpenCLBackend {
    public func matrixMultiply(_ x: TensorView, _ y: TensorView, out: TensorView, _ epilogue: Epilogue) {
        matrixMultiply(x, y, out: out, epilogue, tile: nil)
    }

    /// The product by a given tile, or by the one for its shape.
    package func matrixMultiply(
        _ x: TensorView, _ y: TensorView, out: TensorView, _ epilogue: Epilogue, tile: MatrixTile?
    ) {
        guard out.elementCount > 0, supports("matrixMultiply", [x, y, out] + [epilogue.bias].compactMap { $0 })
        else { return }
        let rank = out.shape.rank
        let product = Product(
            m: out.shape[rank - 2], n: out.shape[rank - 1], k: x.shape[rank - 1], x: x, y: y, out: out,
            xStrides: (x.strides[rank - 2], x.strides[rank - 1]), yStrides: (y.strides[rank - 2], y.strides[rank - 1]),
            outStrides: (out.strides[rank - 2], out.strides[rank - 1]), bias: epilogue.bias,
            biasStrides: (0, epilogue.bias?.strides[0] ?? 0))
        let batchViews = [x, y, out].map {
            TensorView(
                storage: $0.storage, shape: Shape(Array(out.shape.dropLast(2))), strides: Array($0.strides.dropLast(2)),
                dtype: $0.dtype)
        }
        let (sizes, strides) = collapseAxes(batchViews)
        let shapeClass = MatrixShapeClass(m: product.m, n: product.n, batch: sizes.reduce(1, *))
        let tile = tile ?? matrixTiles.withLock { $0[shapeClass] }
        multiply(product, batchSizes: sizes, batchStrides: strides, epilogue, tile)
    }

    /// Takes the batch in parts that a launch can count: two axes, at most 65,535 products.
    private func multiply(
        _ product: Product, batchSizes sizes: [Int], batchStrides strides: [[Int]], _ epilogue: Epilogue,
        _ tile: MatrixTile
    ) {
        let largestBatch = 65_535
        if sizes.count > 2 || sizes.reduce(1, *) > largestBatch {
            if sizes.count == 1 {
                for start in stride(from: 0, to: sizes[0], by: largestBatch) {
                    multiply(
                        product.movedBy(strides.map { $0[0] * start }),
                        batchSizes: [min(largestBatch, sizes[0] - start)], batchStrides: strides, epilogue, tile)
                }
            } else {
                for i in 0..<sizes[0] {
                    multiply(
                        product.movedBy(strides.map { $0[0] * i }), batchSizes: Array(sizes.dropFirst()),
                        batchStrides: strides.map { Array($0.dropFirst()) }, epilogue, tile)
                }
            }
            return
        }
        var product = product
        product.batch = sizes.count == 2 ? (sizes[0], sizes[1]) : (1, sizes[0])
        product.batchStrides = strides.map { sizes.count == 2 ? ($0[0], $0[1]) : (0, $0[0]) }
        multiply(product, epilogue, tile)
    }

    private func multiply(_ product: Product, _ epilogue: Epilogue, _ tile: MatrixTile) {
        switch tile {
        case .tiles: multiplyTiles(product, epilogue, tile)
        case .panels(_, let columns, _): multiplyPanels(product, epilogue, tile, columns: columns)
        }
    }

    // MARK: On GPUs

    private func multiplyTiles(_ product: Product, _ epilogue: Epilogue, _ tile: MatrixTile) {
        /// 4 where the contiguous axis can be read as float4 throughout: each read then lies wholly inside or outside.
        func width(_ view: TensorView, _ along: (size: Int, stride: Int), _ across: Int, _ batch: (Int, Int)) -> Int {
            view.dtype == .float32 && view.isAligned && along.stride == 1 && along.size % 4 == 0 && across % 4 == 0
                && batch.0 % 4 == 0 && batch.1 % 4 == 0 ? 4 : 1
        }
        let xKFirst = abs(product.xStrides.k) <= abs(product.xStrides.m)
        let yNFirst = abs(product.yStrides.n) <= abs(product.yStrides.k)
        let xWidth =
            xKFirst
            ? width(product.x, (product.k, product.xStrides.k), product.xStrides.m, product.batchStrides[0])
            : width(product.x, (product.m, product.xStrides.m), product.xStrides.k, product.batchStrides[0])
        let yWidth =
            yNFirst
            ? width(product.y, (product.n, product.yStrides.n), product.yStrides.k, product.batchStrides[1])
            : width(product.y, (product.k, product.yStrides.k), product.yStrides.n, product.batchStrides[1])
        let settings: [KernelKey.Setting] = [
            .flag(.xKFirst, xKFirst), .flag(.yNFirst, yNFirst), .number(.xWidth, xWidth), .number(.yWidth, yWidth),
            .type(.yType, product.y.dtype),
        ]
        let (m, n) = tile.extent
        enqueue(
            .gemm, product, epilogue, tile, settings, y: .view(product.y),
            groups: ((product.n + n - 1) / n, (product.m + m - 1) / m, product.batchCount))
    }

    // MARK: On CPUs

    private func multiplyPanels(_ given: Product, _ epilogue: Epilogue, _ tile: MatrixTile, columns: Int) {
        reportingErrors {
            let product = [given, given.exchanged].min { cost($0, tile) < cost($1, tile) }!
            let (rows, _) = tile.extent
            let groups = ((product.m + rows - 1) / rows, (product.n + columns - 1) / columns, product.batchCount)
            if isPackingNeeded(product, columns: columns), product.k > 0 {
                var packed = product
                if product.batchStrides[1] == (0, 0) { packed.batch = (1, 1) }
                let panels = try allocate(
                    [packed.batchCount * groups.1 * product.k * columns], .float32)
                let isWide = needsWideIndex([product.y, panels])
                let block = 64
                launch(
                    KernelKey(
                        .packPanels,
                        tile.settings + [.type(.yType, product.y.dtype), .flag(.wideIndex, isWide)]),
                    groups: ((product.k + block - 1) / block, groups.1, packed.batchCount), groupSize: 1,
                    [
                        .view(product.y), .buffer(panels.storage), .indices(packed.numbers, isWide: isWide),
                        .index(block, isWide: isWide),
                    ])
                packed.yStrides = (columns, 1)
                let size = groups.1 * product.k * columns
                packed.batchStrides[1] = packed.batch == product.batch ? (size * product.batch.inner, size) : (0, 0)
                packed.batch = product.batch
                packed.y = panels
                enqueue(
                    .gemmPanels, packed, epilogue, tile, [], y: .view(panels), groups: groups,
                    panelStride: product.k * columns)
            } else {
                enqueue(
                    .gemmPanels, product, epilogue, tile, [], y: .view(product.y), groups: groups,
                    panelStride: columns)
            }
        }
    }

    private func isPackingNeeded(_ product: Product, columns: Int) -> Bool {
        product.y.dtype != .float32 || product.yStrides.n != 1 || product.n % columns != 0
    }

    /// Roughly the time of a product, in multiply-adds of a vector: padding, packing and scattered stores cost.
    private func cost(_ product: Product, _ tile: MatrixTile) -> Int {
        let (rows, columns) = tile.extent
        let panels = (product.n + columns - 1) / columns
        let blocks = (product.m + rows - 1) / rows
        let sums = blocks * rows * panels * columns * product.k / 16
        let packing = isPackingNeeded(product, columns: columns) ? 2 * panels * columns * product.k : 0
        let storing = product.m * product.n * (product.outStrides.n == 1 ? 1 : 4)
        return sums + packing + storing
    }

    // MARK: Both

    private func enqueue(
        _ kernel: KernelName, _ product: Product, _ epilogue: Epilogue, _ tile: MatrixTile,
        _ settings: [KernelKey.Setting], y: KernelArgument, groups: (Int, Int, Int), panelStride: Int? = nil
    ) {
        let isWide = needsWideIndex([product.x, product.y, product.out])
        var settings =
            tile.settings + settings + [
                .type(.xType, product.x.dtype), .type(.outType, product.out.dtype), .flag(.wideIndex, isWide),
                .flag(.accumulates, epilogue.accumulates),
                .flag(
                    .usesFloat64,
                    [product.x, product.y, product.out, product.bias].contains { $0?.dtype == .float64 }),
            ]
        var arguments: [KernelArgument] = [.view(product.x), y, .view(product.out)]
        if let bias = product.bias {
            settings += [.flag(.hasBias, true), .type(.biasType, bias.dtype)]
            arguments.append(.view(bias))
        }
        if let activation = epilogue.activation { settings.append(.unary(.activation, activation.kind)) }
        arguments += [
            .float(epilogue.scale), .float(epilogue.activation?.a ?? 0), .float(epilogue.activation?.b ?? 0),
            .indices(product.numbers, isWide: isWide),
        ]
        if let panelStride { arguments.append(.index(panelStride, isWide: isWide)) }
        launch(KernelKey(kernel, settings), groups: groups, groupSize: tile.groupSize, arguments)
    }
}

extension Product {
    /// The product of the matrices this many elements further on in x, y and out.
    fileprivate func movedBy(_ offsets: [Int]) -> Product {
        var product = self
        product.x.offset += offsets[0]
        product.y.offset += offsets[1]
        product.out.offset += offsets[2]
        return product
    }
}
