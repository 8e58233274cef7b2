import GimbalBackend

/// One matrix product as its kernels see it: any number of leading axes reduced to two, whose strides may be 0.
struct MatrixProduct {
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
    var scale = 1.0
    var accumulates = false
    /// Receives Σₖ x[m, k], as shape [m]: for one product, without a bias.
    var rowSums: (view: TensorView, accumulates: Bool)?

    /// The product of the last two axes; the leading ones are left out.
    init(_ x: TensorView, _ y: TensorView, out: TensorView, _ epilogue: Epilogue) {
        let rank = out.shape.rank
        (m, n, k) = (out.shape[rank - 2], out.shape[rank - 1], x.shape[rank - 1])
        (self.x, self.y, self.out) = (x, y, out)
        xStrides = (x.strides[rank - 2], x.strides[rank - 1])
        yStrides = (y.strides[rank - 2], y.strides[rank - 1])
        outStrides = (out.strides[rank - 2], out.strides[rank - 1])
        bias = epilogue.bias
        biasStrides = (0, epilogue.bias?.strides[0] ?? 0)
        scale = epilogue.scale
        accumulates = epilogue.accumulates
    }

    var batchCount: Int { batch.outer * batch.inner }

    /// The same product with the roles of x and y exchanged: outᵀ = yᵀ xᵀ.
    var exchanged: MatrixProduct {
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

    /// The product of the matrices this many elements further on in x, y and out.
    func moved(by offsets: [Int]) -> MatrixProduct {
        var product = self
        product.x.offset += offsets[0]
        product.y.offset += offsets[1]
        product.out.offset += offsets[2]
        return product
    }

    /// In the order of the kernels' structure `Product`.
    var numbers: [Int] {
        [
            m, n, k, xStrides.m, xStrides.k, yStrides.k, yStrides.n, outStrides.m, outStrides.n, biasStrides.m,
            biasStrides.n, batch.inner, batchStrides[0].outer, batchStrides[0].inner, batchStrides[1].outer,
            batchStrides[1].inner, batchStrides[2].outer, batchStrides[2].inner,
        ]
    }

    func problem(_ precision: ProductPrecision) -> MatrixProblem {
        func operand(
            _ view: TensorView, _ strides: (Int, Int), _ sizes: (Int, Int), _ batch: (outer: Int, inner: Int)
        ) -> MatrixProblem.Operand {
            let isRowMajor = abs(strides.1) <= abs(strides.0)
            let (along, across) = isRowMajor ? (strides.1, strides.0) : (strides.0, strides.1)
            var width = along == 1 ? 16 / view.dtype.byteCount : 1
            let reach = view.offset | across | batch.outer | batch.inner | (isRowMajor ? sizes.1 : sizes.0)
            while reach % width != 0 { width /= 2 }
            return .init(dtype: view.dtype, isRowMajor: isRowMajor, width: width)
        }
        return MatrixProblem(
            m: m, n: n, k: k, batch: batchCount,
            x: operand(x, xStrides, (m, k), batchStrides[0]), y: operand(y, yStrides, (k, n), batchStrides[1]),
            out: operand(out, outStrides, (m, n), batchStrides[2]), bias: bias?.dtype, accumulates: accumulates,
            sumsRows: rowSums != nil, precision: precision)
    }
}

extension OpenCLBackend {
    /// Queues a kernel that takes what all kernels for products do: x, y, out and bias, the epilogue's numbers and the
    /// structure `Product`, then `more`.
    func launchProduct(
        _ kernel: KernelName, _ product: MatrixProduct, _ settings: [KernelKey.Setting], groups: (Int, Int, Int),
        groupSize: Int, isWide: Bool, more: [KernelArgument] = []
    ) {
        var settings =
            settings + [
                .type(.xType, product.x.dtype), .type(.outType, product.out.dtype), .flag(.wideIndex, isWide),
                .flag(.accumulates, product.accumulates),
                .flag(
                    .usesFloat64,
                    [product.x, product.y, product.out, product.bias].contains { $0?.dtype == .float64 }),
            ]
        var arguments: [KernelArgument] = [.view(product.x), .view(product.y), .view(product.out)]
        if let bias = product.bias {
            settings += [.flag(.hasBias, true), .type(.biasType, bias.dtype)]
            arguments.append(.view(bias))
        }
        arguments += [
            .float(product.scale), .indices(product.numbers, isWide: isWide),
        ]
        launch(KernelKey(kernel, settings), groups: groups, groupSize: groupSize, arguments + more)
    }
}
