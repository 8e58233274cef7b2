import Foundation

/// The learning rate as a function of the optimizer steps taken, so that a resumed run needs only its step count.
///
/// ```swift
/// let schedule = Schedule.cosine(steps: 10_000).warmedUp(steps: 500)
/// optimizer.learningRate = 0.1 * schedule.factor(at: step)
/// ```
/// Parameter groups follow the optimizer's rate in proportion. Where PyTorch speaks of rates, such as `eta_min`, these
/// functions speak of factors of the base rate.
public struct Schedule: Sendable {
    /// What the schedule is called, as the command line spells it.
    public let name: String
    private let body: @Sendable (Int) -> Double

    /// A schedule of one's own: `body` gives what to multiply the base rate by after `step` steps.
    public init(_ name: String, _ body: @escaping @Sendable (_ step: Int) -> Double) {
        self.name = name
        self.body = body
    }

    /// What to multiply the base rate by after `step` steps.
    public func factor(at step: Int) -> Double { body(step) }

    // MARK: Falling

    /// The base rate throughout.
    public static let constant = Schedule("constant") { _ in 1 }

    /// A straight line from one factor to another in `steps` steps, then level, as PyTorch's `LinearLR`.
    public static func linear(from start: Double, to end: Double, steps: Int) -> Schedule {
        requirePositive(steps, "Schedule.linear")
        return Schedule("linear") { start + (end - start) * Double(min($0, steps)) / Double(steps) }
    }

    /// Multiplies the rate by `gamma` every `size` steps, as PyTorch's `StepLR`.
    public static func step(size: Int, gamma: Double = 0.1) -> Schedule {
        require(size > 0, "Schedule.step", "the size must be positive, not \(size)")
        return Schedule("step") { pow(gamma, Double($0 / size)) }
    }

    /// Multiplies the rate by `gamma` at each of `milestones`, as PyTorch's `MultiStepLR`.
    public static func multiStep(milestones: [Int], gamma: Double = 0.1) -> Schedule {
        Schedule("multi-step") { step in pow(gamma, Double(milestones.count { $0 <= step })) }
    }

    /// Multiplies the rate by `gamma` at every step, as PyTorch's `ExponentialLR`.
    public static func exponential(gamma: Double) -> Schedule {
        require(gamma >= 0, "Schedule.exponential", "gamma must not be negative, not \(gamma)")
        return Schedule("exponential") { pow(gamma, Double($0)) }
    }

    /// (1 - step / steps)^power, then 0, as PyTorch's `PolynomialLR`.
    public static func polynomial(steps: Int, power: Double = 1) -> Schedule {
        requirePositive(steps, "Schedule.polynomial")
        return Schedule("polynomial") { pow(1 - Double(min($0, steps)) / Double(steps), power) }
    }

    /// Half a cosine from 1 down to `minimum` in `steps` steps, and then `minimum` (Loshchilov and Hutter 2017,
    /// equation 5).
    public static func cosine(steps: Int, minimum: Double = 0) -> Schedule {
        requirePositive(steps, "Schedule.cosine")
        return Schedule("cosine") { fallingCosine(min(1, Double($0) / Double(steps)), to: minimum) }
    }

    /// √(warmup) · min(t^-½, t · warmup^-1.5) with t = step + 1: a straight rise to 1 in `warmup` steps, then the
    /// inverse square root (Vaswani et al. 2017, equation 3, scaled to a peak of 1).
    public static func inverseSquareRoot(warmup: Int) -> Schedule {
        requirePositive(warmup, "Schedule.inverseSquareRoot")
        let scale = Double(warmup).squareRoot()
        return Schedule("inverse-square-root") { scale * noamFactor($0, warmup) }
    }

    /// `inverseSquareRoot(warmup:)` with the paper's own scale, modelSize^-½, for a base rate of 1.
    public static func noam(modelSize: Int, warmup: Int) -> Schedule {
        requirePositive(warmup, "Schedule.noam")
        require(modelSize > 0, "Schedule.noam", "the model's size must be positive, not \(modelSize)")
        let scale = 1 / Double(modelSize).squareRoot()
        return Schedule("noam") { scale * noamFactor($0, warmup) }
    }

    // MARK: Rising first

    /// Rises in a straight line from `start` to 1 over the first `steps` steps, and then follows this schedule from its
    /// beginning (Goyal et al. 2017, section 2.2).
    public func warmedUp(steps: Int, from start: Double = 0) -> Schedule {
        require(steps >= 0, "Schedule.warmedUp", "the number of steps must not be negative, not \(steps)")
        return Schedule("warmup, " + name) { step in
            step < steps ? start + (1 - start) * Double(step) / Double(steps) : body(step - steps)
        }
    }

    /// Rises by the same factor at each of the first `steps` steps, from `start` to 1, and then follows this schedule.
    /// - Parameters:
    ///   - steps: ≥ 0.
    ///   - start: the first factor, in (0, 1].
    public func warmedUpExponentially(steps: Int, from start: Double = 0.01) -> Schedule {
        require(
            steps >= 0 && start > 0 && start <= 1, "Schedule.warmedUpExponentially",
            "the number of steps must not be negative and the start lie in (0, 1], not \(steps) and \(start)")
        return Schedule("exponential-warmup, " + name) { step in
            step < steps ? pow(start, 1 - Double(step) / Double(steps)) : body(step - steps)
        }
    }

    // MARK: Several

    /// One schedule after the other, each from its own beginning, as PyTorch's `SequentialLR`.
    /// - Parameters:
    ///   - schedules: at least one.
    ///   - milestones: the steps at which the second and each further one begin, ascending.
    public static func sequential(_ schedules: [Schedule], milestones: [Int]) -> Schedule {
        require(
            schedules.count == milestones.count + 1 && zip(milestones, milestones.dropFirst()).allSatisfy(<),
            "Schedule.sequential",
            "\(schedules.count) schedules want one milestone less, ascending, not \(milestones)")
        return Schedule(schedules.map(\.name).joined(separator: ", then ")) { step in
            let index = milestones.count { $0 <= step }
            return schedules[index].factor(at: index == 0 ? step : step - milestones[index - 1])
        }
    }

    /// The product of several schedules, as PyTorch's `ChainedScheduler`.
    public static func chained(_ schedules: [Schedule]) -> Schedule {
        Schedule(schedules.map(\.name).joined(separator: " × ")) { step in
            schedules.reduce(1) { $0 * $1.factor(at: step) }
        }
    }
}

func requirePositive(_ steps: Int, _ schedule: String) {
    require(steps > 0, schedule, "the number of steps must be positive, not \(steps)")
}

/// From 1 at progress 0 to `minimum` at progress 1.
func fallingCosine(_ progress: Double, to minimum: Double) -> Double {
    minimum + (1 - minimum) * (1 + cos(.pi * progress)) / 2
}

private func noamFactor(_ step: Int, _ warmup: Int) -> Double {
    let t = Double(step + 1)
    return min(1 / t.squareRoot(), t * pow(Double(warmup), -1.5))
}
