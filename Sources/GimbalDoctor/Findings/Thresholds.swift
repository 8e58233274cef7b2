/// From where on something counts as a sign or a cause. Each may be changed; what is set has its reason beside it.
public struct Thresholds: Codable, Sendable, Equatable {
    /// The factor by which signal or gradient may shrink over all layers. What is left of a thousand is what plain nets of
    /// five to ten layers with the usual first weights have, and they train.
    public var vanishing = 1e-3
    /// The factor by which signal or gradient may grow over all layers.
    public var exploding = 1e3
    /// The share of a layer's units that may be off for a whole batch. A ReLU unit that centred weights feed is off for half
    /// of the samples; for all of a large batch, hardly any.
    public var deadShare = 0.5
    /// The share of a layer's elements that may be saturated.
    public var saturatedShare = 0.5
    /// By how many times the first loss may exceed that of a guess.
    public var firstLoss = 4.0
    /// How far from 1 the deviation of inputs may be, in both directions. Standardised data has 1, pixels in 0...1 about
    /// 0.3, pixels in 0...255 about 80.
    public var inputScale = 20.0
    /// How many times the deviation of one input feature may be that of another.
    public var featureRatio = 1e3
    /// The root mean square of a regression's targets, where a new model's outputs are about 1 at the most.
    public var targetScale = 10.0
    /// How far the weights' gain may be from what the activation function behind asks for, in both directions, where a sign
    /// asks for a cause.
    public var gain = 1.5
    /// A gain so far off is a cause by itself.
    public var extremeGain = 20.0
    /// How often the gradient of an early time step may be smaller than that of the last.
    public var vanishingInTime = 1e-6
    /// How often it may be larger.
    public var explodingInTime = 1e4

    /// What the doctor uses unless told otherwise.
    public init() {}
}
