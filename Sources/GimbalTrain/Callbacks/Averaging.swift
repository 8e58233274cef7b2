extension ExponentialMovingAverage {
    /// An average of all parameters and all buffers of real numbers of a model.
    public convenience init(_ model: Module, decay: Double = 0.999, warmsUp: Bool = false) {
        let buffers = model.stateParts.compactMap { path, part -> (name: String, value: Tensor)? in
            guard case .buffer(_, let buffer) = part, buffer.value.dtype.isFloatingPoint else { return nil }
            return (path, buffer.value)
        }
        self.init(model.parameters, buffers: buffers, decay: decay, warmsUp: warmsUp)
    }
}
