import GimbalBackend

/// What decides which kernel serves a matrix product, and how it cuts it up: everything about it but where the data lie.
struct MatrixProblem: Hashable, Sendable {
    /// One of the three matrices.
    struct Operand: Hashable, Sendable {
        var dtype: DType
        /// Whether neighbours in memory lie along the second axis (k of x, n of y and of out), not along the first.
        var isRowMajor: Bool
        /// Elements that can be moved at once along the contiguous axis, by accesses that are aligned and lie wholly
        /// inside or outside of the matrix: a power of two of at most 16 bytes; 1 where that axis is not contiguous.
        var width: Int
    }

    var m: Int
    var n: Int
    var k: Int
    var batch: Int
    var x: Operand
    var y: Operand
    var out: Operand
    var bias: DType?
    var accumulates: Bool
    /// Whether the sums of the rows of x are wanted too.
    var sumsRows: Bool
    /// How far operands may be rounded.
    var precision: ProductPrecision

    /// By numbers; what is equal in these differs seldom in the rest.
    func hash(into hasher: inout Hasher) {
        hasher.combine(m)
        hasher.combine(n)
        hasher.combine(k)
        hasher.combine(batch)
        hasher.combine(x.width << 8 | y.width << 4 | out.width)
        hasher.combine(x.isRowMajor)
        hasher.combine(y.isRowMajor)
    }

    var multiplications: Double { Double(m) * Double(n) * Double(k) * Double(batch) }
}

/// Problems that share a tuned plan: alike in size to a factor of two, and in all that decides how operands are read.
struct MatrixBucket: Hashable, Sendable, Codable {
    var m: Int
    var n: Int
    var k: Int
    var batch: Int
    var isXRowMajor: Bool
    var isYRowMajor: Bool
    var xType: DType
    var yType: DType
    var precision: ProductPrecision

    init(_ problem: MatrixProblem) {
        /// The power of two nearest to a size, by its exponent.
        func exponent(_ size: Int) -> Int { size <= 1 ? 0 : Int.bitWidth - (size * 2 / 3).leadingZeroBitCount }
        (m, n, k) = (exponent(problem.m), exponent(problem.n), exponent(problem.k))
        batch = exponent(problem.batch)
        (isXRowMajor, isYRowMajor) = (problem.x.isRowMajor, problem.y.isRowMajor)
        (xType, yType) = (problem.x.dtype, problem.y.dtype)
        precision = problem.precision
    }
}
