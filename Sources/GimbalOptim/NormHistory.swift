/// Numbers on the device, kept in ascending order.
///
/// Where the sorted list h takes up v, element i of the new list is min(max(hᵢ₋₁, v), hᵢ), with -∞ before the list and
/// +∞ after it: no sorting, and nothing for the host to wait for.
final class NormHistory {
    private(set) var count: Int
    /// -∞, the list, and +∞ up to the end.
    private var list: TensorView
    /// As large; the next list is written here.
    private var next: TensorView
    private let backend: any Backend

    init(_ device: Device, capacity: Int = 126) throws {
        backend = device.backend
        count = 0
        list = try NormHistory.empty(capacity + 2, backend)
        next = try NormHistory.empty(capacity + 2, backend)
    }

    /// The list `values`, ascending.
    convenience init(_ values: Tensor) throws {
        try self.init(values.device, capacity: 2 * values.elementCount)
        count = values.elementCount
        try list.change(reading: [values.view]) {
            backend.copy(values.view, to: list.sliced(axis: 0, 1..<1 + count))
        }
    }

    var values: Tensor? {
        guard count > 0 else { return nil }
        let list = list.sliced(axis: 0, 1..<1 + count)
        return Tensor.make([count], list.dtype, Device(backend: backend)) { $0.copy(list, to: $1) }
    }

    /// - Parameter value: one element; NaN counts as +∞.
    func insert(_ value: Tensor) throws {
        if count + 2 >= list.elementCount { try grow() }
        let number = Tensor.select(
            value.isFinite().cast(to: .uint8), value, Tensor(.infinity, device: value.device))
        let shape: Shape = [count + 1]
        let out = next.sliced(axis: 0, 1..<2 + count)
        try next.change(reading: [list, number.view]) {
            backend.binary(
                .init(.maximum), list.sliced(axis: 0, 0..<1 + count), number.view.broadcast(to: shape), out: out)
            backend.binary(.init(.minimum), out, list.sliced(axis: 0, 1..<2 + count), out: out)
        }
        swap(&list, &next)
        count += 1
    }

    /// The value that `percent` of the list lie below, between two of them by a straight line, as NumPy has it.
    func percentile(_ percent: Double) throws -> Tensor {
        let place = Double(count - 1) * percent / 100
        let lower = Int(place)
        let share = place - Double(lower)
        func element(_ index: Int) -> Tensor { Tensor(list.sliced(axis: 0, 1 + index..<2 + index).reshaped([])) }
        // Two products, not a difference: +∞ - ∞ would be NaN.
        return share == 0 ? element(lower) * 1 : element(lower) * (1 - share) + element(lower + 1) * share
    }

    private func grow() throws {
        let larger = try NormHistory.empty(2 * list.elementCount, backend)
        try larger.change(reading: [list]) {
            backend.copy(list, to: larger.sliced(axis: 0, 0..<list.elementCount))
        }
        next = try NormHistory.empty(larger.elementCount, backend)
        list = larger
    }

    private static func empty(_ count: Int, _ backend: any Backend) throws -> TensorView {
        let view = try backend.allocate([count])
        try view.change {
            backend.fill(view, with: .infinity)
            backend.fill(view.sliced(axis: 0, 0..<1), with: -.infinity)
        }
        return view
    }
}
