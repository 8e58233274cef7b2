// Moving a model, in place, to another device or another type.

extension Module {
    /// Moves parameters with their gradients, and buffers, to `device`. Waits for both devices.
    ///
    /// An optimizer made before must be made anew: its moments stay where they are.
    /// - Returns: this module.
    /// - Throws: `GimbalError.outOfMemory` and what else the devices report; parameters moved so far stay moved.
    @discardableResult
    public func to(_ device: Device) throws -> Self {
        try replaceTensors { try $0.to(device) }
        return self
    }

    /// Converts parameters with their gradients, and buffers of real numbers, to `dtype`, which is a type of real numbers.
    ///
    /// Training in less than float32 wants float32 weights; `withPrecision` keeps them and rounds what products read.
    /// An optimizer made before must be made anew.
    /// - Returns: this module.
    @discardableResult
    public func to(_ dtype: DType) -> Self {
        require(dtype.isFloatingPoint, "to", "\(dtype) is no type for weights")
        replaceTensors { $0.dtype.isFloatingPoint ? $0.cast(to: dtype) : $0 }
        return self
    }

    private func replaceTensors(_ change: (Tensor) throws -> Tensor) rethrows {
        for parameter in parameters { try parameter.replaceTensors(change) }
        var seen: Set<ObjectIdentifier> = []
        for case .buffer(_, let buffer) in tree.parts.map(\.part) where seen.insert(ObjectIdentifier(buffer)).inserted {
            buffer.replace(with: try change(buffer.value))
        }
    }
}
