import Foundation

// Schedules that rise again.

extension Schedule {
    /// Half a cosine from 1 to `minimum`, again and again: the first in `period` steps, each next one `growth` times as
    /// long (Loshchilov and Hutter 2017, section 3; PyTorch's `T_0` and `T_mult`).
    public static func cosineWithRestarts(period: Int, growth: Int = 1, minimum: Double = 0) -> Schedule {
        requirePositive(period, "Schedule.cosineWithRestarts")
        require(growth >= 1, "Schedule.cosineWithRestarts", "the growth must be at least 1, not \(growth)")
        return Schedule("cosine-restarts") { step in
            var (start, length) = (0, period)
            if growth == 1 {
                start = step / period * period
            } else {
                while step - start >= length {
                    start += length
                    length *= growth
                }
            }
            return fallingCosine(Double(step - start) / Double(length), to: minimum)
        }
    }

    /// How a cycle goes from one rate to the next.
    public enum Annealing: String, Sendable, CaseIterable {
        /// Along half a cosine: slowly at first and at last.
        case cosine
        /// In a straight line.
        case linear

        fileprivate func value(_ progress: Double, from start: Double, to end: Double) -> Double {
            switch self {
            case .cosine: end + (start - end) / 2 * (1 + cos(.pi * progress))
            case .linear: start + (end - start) * progress
            }
        }
    }

    /// One rise and one fall in `steps` steps (Smith and Topin 2018, as PyTorch's `OneCycleLR`). The base rate is the
    /// peak.
    /// - Parameters:
    ///   - steps: optimizer steps in the whole run, > 0.
    ///   - rise: the share of the steps in which the rate rises, in 0...1; with three phases at most ½.
    ///   - annealing: how the rate goes from one of its values to the next.
    ///   - startDivisor: the rate begins at 1 / startDivisor.
    ///   - endDivisor: the rate ends at 1 / (startDivisor · endDivisor).
    ///   - hasThreePhases: whether it falls back to the start as fast as it rose, and only then to the end.
    public static func oneCycle(
        steps: Int, rise: Double = 0.3, annealing: Annealing = .cosine, startDivisor: Double = 25,
        endDivisor: Double = 1e4, hasThreePhases: Bool = false
    ) -> Schedule {
        let start = 1 / startDivisor
        return cycle(
            "one-cycle", steps, rise, annealing, hasThreePhases, [start, 1, start], end: start / endDivisor)
    }

    /// The momentum that goes with `oneCycle`: it falls from `maximum` to `minimum` as the rate rises, and rises again.
    /// Unlike the factors of other schedules, this is the value itself.
    ///
    /// ```swift
    /// let adam = Adam(model.parameters)
    /// adam.beta1 = Schedule.oneCycleMomentum(steps: 1000).factor(at: step)
    /// ```
    public static func oneCycleMomentum(
        steps: Int, rise: Double = 0.3, annealing: Annealing = .cosine, minimum: Double = 0.85,
        maximum: Double = 0.95, hasThreePhases: Bool = false
    ) -> Schedule {
        cycle(
            "one-cycle-momentum", steps, rise, annealing, hasThreePhases, [maximum, minimum, maximum], end: maximum)
    }

    /// - Parameter values: at the start, at the turn, and, with three phases, at the end of the second.
    private static func cycle(
        _ name: String, _ steps: Int, _ rise: Double, _ annealing: Annealing, _ hasThreePhases: Bool,
        _ values: [Double], end: Double
    ) -> Schedule {
        requirePositive(steps, "Schedule.oneCycle")
        require(
            rise >= 0 && rise <= (hasThreePhases ? 0.5 : 1), "Schedule.oneCycle",
            "the rise must lie in [0, \(hasThreePhases ? "½" : "1")], not \(rise)")
        // The last step of each phase; these need not be whole.
        let turn = rise * Double(steps) - 1
        let middle = hasThreePhases ? [(2 * rise * Double(steps) - 2, values[2])] : []
        let phases: [(last: Double, value: Double)] = [(turn, values[1])] + middle + [(Double(steps - 1), end)]
        return Schedule(name) { step in
            var (first, from) = (0.0, values[0])
            for (index, phase) in phases.enumerated() {
                let step = Double(min(step, steps - 1))
                if step <= phase.last || index == phases.count - 1 {
                    // A phase of no length is over as it begins.
                    let progress = phase.last > first ? (step - first) / (phase.last - first) : 1
                    return annealing.value(progress, from: from, to: phase.value)
                }
                (first, from) = (phase.last, phase.value)
            }
            return from
        }
    }

    /// How the height of a cycle changes.
    public enum CycleShape: Sendable, Equatable {
        /// All cycles are equally high: PyTorch's `triangular`.
        case triangular
        /// Each cycle is half as high as the one before: PyTorch's `triangular2`.
        case halving
        /// The height is multiplied by gamma at every step: PyTorch's `exp_range`.
        case exponential(gamma: Double)
    }

    /// From 1 to `peak` and back in straight lines, again and again (Smith 2017).
    /// - Parameters:
    ///   - peak: the largest factor: PyTorch's max_lr / base_lr.
    ///   - stepsUp: steps of a rise, > 0.
    ///   - stepsDown: steps of a fall, > 0; nil for as many as `stepsUp`.
    ///   - shape: how the height of a cycle changes.
    public static func cyclic(
        peak: Double, stepsUp: Int = 2000, stepsDown: Int? = nil, shape: CycleShape = .triangular
    ) -> Schedule {
        requirePositive(stepsUp, "Schedule.cyclic")
        requirePositive(stepsDown ?? stepsUp, "Schedule.cyclic")
        let total = stepsUp + (stepsDown ?? stepsUp)
        return Schedule("cyclic") { step in
            let place = step % total
            let height =
                place <= stepsUp
                ? Double(place) / Double(stepsUp) : Double(total - place) / Double(total - stepsUp)
            let scale =
                switch shape {
                case .triangular: 1.0
                case .halving: pow(0.5, Double(step / total))
                case .exponential(let gamma): pow(gamma, Double(step))
                }
            return 1 + (peak - 1) * height * scale
        }
    }
}
