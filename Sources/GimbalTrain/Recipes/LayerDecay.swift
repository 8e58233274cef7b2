import Gimbal
import GimbalNN
import GimbalOptim

/// The weight decay of some parameters.
///
/// ```swift
/// var training = TrainingSettings()
/// training.weightDecay = 1e-4
/// training.layerDecays = [LayerDecay("0.*", 0), LayerDecay("*.weight", 10)]
/// ```
public struct LayerDecay: Codable, Sendable, Equatable {
    /// Of names in the model, as `NamePattern` reads it.
    public var pattern: String
    /// What the weight decay is multiplied by.
    public var factor: Double

    /// A decay of `factor` times the optimizer's for parameters whose name fits `pattern`.
    public init(_ pattern: String, _ factor: Double) { (self.pattern, self.factor) = (pattern, factor) }

    /// - Throws: `GimbalError.invalidSetting`.
    func validate() throws {
        try checkSetting(
            factor >= 0 && factor.isFinite, "layerDecays",
            "the factor of '\(shown(pattern))' must not be negative, not \(factor)")
    }
}

extension [LayerDecay] {
    /// `groups` with the decays of their parameters, the first that fits.
    /// - Parameter decay: that of groups which have none of their own.
    func applied(to groups: [ParameterGroup], decay: Double) -> [ParameterGroup] {
        let rules = map { (NamePattern($0.pattern), 1.0, Optional($0.factor)) }
        return groups.flatMap { group in
            let own = group.weightDecay ?? decay
            return ParameterGroup.matching(rules, in: group.parameters).map { part in
                ParameterGroup(
                    part.parameters, learningRateScale: group.learningRateScale,
                    weightDecay: part.weightDecay.map { $0 * own } ?? group.weightDecay)
            }
        }
    }

    /// - Throws: `GimbalError.invalidSetting` for a pattern that fits no parameter.
    func requireFit(_ model: some Module) throws {
        for decay in self { try requireParameter(decay.pattern, in: model, name: "layerDecays") }
    }
}

/// - Parameter name: of the setting that has the pattern.
/// - Throws: `GimbalError.invalidSetting` for a pattern that fits no parameter of the model.
func requireParameter(_ pattern: String, in model: some Module, name: String) throws {
    let names = model.namedParameters.map(\.name)
    guard !names.contains(where: NamePattern(pattern).matches) else { return }
    throw GimbalError.invalidSetting(
        name: name, reason: "'\(shown(pattern))' fits no parameter; there are \(listed(names))")
}
