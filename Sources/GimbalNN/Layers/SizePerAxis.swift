/// A size for each spatial axis: a number for all of them alike, or a list with one for each.
///
/// ```swift
/// Conv2d(3, 16, kernelSize: 3, padding: 1)
/// Conv2d(3, 16, kernelSize: [3, 5], padding: [1, 2])
/// ```
public protocol SizePerAxis {
    /// The sizes of `axes` axes.
    func sizes(_ axes: Int) -> [Int]
}

extension Int: SizePerAxis {
    public func sizes(_ axes: Int) -> [Int] { [Int](repeating: self, count: axes) }
}

extension Array: SizePerAxis where Element == Int {
    public func sizes(_ axes: Int) -> [Int] {
        require(count == axes, "sizes", "\(self) does not name \(axes) axes")
        return self
    }
}

/// As many zeros around the input of a convolution as keep its size, one more behind than before where their number is
/// odd.
public struct SamePadding: SizePerAxis {
    /// Padding that keeps the size; `.same` is short for it.
    public init() {}
    /// Stops the program: only a convolution, which knows its kernel, can tell how many zeros these are.
    public func sizes(_ axes: Int) -> [Int] { stop("sizes", "the padding `.same` is for convolutions only") }
}

extension SizePerAxis where Self == SamePadding {
    /// As many zeros as keep the size of the input: `Conv2d(3, 16, kernelSize: 5, padding: .same)`.
    public static var same: SamePadding { SamePadding() }
}

/// A number where all axes agree, else the list, for descriptions.
func shortened(_ sizes: [Int]) -> String { Set(sizes).count == 1 ? "\(sizes[0])" : "\(sizes)" }
