// Dropping more than single elements: whole channels, whose neighbouring elements tell the same (Tompson et al. 2015),
// or whole branches of a residual network (Huang et al. 2016).

/// Drops whole channels of [batch, channels, axes...] at random in training, each scaled by 1 / (1 - probability) if
/// kept; also called spatial dropout. `Dropout1d`, `Dropout2d` and `Dropout3d` fix the axes.
public class ChannelDropout: Module, Layer {
    /// The probability of dropping a channel, in [0, 1].
    public let probability: Double
    private let generator: RandomGenerator?
    private let axes: Int

    fileprivate init(axes: Int, _ probability: Double, _ generator: RandomGenerator?) {
        require((0...1).contains(probability), "ChannelDropout", "a probability in [0, 1], not \(probability)")
        self.axes = axes
        self.probability = probability
        self.generator = generator
    }

    public func forward(_ input: Tensor) -> Tensor {
        require(
            input.rank == axes + 2, "\(type(of: self))",
            "needs [batch, channels, and \(axes) axes], not \(input.shape)")
        return isTraining ? input.dropping(probability, keptAxes: [0, 1], generator) : input
    }

    public override var signature: String { "\(type(of: self))(\(probability))" }
}

/// Drops whole channels of [batch, channels, length].
public final class Dropout1d: ChannelDropout {
    /// Drops each channel with this probability, in [0, 1]. Without a generator, it draws from the one that is current
    /// when the layer is called.
    public init(_ probability: Double = 0.5, generator: RandomGenerator? = nil) {
        super.init(axes: 1, probability, generator)
    }
}

/// Drops whole channels of [batch, channels, height, width].
public final class Dropout2d: ChannelDropout {
    /// Drops each channel with this probability, in [0, 1]. Without a generator, it draws from the one that is current
    /// when the layer is called.
    public init(_ probability: Double = 0.5, generator: RandomGenerator? = nil) {
        super.init(axes: 2, probability, generator)
    }
}

/// Drops whole channels of [batch, channels, depth, height, width].
public final class Dropout3d: ChannelDropout {
    /// Drops each channel with this probability, in [0, 1]. Without a generator, it draws from the one that is current
    /// when the layer is called.
    public init(_ probability: Double = 0.5, generator: RandomGenerator? = nil) {
        super.init(axes: 3, probability, generator)
    }
}

/// Drops the whole of its input at random in training, so that of a residual block only the shortcut remains
/// (Huang et al. 2016). What is kept is scaled by 1 / (1 - probability), so that evaluation needs no scaling.
public final class StochasticDepth: Module, Layer {
    /// What is dropped together.
    public enum Mode: String, Sendable, CaseIterable {
        /// The whole batch.
        case batch
        /// Each example by itself.
        case row
    }

    /// The probability of dropping, in [0, 1].
    public let probability: Double
    /// What is dropped together: each example by itself, or the whole batch.
    public let mode: Mode
    private let generator: RandomGenerator?

    /// - Parameters:
    ///   - probability: that of dropping, in [0, 1].
    ///   - mode: what is dropped together.
    ///   - generator: what to draw from; nil for the one that is current when the layer is called.
    public init(_ probability: Double, mode: Mode = .row, generator: RandomGenerator? = nil) {
        require((0...1).contains(probability), "StochasticDepth", "a probability in [0, 1], not \(probability)")
        self.probability = probability
        self.mode = mode
        self.generator = generator
    }

    public func forward(_ input: Tensor) -> Tensor {
        isTraining ? input.dropping(probability, keptAxes: mode == .row ? [0] : [], generator) : input
    }

    public override var signature: String { "StochasticDepth(\(probability), mode: .\(mode.rawValue))" }
}

extension Tensor {
    /// Drops or keeps all elements together that share their place on `keptAxes`.
    fileprivate func dropping(_ probability: Double, keptAxes: [Int], _ generator: RandomGenerator?) -> Tensor {
        if probability == 0 { return self }
        if probability == 1 { return self * 0 }
        let unit = shape.reducing(shape.indices.filter { !keptAxes.contains($0) })
        let ones = Tensor(repeating: 1, unit, dtype: dtype, device: device)
        return self
            * ones.droppedOut(
                probability: probability, batchAxis: keptAxes.contains(0) ? 0 : nil, generator: generator ?? .current)
    }
}
