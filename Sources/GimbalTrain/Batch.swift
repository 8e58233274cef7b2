/// A batch on a device, as a training step takes it.
public struct Batch {
    /// [count, ...].
    public let inputs: Tensor
    /// int32 [count] of classes, or [count, width] of values.
    public let targets: Tensor
    public var count: Int { inputs.shape[0] }
}

extension HostBatch {
    /// Copies the batch to `device`.
    public func to(_ device: Device = .current) -> Batch {
        let inputs = Tensor(inputs, inputShape, device: device)
        return switch targets {
        case .classes(let classes): Batch(inputs: inputs, targets: Tensor(classes, device: device))
        case .values(let values, let shape): Batch(inputs: inputs, targets: Tensor(values, shape, device: device))
        }
    }
}
