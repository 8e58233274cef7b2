/// A batch on a device, as a training step takes it.
public struct Batch {
    /// The inputs, [count, …the shape of one input].
    public let inputs: Tensor
    /// What is to be predicted: int32 [count] of classes, [count, width] of values, or int32 [count · width] of tokens.
    public let targets: Tensor
    /// What `targets` holds, on the host, where nothing need be waited for; nil where a program gave the tensors.
    var hostTargets: HostBatch.Targets?
    /// Number of examples.
    public var count: Int { inputs.shape[0] }

    /// A batch of inputs, [count, …the shape of one input], and what is to be predicted for them.
    public init(inputs: Tensor, targets: Tensor) {
        self.init(inputs: inputs, targets: targets, hostTargets: nil)
    }

    init(inputs: Tensor, targets: Tensor, hostTargets: HostBatch.Targets?) {
        self.inputs = inputs
        self.targets = targets
        self.hostTargets = hostTargets
    }
}

extension HostBatch {
    /// Copies the batch to `device`.
    public func to(_ device: Device) -> Batch {
        let targets =
            switch targets {
            case .classes(let classes): Tensor(classes, device: device)
            case .values(let values, let shape): Tensor(values, shape, device: device)
            case .tokens(let tokens, _): Tensor(tokens, device: device)
            }
        return Batch(
            inputs: tokens.isEmpty
                ? Tensor(inputs, inputShape, device: device) : Tensor(tokens, inputShape, device: device),
            targets: targets, hostTargets: self.targets)
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

/// Of a number of samples. A batch may be as large as a number can be.
extension Int {
    /// Batches of `size` that so many samples make; the last may be smaller.
    func batches(of size: Int) -> Int { self / size + (self % size == 0 ? 0 : 1) }

    /// The places of the samples of a batch, counted from 0.
    func places(ofBatch number: Int, of size: Int) -> Range<Int> {
        number * size..<end(ofBatchFrom: number * size, of: size)
    }

    /// Behind the samples of a batch that begins at `start`, in 0...self.
    func end(ofBatchFrom start: Int, of size: Int) -> Int { start + Swift.min(size, self - start) }
}
