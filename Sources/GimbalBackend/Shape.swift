/// The sizes of a tensor's axes, outermost first. A scalar has the empty shape.
public struct Shape: Hashable, Sendable {
    /// The size of each axis, none negative.
    public var sizes: [Int]

    /// A shape of these sizes; a negative one stops the program.
    public init(_ sizes: [Int]) {
        require(sizes.allSatisfy { $0 >= 0 }, "Shape", "\(sizes) has a negative size")
        self.sizes = sizes
    }

    /// Number of axes.
    public var rank: Int { sizes.count }

    /// Number of elements: the product of all sizes, 1 for a scalar. More than can be counted stop the program.
    public var elementCount: Int {
        var count = 1
        for size in sizes {
            let (product, overflows) = count.multipliedReportingOverflow(by: size)
            if overflows { stop("Shape", "\(sizes) has more elements than any device holds") }
            count = product
        }
        return count
    }

    /// Element strides of a row-major tensor without gaps.
    public var contiguousStrides: [Int] {
        var strides = [Int](repeating: 1, count: rank)
        for axis in stride(from: rank - 2, through: 0, by: -1) {
            strides[axis] = strides[axis + 1] * Swift.max(sizes[axis + 1], 1)
        }
        return strides
    }

    /// Whether elements at `strides` lie in row-major order without gaps. Axes of size 1 may have any stride.
    package func isContiguous(_ strides: [Int]) -> Bool {
        var expected = 1
        for axis in stride(from: rank - 1, through: 0, by: -1) {
            let size = sizes[axis]
            if size == 0 { return true }
            if size == 1 { continue }
            if strides[axis] != expected { return false }
            expected *= size
        }
        return true
    }

    /// The shape that both operands of an elementwise operation take on, by NumPy's rule: shapes are aligned at their
    /// last axis, and an axis of size 1 repeats. `nil` where the shapes do not fit.
    public func broadcast(with other: Shape) -> Shape? {
        if self == other { return self }
        let rank = Swift.max(self.rank, other.rank)
        var result = [Int](repeating: 1, count: rank)
        for axis in 0..<rank {
            let a = axis < rank - self.rank ? 1 : sizes[axis - (rank - self.rank)]
            let b = axis < rank - other.rank ? 1 : other.sizes[axis - (rank - other.rank)]
            guard a == b || a == 1 || b == 1 else { return nil }
            result[axis] = a == 1 ? b : a
        }
        return Shape(result)
    }

    /// This shape with each of `axes` set to size 1.
    public func reducing(_ axes: [Int]) -> Shape {
        var result = sizes
        for axis in axes { result[axis] = 1 }
        return Shape(result)
    }
}

extension Shape: ExpressibleByArrayLiteral {
    public init(arrayLiteral elements: Int...) { self.init(elements) }
}

extension Shape: RandomAccessCollection, MutableCollection {
    public var startIndex: Int { 0 }
    public var endIndex: Int { sizes.count }
    public subscript(axis: Int) -> Int {
        get { sizes[axis] }
        set { sizes[axis] = newValue }
    }
}

extension Shape: CustomStringConvertible {
    public var description: String { "[" + sizes.map(String.init).joined(separator: ", ") + "]" }
}
