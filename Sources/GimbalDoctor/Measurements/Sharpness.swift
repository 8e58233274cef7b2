import Foundation

/// The curvature of a loss along its steepest direction, and what it allows.
public struct Sharpness: Codable, Sendable, Equatable {
    /// The largest eigenvalue of the Hessian that was found, λ.
    public var eigenvalue: Double
    /// The largest learning rate that the optimizer is stable at where the loss is a parabola: 2 / λ for plain steps,
    /// (2 + 2β) / λ with momentum β (Cohen et al. 2021, equation 1); nil for optimizers that scale each element.
    public var largestRate: Double?
}

extension Sharpness {
    /// Power iteration on products of the Hessian with a vector, which differences of gradients give; it starts from the
    /// gradient, so that the same model gives the same number. Weights are put back afterwards.
    ///
    /// ```swift
    /// let sharpness = try Sharpness.measure(model, optimizer) { crossEntropy(model(x), y) }
    /// ```
    /// - Parameters:
    ///   - model: whose parameters the loss depends on.
    ///   - optimizer: over the parameters that count, and for which the largest rate is told.
    ///   - iterations: at the most; it ends when the eigenvalue changes by less than a fiftieth.
    ///   - loss: of the same batch each time.
    /// - Returns: nil where there is no gradient, or the loss bends downwards.
    /// - Throws: the first failure of the device; what `loss` throws.
    public static func measure(
        _ model: Module, _ optimizer: any Optimizer, iterations: Int = 12, loss: () throws -> Tensor
    ) throws -> Sharpness? {
        let parameters = optimizer.parameters.filter(\.isTrainable)
        guard !parameters.isEmpty else { return nil }
        func gradients() throws -> [Tensor]? {
            let value = try loss()
            guard value.requiresGradient else { return nil }
            return try gradient(of: value, withRespectTo: parameters.map(\.value), unused: .zeros)
        }
        func product(_ a: [Tensor], _ b: [Tensor]) throws -> Double {
            try zip(a, b).reduce(0) { try $0 + Double(($1.0 * $1.1).sum().item()) }
        }
        return try restoring(model, nil) {
            let generator = RandomGenerator.current
            let random = generator.state
            let start = parameters.map { $0.value.detached() * 1 }
            // Small beside the weights, large beside what float32 rounds.
            let distance = try 1e-3 * max(1, product(start, start).squareRoot())
            guard var direction = try gradients() else { return nil }
            var eigenvalue: Double?
            for _ in 0..<iterations {
                let norm = try product(direction, direction).squareRoot()
                guard norm > 0, norm.isFinite else { return nil }
                direction = direction.map { $0 * (1 / norm) }
                var ends: [[Tensor]] = []
                for sign in [1.0, -1.0] {
                    for (parameter, (start, direction)) in zip(parameters, zip(start, direction)) {
                        parameter.assign(start + direction * (sign * distance))
                    }
                    // The same dropout at both ends.
                    generator.state = random
                    guard let found = try gradients() else { return nil }
                    ends.append(found)
                }
                let image = zip(ends[0], ends[1]).map { ($0 - $1) * (0.5 / distance) }
                let found = try product(direction, image)
                guard found.isFinite else { return nil }
                if let before = eigenvalue, abs(found - before) < 0.02 * abs(found) {
                    eigenvalue = found
                    break
                }
                (eigenvalue, direction) = (found, image)
            }
            guard let eigenvalue, eigenvalue > 0 else { return nil }
            let rate = (optimizer as? SGD).map { (2 + 2 * $0.momentum) / eigenvalue }
            return Sharpness(eigenvalue: eigenvalue, largestRate: rate)
        }
    }
}
