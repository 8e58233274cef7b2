/// What `initializeLSUV` did to one layer.
public struct UnitVarianceStep: Sendable {
    /// The name of the weight that was scaled.
    public let parameter: String
    /// The variance of the layer's outputs on the batch, before and after the scaling.
    public let variance: (before: Double, after: Double)
    /// How often the weight was scaled.
    public let scalings: Int
}

extension Layer where Input == Tensor {
    /// Layer-sequential unit-variance initialization (Mishkin and Matas 2016, algorithm 1): weights become orthogonal,
    /// and then, from the first layer to the last, are scaled until the layer's outputs on `batch` have variance 1.
    ///
    /// It sees every layer that the model calls, and scales those with a `weight` of two axes or more. The device is
    /// waited for, once or more per layer.
    /// - Parameters:
    ///   - batch: inputs such as the model will be trained on; a few hundred samples will do.
    ///   - tolerance: a layer is done when |variance - 1| lies below it.
    ///   - maximumScalings: the most scalings of a layer. One is enough where the output is linear in the weight and
    ///     there is no bias.
    ///   - isOrthogonal: whether weights become orthogonal first; without, they are scaled as they are.
    ///   - generator: draws the orthogonal weights.
    /// - Returns: what was done, in the order of the layers.
    /// - Throws: the first failure of the device.
    @discardableResult
    public func initializeLSUV(
        _ batch: Tensor, tolerance: Double = 0.1, maximumScalings: Int = 10, isOrthogonal: Bool = true,
        generator: RandomGenerator = .current
    ) throws -> [UnitVarianceStep] {
        _ = parameters  // So that each has its name.
        var steps: [UnitVarianceStep] = []
        var failure: (any Error)?
        var seen: Set<ObjectIdentifier> = []
        func scale(_ call: LayerCall) {
            guard failure == nil, let weight = call.module.ownWeight,
                seen.insert(ObjectIdentifier(weight)).inserted
            else { return }
            if isOrthogonal {
                weight.assign(
                    Initializer.orthogonal().make(weight.shape, generator: generator, device: weight.device))
                call.repeatForward()
            }
            do {
                var variance = try call.variance()
                let before = variance
                var scalings = 0
                while abs(variance - 1) >= tolerance, scalings < maximumScalings, variance > 0, variance.isFinite {
                    weight.assign(weight.value.detached() / variance.squareRoot())
                    call.repeatForward()
                    variance = try call.variance()
                    scalings += 1
                }
                steps.append(
                    UnitVarianceStep(parameter: weight.name, variance: (before, variance), scalings: scalings))
            } catch {
                failure = error
            }
        }
        withoutGradients {
            // Neither gradients nor running statistics are to notice.
            GradientMode.$isRecomputing.withValue(true) {
                withObserver(after: scale) { _ = self(batch.detached()) }
            }
        }
        if let failure { throw failure }
        return steps
    }
}

extension LayerCall {
    /// Of the elements of the first tensor of the output. Waits for the device.
    fileprivate func variance() throws -> Double { try Double(outputs[0].variance().item()) }
}

extension Module {
    /// The module's own `weight`, not one of a module inside, if it has two axes or more.
    fileprivate var ownWeight: Parameter? {
        for case .parameter("weight", let parameter) in parts where parameter.shape.rank >= 2 { return parameter }
        return nil
    }
}
