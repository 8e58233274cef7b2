/// Keeps the gradients of float16 within its range, whose least value is 6e-8: the loss is multiplied by a scale before
/// `backward()`, and the gradients are divided by it after (Micikevicius et al. 2018, section 3.2).
///
/// ```swift
/// let scaler = LossScaler()
/// let loss = withPrecision(.float16) { crossEntropy(model(x), targets) }
/// try scaler.scaled(loss).backward()
/// let isFinite = try scaler.unscale(optimizer.parameters)
/// try clipGradientNorm(optimizer.parameters, maxNorm: 1)
/// try optimizer.step(if: isFinite)
/// try scaler.update(isFinite)
/// ```
/// A scale that makes a gradient overflow costs that step, which is left out, and is halved; after many good steps in a
/// row it is doubled. The rules and the settings are those of PyTorch's `GradScaler`. The scale stays on the device:
/// the host never waits for it.
public final class LossScaler {
    /// What the scale is multiplied by after `growthInterval` good steps in a row.
    public let growthFactor: Double
    /// What the scale is multiplied by where a gradient has overflowed.
    public let backoffFactor: Double
    /// Good steps in a row before the scale grows.
    public let growthInterval: Int
    /// Scale, good steps in a row, and steps left out so far, [3].
    private let held: Tensor

    /// A scaler with PyTorch's defaults. `initialScale` and `growthInterval` are positive, `growthFactor` is above 1,
    /// `backoffFactor` in (0, 1).
    public init(
        initialScale: Double = 65536, growthFactor: Double = 2, backoffFactor: Double = 0.5,
        growthInterval: Int = 2000, device: Device = .current
    ) {
        require(
            initialScale > 0 && growthFactor > 1 && backoffFactor > 0 && backoffFactor < 1 && growthInterval > 0,
            "LossScaler",
            "a positive scale and interval, a growth above 1 and a backoff in (0, 1), not \(initialScale), "
                + "\(growthInterval), \(growthFactor) and \(backoffFactor)")
        self.growthFactor = growthFactor
        self.backoffFactor = backoffFactor
        self.growthInterval = growthInterval
        held = Tensor([initialScale, 0, 0], device: device)
    }

    /// The loss to call `backward()` on.
    public func scaled(_ loss: Tensor) -> Tensor { loss * scale }

    /// What the loss is multiplied by, on the device.
    public var scale: Tensor { held.selecting(0) }

    /// Divides the gradients held now by the scale; those that overflowed become 0.
    /// - Returns: 1 on the device where all of them were finite, else 0: for `Optimizer.step(if:)` and `update`.
    /// - Throws: the first failure of the device since it was last waited for.
    public func unscale(_ parameters: [Parameter]) throws -> Tensor {
        let views = ParameterRun.withGradients(parameters).map(\.gradients)
        let scale = scale
        let condition = Tensor(try held.backend.allocate([], held.dtype))
        try views.change(reading: [scale.view]) {
            held.backend.unscale(views, scale: scale.view, condition: condition.view)
        }
        try held.backend.errors.throwIfSet()
        return condition
    }

    /// Takes note of how a step went: once for each.
    /// - Parameter isFinite: what `unscale` gave.
    /// - Throws: the first failure of the device since it was last waited for.
    public func update(_ isFinite: Tensor) throws {
        try held.view.change(reading: [isFinite.view]) {
            held.backend.updateLossScale(
                held.view, condition: isFinite.view, growth: growthFactor, backoff: backoffFactor,
                interval: growthInterval)
        }
        try held.backend.errors.throwIfSet()
    }

    // MARK: State

    /// Where a scaler stands: its scale, and how steps went.
    public struct Counters: Sendable, Equatable {
        /// What the loss is multiplied by.
        public var scale: Double
        /// Steps in a row without an overflow since the scale last changed.
        public var goodSteps: Int
        /// Steps left out since the scaler was made.
        public var skippedSteps: Int

        /// Counters of these values, as `counters()` gives them.
        public init(scale: Double, goodSteps: Int, skippedSteps: Int) {
            self.scale = scale
            self.goodSteps = goodSteps
            self.skippedSteps = skippedSteps
        }
    }

    /// Where the scaler stands. Waits for the device.
    /// - Throws: the first failure of the device since it was last waited for.
    public func counters() throws -> Counters {
        let values = try held.doubles()
        return Counters(scale: values[0], goodSteps: Int(values[1]), skippedSteps: Int(values[2]))
    }

    /// What must be saved for a run to go on with the same bits: scale, good steps and steps left out, [3].
    public var state: Tensor {
        Tensor.make([3], held.dtype, held.device, inputs: [held]) { $0.copy(held.view, to: $1) }
    }

    /// Takes up a saved state.
    public func restore(_ state: Tensor) {
        require(state.shape == [3], "LossScaler", "a state of \(state.shape), where [3] is needed")
        held.view.take(state.view)
    }
}
