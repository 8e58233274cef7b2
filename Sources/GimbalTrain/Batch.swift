/// A batch on a device, as a training step takes it.
public struct Batch {
    /// The inputs, [count, …the shape of one input].
    public let inputs: Tensor
    /// What is to be predicted: int32 [count] of classes, or [count, width] of values.
    public let targets: Tensor
    /// Number of examples.
    public var count: Int { inputs.shape[0] }
}

extension DataLoader {
    /// The batches of an epoch, each copied to `device` when its turn comes.
    ///
    /// ```swift
    /// for batch in loader.batches(epoch: 0, on: .current) { print(batch.inputs.shape) }
    /// ```
    /// - Parameters:
    ///   - epoch: counted from 0.
    ///   - first: the batch to begin at, in 0...batchCount.
    ///   - device: where the batches are to be.
    public func batches(
        epoch: Int, from first: Int = 0, on device: Device
    ) -> LazyMapSequence<Batches, Batch> {
        batches(epoch: epoch, from: first).lazy.map { $0.to(device) }
    }
}

extension HostBatch {
    /// Copies the batch to `device`.
    public func to(_ device: Device) -> Batch {
        let inputs = Tensor(inputs, inputShape, device: device)
        return switch targets {
        case .classes(let classes): Batch(inputs: inputs, targets: Tensor(classes, device: device))
        case .values(let values, let shape): Batch(inputs: inputs, targets: Tensor(values, shape, device: device))
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
