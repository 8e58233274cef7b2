import CGimbalLoops
import COpenBLAS
import GimbalBackend

// Matrix products, by loops of our own where those are faster than OpenBLAS (product_loops.h). The backend divides an output
// among its threads; OpenBLAS runs each call on one.

extension CPUBackend {
    public func matrixMultiply(_ x: TensorView, _ y: TensorView, out: TensorView, _ epilogue: Epilogue) {
        guard out.elementCount > 0 else { return }
        if epilogue.scale == 0 { return multiplyByZero(x, y, out: out, epilogue) }
        computing([x, y], out: out, keepsOutput: epilogue.accumulates) { inputs, out in
            try multiply(inputs[0], inputs[1], out: out, epilogue)
        }
    }

    /// BLAS takes a factor of 0 as leave to skip the product, which would lose NaN and infinity.
    private func multiplyByZero(_ x: TensorView, _ y: TensorView, out: TensorView, _ epilogue: Epilogue) {
        reportingErrors {
            let product = try allocate(out.shape)
            matrixMultiply(x, y, out: product, .plain)
            unary(.init(.affine, a: 0), product, out: product)
            if epilogue.accumulates {
                binary(.init(.add), out, product, out: out)
            } else {
                copy(product, to: out)
            }
            finish(out, epilogue)
        }
    }

    /// The bias over the whole of `out`.
    private func finish(_ out: TensorView, _ epilogue: Epilogue) {
        if let bias = epilogue.bias { binary(.init(.add), out, bias.broadcast(to: out.shape), out: out) }
    }

    private func multiply(_ x: TensorView, _ y: TensorView, out: TensorView, _ epilogue: Epilogue) throws {
        guard let target = Matrix(out), !target.isTransposed else {
            if let target = Matrix(out), target.isTransposed {
                // outᵀ = yᵀ xᵀ has rows without gaps.
                let plain = Epilogue(scale: epilogue.scale, accumulates: epilogue.accumulates)
                try multiply(y.transposed, x.transposed, out: out.transposed, plain)
                return finish(out, epilogue)
            }
            let result = try allocate(out.shape)
            if epilogue.accumulates { copy(out, to: result) }
            try multiply(x, y, out: result, epilogue)
            return copy(result, to: out)
        }
        let x = Matrix(x) == nil ? try contiguousCopy(x) : x
        let y = Matrix(y) == nil ? try contiguousCopy(y) : y
        let bias = try epilogue.bias.map { try converted($0, to: .float32) }
        var product = Product(
            x: Matrix(x)!, y: Matrix(y)!, out: target, rows: out.shape[out.shape.rank - 2],
            columns: out.shape[out.shape.rank - 1], depth: x.shape[x.shape.rank - 1], scale: Float(epilogue.scale),
            accumulates: epilogue.accumulates, bias: bias?.floats)

        // Batches that lie in memory like more rows of one product are one product.
        let batchAxes = out.shape.rank - 2
        var batch = batchViews([x, y, out], axes: batchAxes)
        if batch.sizes.count == 1, batch.strides[1][0] == 0, !product.x.isTransposed,
            batch.strides[0][0] == product.rows * product.x.stride, batch.strides[2][0] == product.rows * target.stride
        {
            product.rows *= batch.sizes[0]
            batch.sizes = []
        }
        if product.largestCount > mostCount {
            return multiplyByLoops(product, batch)
        }
        var panels: TensorView?
        if batch.sizes.isEmpty {
            panels = keptColumns(
                of: y, depth: product.depth, columns: product.columns,
                strides: (product.y.strides.row, product.y.strides.column), rows: product.rows)
            product.panels = panels?.floats
        }
        let count = batch.sizes.reduce(1, *)
        let work = product.rows * product.columns * max(product.depth, 1)
        try BLASMemory.with(threads: min(threads, max(count * work / smallestProduct, 1)), on: self) {
            if count >= threads && count > 1 {
                divide(count, grain: max(smallestProduct / work, 1)) { range in
                    for index in range {
                        let product = product.moved(to: index, of: batch)
                        multiply(product, rows: 0..<product.rows, columns: 0..<product.columns)
                    }
                }
            } else {
                for index in 0..<count { multiplyDivided(product.moved(to: index, of: batch)) }
            }
        }
        withExtendedLifetime((x, y, bias, panels)) {}
    }

    /// Products with a count that BLAS, which counts in 32 bits, does not take.
    private func multiplyByLoops(_ product: Product, _ batch: (sizes: [Int], strides: [[Int]])) {
        for index in 0..<batch.sizes.reduce(1, *) {
            let product = product.moved(to: index, of: batch)
            for first in Swift.stride(from: 0, to: product.rows, by: loops.product_most_rows) {
                let rows = first..<min(first + loops.product_most_rows, product.rows)
                let out = product.out.pointer + first * product.out.stride
                let x = product.x.pointer + first * product.x.strides.row
                computeByLoops(product, x, product.y.pointer, out, rows, 0..<product.columns)
            }
        }
    }

    /// One matrix product, divided along the longer side of its output.
    private func multiplyDivided(_ product: Product) {
        let depth = max(product.depth, 1)
        if product.columns >= product.rows {
            let alignment = product.panels == nil ? 16 : loops.product_panel_columns
            divide(product.columns, grain: max(smallestProduct / (product.rows * depth), 1), alignment: alignment) {
                multiply(product, rows: 0..<product.rows, columns: $0)
            }
        } else {
            divide(product.rows, grain: max(smallestProduct / (product.columns * depth), 1), alignment: 16) {
                multiply(product, rows: $0, columns: 0..<product.columns)
            }
        }
    }

    /// Computes and finishes one rectangle of the output.
    private func multiply(_ product: Product, rows: Range<Int>, columns: Range<Int>) {
        let stride = product.out.stride
        let out = product.out.pointer + rows.lowerBound * stride + columns.lowerBound
        let x = product.x.pointer + rows.lowerBound * product.x.strides.row
        let y = product.y.pointer + columns.lowerBound * product.y.strides.column
        if product.depth == 0 {
            if !product.accumulates {
                for row in 0..<rows.count {
                    (out + row * stride).update(repeating: 0, count: columns.count)
                }
            }
        } else if rows.count == 1 && product.rows == 1 {
            // A row vector: out = yᵀ x.
            if !product.accumulates { out.update(repeating: 0, count: columns.count) }
            cblas_sgemv(
                CblasRowMajor, product.y.isTransposed ? CblasNoTrans : CblasTrans,
                Int32(product.y.isTransposed ? columns.count : product.depth),
                Int32(product.y.isTransposed ? product.depth : columns.count), product.scale, y,
                Int32(product.y.stride), x, Int32(product.x.isTransposed ? product.x.stride : 1), 1, out, 1)
        } else if product.rows <= loops.product_most_rows {
            return computeByLoops(product, x, y, out, rows, columns)
        } else {
            cblas_sgemm(
                CblasRowMajor, product.x.isTransposed ? CblasTrans : CblasNoTrans,
                product.y.isTransposed ? CblasTrans : CblasNoTrans, Int32(rows.count), Int32(columns.count),
                Int32(product.depth), product.scale, x, Int32(product.x.stride), y, Int32(product.y.stride),
                product.accumulates ? 1 : 0, out, Int32(stride))
        }
        guard let bias = product.bias else { return }
        for row in 0..<rows.count { loops.add(out + row * stride, bias + columns.lowerBound, columns.count) }
    }

    /// Which way a product goes depends on the whole of it, so that the number of threads does not change its bits.
    private func computeByLoops(
        _ product: Product, _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, _ out: UnsafeMutablePointer<Float>,
        _ rows: Range<Int>, _ columns: Range<Int>
    ) {
        var description = gimbal_matrix_product(
            x: x, y: y, x_row: product.x.strides.row, x_depth: product.x.strides.column, y_depth: product.y.strides.row,
            y_column: product.y.strides.column, out: out, out_stride: product.out.stride, depth: product.depth,
            scale: product.scale, accumulates: product.accumulates, bias: product.bias.map { $0 + columns.lowerBound },
            panels: product.panels.map { $0 + columns.lowerBound * product.depth })
        loops.matrix_product(&description, rows.count, columns.count)
    }

    private func contiguousCopy(_ view: TensorView) throws -> TensorView {
        let result = try allocate(view.shape)
        copy(view, to: result)
        return result
    }

    /// The leading axes of the views as few as possible; none where there is one matrix only.
    private func batchViews(_ views: [TensorView], axes: Int) -> (sizes: [Int], strides: [[Int]]) {
        if views[2].shape.sizes.prefix(axes).allSatisfy({ $0 == 1 }) { return ([], [[], [], []]) }
        let batches = views.map { view in
            var batch = view
            batch.shape = Shape(Array(view.shape.sizes.prefix(axes)))
            batch.strides = Array(view.strides.prefix(axes))
            return batch
        }
        let (sizes, strides) = collapseAxes(batches)
        return (sizes, strides)
    }
}

/// Multiplications and additions below which a second thread does not pay.
let smallestProduct = 150_000

/// Calls `body` with two operands and strides of 1.
private func withUnsafePointers(
    _ out: UnsafeMutablePointer<CChar>, _ x: UnsafeMutablePointer<CChar>,
    _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>, UnsafePointer<Int>) -> Void
) {
    let operands: (UnsafeMutablePointer<CChar>?, UnsafeMutablePointer<CChar>?) = (out, x)
    let strides = (1, 1)
    withUnsafeBytes(of: operands) { operands in
        withUnsafeBytes(of: strides) { strides in
            body(
                operands.baseAddress!.assumingMemoryBound(to: UnsafeMutablePointer<CChar>?.self),
                strides.baseAddress!.assumingMemoryBound(to: Int.self))
        }
    }
}

/// A matrix as BLAS can take it: rows without gaps between elements, or the transpose of such.
private struct Matrix {
    var pointer: UnsafeMutablePointer<Float>
    /// Elements between neighbouring rows, or columns if transposed.
    var stride: Int
    var isTransposed: Bool

    /// Elements from row to row, and from column to column.
    var strides: (row: Int, column: Int) { isTransposed ? (1, stride) : (stride, 1) }

    /// The last two axes of `view`; nil where neither has unit stride.
    init?(_ view: TensorView) {
        let rank = view.shape.rank
        let (rows, columns) = (view.shape[rank - 2], view.shape[rank - 1])
        let (rowStride, columnStride) = (view.strides[rank - 2], view.strides[rank - 1])
        pointer = view.floats
        if (columns <= 1 || columnStride == 1) && (rows <= 1 || rowStride >= max(columns, 1)) {
            stride = rows <= 1 ? max(columns, 1) : rowStride
            isTransposed = false
        } else if (rows <= 1 || rowStride == 1) && (columns <= 1 || columnStride >= max(rows, 1)) {
            stride = columns <= 1 ? max(rows, 1) : columnStride
            isTransposed = true
        } else {
            return nil
        }
    }
}

private struct Product {
    var x: Matrix
    var y: Matrix
    var out: Matrix
    var rows: Int
    var columns: Int
    var depth: Int
    var scale: Float
    var accumulates: Bool
    var bias: UnsafeMutablePointer<Float>?
    /// The columns of y laid out in panels, where they are kept so.
    var panels: UnsafeMutablePointer<Float>?

    /// The largest number that BLAS would be told.
    var largestCount: Int { max(rows, columns, depth, x.stride, y.stride, out.stride) }

    /// The one at `index` of a batch.
    func moved(to index: Int, of batch: (sizes: [Int], strides: [[Int]])) -> Product {
        var (result, remaining) = (self, index)
        for axis in batch.sizes.indices.reversed() {
            let position = remaining % batch.sizes[axis]
            remaining /= batch.sizes[axis]
            result.x.pointer += position * batch.strides[0][axis]
            result.y.pointer += position * batch.strides[1][axis]
            result.out.pointer += position * batch.strides[2][axis]
        }
        return result
    }
}
