import Foundation

// First values that make every residual block hand on its input, so that a net of any depth begins as a shallow one.

extension Module {
    /// Sets to 0 the last weight of each `Residual`'s body and the bias beside it: of a batch normalisation that is γ
    /// and β (Goyal et al. 2017), of another layer what Fixup does (Zhang et al. 2019).
    /// - Returns: the names of what was set.
    @discardableResult
    public func zeroResidualBranches() -> [String] {
        assignLastOfBranches { Tensor.zeros($0.shape, device: $0.device) }
    }

    /// Multiplies the last weight of each of L `Residual` bodies, and the bias beside it, by L^(-1/2), so that what all of
    /// them add is as large as one of them, and neither signal nor gradient grows with depth (Hayou et al. 2021, "Stable
    /// ResNet", uniform scaling). Unlike a branch that begins as 0, one that ends with a rectifier still learns.
    /// - Returns: the names of what was scaled.
    @discardableResult
    public func scaleResidualBranches() -> [String] {
        let factor = pow(Double(residuals.count), -0.5)
        return assignLastOfBranches { $0.value * factor }
    }

    /// Fixup initialization for nets without normalisation (Zhang et al. 2019, section 4): in each of L `Residual`
    /// bodies, m weights are drawn as He et al. 2015 have it and scaled by L^(-1 / (2m - 2)), save for the last, which
    /// is 0. Biases inside bodies become 0; everything else is left as it is.
    /// - Returns: the names of the weights that were scaled and of those set to 0.
    @discardableResult
    public func initializeFixup(generator: RandomGenerator = .current) -> (scaled: [String], zero: [String]) {
        let residuals = residuals
        var (scaled, zero): ([Parameter], [Parameter]) = ([], [])
        for residual in residuals {
            let inner = residual.body.parameters
            let weights = inner.filter { $0.shape.rank >= 2 }
            for bias in inner where bias.shape.rank == 1 && bias.name.hasSuffix("bias") {
                bias.assign(Tensor.zeros(bias.shape, device: bias.device))
            }
            for weight in weights.dropLast() {
                let drawn = Initializer.heNormal().make(weight.shape, generator: generator, device: weight.device)
                weight.assign(drawn * pow(Double(residuals.count), -1 / Double(2 * weights.count - 2)))
                scaled.append(weight)
            }
            if let last = weights.last {
                last.assign(Tensor.zeros(last.shape, device: last.device))
                zero.append(last)
            }
        }
        _ = parameters
        return (scaled.map(\.name), zero.map(\.name))
    }

    /// Gives the last weight of each `Residual`'s body, and the bias beside it, another value.
    /// - Returns: their names.
    private func assignLastOfBranches(_ value: (Parameter) -> Tensor) -> [String] {
        let last = residuals.compactMap(\.body.weightedModules.last).flatMap(\.ownParameters)
        for parameter in last { parameter.assign(value(parameter)) }
        _ = parameters  // Names as this model spells them.
        return last.map(\.name)
    }

    private var residuals: [Residual] { modules.compactMap { $0 as? Residual } }

    /// Modules with a weight that what they give out is proportional to, in order: the slope of a PReLU is none.
    fileprivate var weightedModules: [Module] {
        modules.filter { module in
            !(module is PReLU)
                && module.parts.contains { part in
                    if case .parameter("weight", _) = part { true } else { false }
                }
        }
    }

    fileprivate var ownParameters: [Parameter] {
        parts.compactMap { part in
            if case .parameter(_, let parameter) = part { parameter } else { nil }
        }
    }
}
