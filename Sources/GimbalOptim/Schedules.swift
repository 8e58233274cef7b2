import Foundation

/// The learning rate as a function of the optimizer steps taken, so that a resumed run needs only its step count.
///
/// ```swift
/// let schedule = Schedule.cosine(steps: 10_000).warmedUp(steps: 500)
/// optimizer.learningRate = base * schedule.factor(at: step)
/// ```
public struct Schedule: Sendable {
    /// As the command line spells it.
    public let name: String
    private let body: @Sendable (Int) -> Double

    public init(_ name: String, _ body: @escaping @Sendable (_ step: Int) -> Double) {
        self.name = name
        self.body = body
    }

    /// What to multiply the base rate by after `step` steps.
    public func factor(at step: Int) -> Double { body(step) }

    public static let constant = Schedule("constant") { _ in 1 }

    /// Multiplies the rate by `gamma` every `size` steps, as PyTorch's `StepLR`.
    public static func step(size: Int, gamma: Double = 0.1) -> Schedule {
        require(size > 0, "Schedule.step", "the size must be positive, not \(size)")
        return Schedule("step") { pow(gamma, Double($0 / size)) }
    }

    /// Half a cosine from 1 down to `minimum` in `steps` steps, and then `minimum` (Loshchilov and Hutter 2017,
    /// equation 5).
    public static func cosine(steps: Int, minimum: Double = 0) -> Schedule {
        require(steps > 0, "Schedule.cosine", "the number of steps must be positive, not \(steps)")
        return Schedule("cosine") { step in
            let progress = min(1, Double(step) / Double(steps))
            return minimum + (1 - minimum) * (1 + cos(.pi * progress)) / 2
        }
    }

    /// Rises in a straight line from `start` to 1 over the first `steps` steps, and then follows this schedule from its
    /// beginning (Goyal et al. 2017, section 2.2).
    public func warmedUp(steps: Int, from start: Double = 0) -> Schedule {
        require(steps >= 0, "Schedule.warmedUp", "the number of steps must not be negative, not \(steps)")
        return Schedule("warmup, " + name) { step in
            step < steps ? start + (1 - start) * Double(step) / Double(steps) : body(step - steps)
        }
    }
}
