import GimbalBackend

/// How a test lays the elements of a view out in memory. Backends must give the same results for all.
public enum Layout: String, CaseIterable, Sendable {
    /// Row-major, aligned.
    case contiguous
    /// Row-major, beginning a few elements past an aligned address.
    case offset
    /// Column-major: the axes lie in memory in reverse order.
    case transposed
    /// Rows with gaps: unused elements between neighbours of every axis but the last.
    case padded
    /// Unused elements between neighbours of every axis.
    case stepped
    /// Every axis runs backwards, with negative strides.
    case reversed

    public static let rowMajor: [Layout] = [.contiguous, .offset]
    /// Those a matrix product meets for its result.
    public static let forward: [Layout] = [.contiguous, .offset, .transposed, .padded, .stepped]

    /// The strides of `shape`, the place of its first element, and the number of elements from the lowest to the highest.
    func arrange(_ shape: Shape) -> (strides: [Int], first: Int, span: Int) {
        let axes = Array(0..<shape.rank)
        var strides = [Int](repeating: 1, count: shape.rank)
        var step = self == .stepped ? 2 : 1
        for axis in self == .transposed ? axes : axes.reversed() {
            strides[axis] = step
            step = step * max(shape[axis], 1) + (self == .stepped || self == .padded ? 3 : 0)
        }
        let span = 1 + axes.map { max(shape[$0] - 1, 0) * strides[$0] }.reduce(0, +)
        if self == .reversed { return (strides.map { -$0 }, span - 1, span) }
        return (strides, self == .offset ? 3 : 0, span + (self == .offset ? 3 : 0))
    }
}
