import Foundation

extension Tensor: CustomStringConvertible {
    /// Shape, dtype and device, then the elements, long axes shortened in the middle. Waits for the device.
    public var description: String {
        let head = "Tensor(\(shape), \(dtype), \(device.id))"
        do {
            return head + "\n" + (try text(values: doubles(), shape: shape.sizes[...], start: 0, indent: 0))
        } catch {
            return head + " unreadable: \(error)"
        }
    }

    private func text(values: [Double], shape: ArraySlice<Int>, start: Int, indent: Int) throws -> String {
        guard let size = shape.first else {
            return dtype.isFloatingPoint ? String(format: "%.4g", values[start]) : String(Int(values[start]))
        }
        let inner = shape.dropFirst()
        let step = inner.reduce(1, *)
        let shown = size <= 8 ? [Int](0..<size) : [0, 1, 2, -1, size - 3, size - 2, size - 1]
        let parts = try shown.map { index in
            index < 0 ? "…" : try text(values: values, shape: inner, start: start + index * step, indent: indent + 1)
        }
        let separator = inner.isEmpty ? ", " : ",\n" + String(repeating: " ", count: indent + 1)
        return "[" + parts.joined(separator: separator) + "]"
    }
}
