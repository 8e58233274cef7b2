/// A batch on a device, as a training step takes it.
public struct Batch {
    /// The inputs, [count, …the shape of one input].
    public let inputs: Tensor
    /// What is to be predicted: int32 [count] of classes, or [count, width] of values.
    public let targets: Tensor
    /// The classes of `targets` on the host, where nothing need be waited for; nil where they are no classes.
    var hostClasses: [Int32]?
    /// Number of examples.
    public var count: Int { inputs.shape[0] }

    /// A batch of inputs, [count, …the shape of one input], and what is to be predicted for them.
    public init(inputs: Tensor, targets: Tensor) {
        self.init(inputs: inputs, targets: targets, hostClasses: nil)
    }

    init(inputs: Tensor, targets: Tensor, hostClasses: [Int32]?) {
        self.inputs = inputs
        self.targets = targets
        self.hostClasses = hostClasses
    }
}

extension HostBatch {
    /// Copies the batch to `device`.
    public func to(_ device: Device) -> Batch {
        let inputs = Tensor(inputs, inputShape, device: device)
        return switch targets {
        case .classes(let classes):
            Batch(inputs: inputs, targets: Tensor(classes, device: device), hostClasses: classes)
        case .values(let values, let shape):
            Batch(inputs: inputs, targets: Tensor(values, shape, device: device))
        }
    }
}

extension Dataset {
    /// All examples as one batch on `device`, in their order.
    ///
    /// ```swift
    /// let all = test.batch(on: .current)
    /// let correct = try (model(all.inputs).argMax() .== all.targets).mean().item()
    /// ```
    public func batch(on device: Device) -> Batch { batch([Int](0..<count)).to(device) }
}
