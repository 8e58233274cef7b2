import GimbalBackend

extension Tensor {
    /// Writes other elements in the place of a part of this tensor's, which everything that shares its memory sees.
    ///
    /// For what is kept from one call to the next. No gradient goes through it, and a backward pass that needs what was
    /// there stops.
    /// - Parameters:
    ///   - part: of this tensor's shape but for `axis`, and of its dtype.
    ///   - start: where along the axis it begins; it ends within.
    ///   - axis: counted from the first.
    package func write(_ part: Tensor, at start: Int, axis: Int) {
        var wanted = shape
        wanted[axis] = part.shape[axis]
        require(
            part.shape == wanted && part.dtype == dtype && start >= 0 && start + wanted[axis] <= shape[axis], "write",
            "\(part.dtype) \(part.shape) does not fit into \(dtype) \(shape) from \(start) on along axis \(axis)")
        let place = view.sliced(axis: axis, start..<start + wanted[axis])
        place.written(anew: false, of: [part.view]) { backend.copy(part.view, to: place) }
        place.noteChange(by: "write")
    }
}
