import CGimbalLoops
import Foundation
import GimbalBackend

// Gradient norms, optimizer steps and statistics over contiguous memory.

extension CPUBackend {
    public func norm(_ views: [TensorView], p: Double, out: TensorView) {
        reportingErrors {
            var total = 0.0
            for view in views where view.elementCount > 0 {
                let view = try converted(view, to: .float32)
                for part in chunks(of: view.elementCount, { loops.power_sum(view.floats + $0.lowerBound, $0.count, p) })
                {
                    total = p == .infinity ? Reduction.maximum.combine(part, total) : total + part
                }
            }
            switch p {
            case 1, .infinity: break
            case 2: total = total.squareRoot()
            default: total = pow(total, 1 / p)
            }
            fill(out, with: total)
        }
    }

    public func clip(_ views: [TensorView], norm: TensorView, maxNorm: Double) {
        reportingErrors {
            let factor = try Float(maxNorm) / (converted(norm, to: .float32).floats.pointee + 1e-6)
            // Multiplying by 1 would change nothing; NaN is no reason to stop here.
            if factor >= 1 { return }
            for view in views {
                computing([], out: view, keepsOutput: true, contiguous: true) { _, view in
                    divide(view.elementCount, grain: grain, alignment: 16) {
                        loops.multiply(view.floats + $0.lowerBound, $0.count, factor)
                    }
                }
            }
        }
    }

    public func sgdStep(
        _ weights: TensorView, gradient: TensorView, velocity: TensorView?, _ settings: SGDSettings
    ) {
        let step = gimbal_sgd(
            learning_rate: Float(settings.learningRate), momentum: Float(settings.momentum),
            dampening: Float(settings.dampening), weight_decay: Float(settings.weightDecay),
            is_nesterov: settings.isNesterov, is_first_step: settings.isFirstStep)
        updating([weights] + (velocity.map { [$0] } ?? []), gradient) { states, gradient, range in
            var step = step
            loops.sgd(
                &step, states[0].floats + range.lowerBound, gradient.floats + range.lowerBound,
                states.count > 1 ? states[1].floats + range.lowerBound : nil, range.count)
        }
    }

    public func adamStep(
        _ weights: TensorView, gradient: TensorView, firstMoment: TensorView, secondMoment: TensorView,
        _ settings: AdamSettings
    ) {
        let corrections = settings.biasCorrections
        let decouples = settings.decouplesWeightDecay
        let step = gimbal_adam(
            beta1: Float(settings.beta1), beta2: Float(settings.beta2), one_minus_beta1: Float(1 - settings.beta1),
            one_minus_beta2: Float(1 - settings.beta2), weight_decay: decouples ? 0 : Float(settings.weightDecay),
            shrinking: decouples ? Float(1 - settings.learningRate * settings.weightDecay) : 1,
            step_size: Float(settings.learningRate / corrections.first),
            second_correction: Float(1 / corrections.second), epsilon: Float(settings.epsilon))
        updating([weights, firstMoment, secondMoment], gradient) { states, gradient, range in
            var step = step
            let start = range.lowerBound
            loops.adam(
                &step, states[0].floats + start, gradient.floats + start, states[1].floats + start,
                states[2].floats + start, range.count)
        }
    }

    public func statistics(_ x: TensorView, segments: TensorView, out: TensorView) {
        guard segments.elementCount > 0 else { return }
        let width = Statistic.allCases.count
        computing([x], out: out, contiguous: true) { inputs, out in
            let values = inputs[0].floats
            func write(_ segment: Int, _ statistics: [gimbal_statistics], _ deviations: (Double) -> Double) {
                let all = statistics.reduce(into: emptyStatistics) { $0.add($1) }
                let count = Double(max(all.finite, 1))
                let mean = all.sum / count
                let row = out.floats + segment * width
                func set(_ statistic: Statistic, _ value: Double) { row[statistic.rawValue] = Float(value) }
                set(.mean, mean)
                set(.standardDeviation, (deviations(mean) / count).squareRoot())
                set(.minimum, Double(all.minimum))
                set(.maximum, Double(all.maximum))
                set(.absoluteMaximum, all.finite == 0 ? 0 : Double(max(abs(all.minimum), abs(all.maximum))))
                set(.norm, all.squares.squareRoot())
                set(.zeroCount, Double(all.zeros))
                set(.nanCount, Double(all.nans))
                set(.infinityCount, Double(all.infinities))
            }
            for segment in 0..<segments.shape[0] {
                let start = values + Int(segments.integers[2 * segment])
                let length = Int(segments.integers[2 * segment + 1])
                let parts = chunks(of: length) { range in
                    var statistics = emptyStatistics
                    loops.statistics(start + range.lowerBound, range.count, &statistics)
                    return statistics
                }
                write(segment, parts) { mean in
                    chunks(of: length) { loops.squared_deviations(start + $0.lowerBound, $0.count, mean) }.reduce(0, +)
                }
            }
        }
    }

    // MARK: Shared steps

    /// The results of `body` over consecutive pieces of fixed length, computed by several threads, in order.
    private func chunks<Result>(of count: Int, _ body: (Range<Int>) -> Result) -> [Result] {
        let pieces = (count + Self.chunk - 1) / Self.chunk
        guard pieces > 0 else { return [] }
        return [Result](unsafeUninitializedCapacity: pieces) { results, initialized in
            nonisolated(unsafe) let results = results
            run(parts: pieces) { piece in
                let start = piece * Self.chunk
                (results.baseAddress! + piece).initialize(to: body(start..<min(start + Self.chunk, count)))
            }
            initialized = pieces
        }
    }

    /// Updates `states` in place, by way of temporary float32 memory where they are of another type.
    private func updating(
        _ states: [TensorView], _ gradient: TensorView, _ body: ([TensorView], TensorView, Range<Int>) -> Void
    ) {
        reportingErrors {
            let gradient = try converted(gradient, to: .float32)
            let floats = try states.map { try converted($0, to: .float32) }
            divide(gradient.elementCount, grain: grain / 2, alignment: 16) { body(floats, gradient, $0) }
            for (float, state) in zip(floats, states) where float.storage !== state.storage { copy(float, to: state) }
        }
    }
}

private let emptyStatistics = gimbal_statistics(
    sum: 0, squares: 0, minimum: .infinity, maximum: -.infinity, finite: 0, zeros: 0, nans: 0, infinities: 0)

extension gimbal_statistics {
    fileprivate mutating func add(_ other: gimbal_statistics) {
        sum += other.sum
        squares += other.squares
        minimum = min(minimum, other.minimum)
        maximum = max(maximum, other.maximum)
        finite += other.finite
        zeros += other.zeros
        nans += other.nans
        infinities += other.infinities
    }
}
