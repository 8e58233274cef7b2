import CGimbalLoops
import Foundation
import GimbalBackend

// Gradient norms, optimizer steps and statistics over contiguous memory.

extension CPUBackend {
    public func norm(_ views: [TensorView], p: Double, out: TensorView) {
        reportingErrors {
            let views = try views.filter { $0.elementCount > 0 }.map { try converted($0, to: .float32) }
            let norm = root(p) { p, scale in
                var total = 0.0
                for view in views {
                    let parts = chunks(of: view.elementCount) {
                        loops.power_sum(view.floats + $0.lowerBound, $0.count, p, scale)
                    }
                    for part in parts { total = p == .infinity ? Reduction.maximum.combine(part, total) : total + part }
                }
                return total
            }
            fill(out, with: norm)
        }
    }

    /// The p-norm of what `sum` folds: Σ (|x| · scale)ᵖ, or max |x| where its p is infinite.
    func root(_ p: Double, _ sum: (_ p: Double, _ scale: Double) -> Double) -> Double {
        switch p {
        case 1, .infinity: return sum(p, 1)
        case 2: return sum(p, 1).squareRoot()
        default:
            // Other powers may not even fit a Double.
            let largest = sum(.infinity, 1)
            return largest.isFinite && largest > 0 ? largest * pow(sum(p, 1 / largest), 1 / p) : largest
        }
    }

    public func clip(_ views: [TensorView], norm: TensorView, maxNorm: Double) {
        reportingErrors {
            let factor = try Float(maxNorm) / (converted(norm, to: .float32).floats.pointee + 1e-6)
            // Multiplying by 1 would change nothing; NaN is no reason to stop here.
            if factor >= 1 { return }
            for view in views {
                computing([], out: view, keepsOutput: true, contiguous: true) { _, view in
                    if factor.isNaN {
                        for i in 0..<view.elementCount where view.floats[i] != 0 { view.floats[i] = factor }
                        return
                    }
                    divide(view.elementCount, grain: grain, alignment: 16) {
                        loops.multiply(view.floats + $0.lowerBound, $0.count, factor)
                    }
                }
            }
        }
    }

    public func optimizerStep(
        _ step: OptimizerStep, weights: TensorView, gradient: TensorView, states: [TensorView], condition: TensorView?
    ) {
        let loop = loop(step.rule)
        let settings = gimbal_optimizer(
            rate: Float(step.rate), weightDecay: Float(step.weightDecay), shrinkage: Float(step.shrinkage),
            beta1: Float(step.beta1), blend1: Float(step.blend1), beta2: Float(step.beta2), blend2: Float(step.blend2),
            epsilon: Float(step.epsilon), correction2: Float(step.correction2),
            gradientRate: Float(step.gradientRate), directionDecay: Float(step.directionDecay))
        updating([weights] + states, gradient, condition) { arenas, gradient, range in
            var settings = settings
            func start(_ index: Int) -> UnsafeMutablePointer<Float>? {
                index < arenas.count ? arenas[index].floats + range.lowerBound : nil
            }
            loop(
                &settings, start(0), gradient.floats + range.lowerBound, start(1), start(2), start(3), range.count)
        }
    }

    public func statistics(_ x: TensorView, segments: TensorView, out: TensorView) {
        guard segments.elementCount > 0 else { return }
        computing([x], out: out, contiguous: true) { inputs, out in
            let values = inputs[0].floats
            let bounds = segments.integers
            // Threads share the pieces of all segments: a bias alone is not worth waking one.
            let pieces = (0..<segments.shape[0]).flatMap { segment in
                let start = Int(bounds[2 * segment])
                let end = start + Int(bounds[2 * segment + 1])
                return stride(from: start, to: end, by: Self.chunk).map {
                    (segment: segment, range: $0..<min($0 + Self.chunk, end))
                }
            }
            let found = results(of: pieces.count, elementCount: x.elementCount) { index in
                var statistics = gimbal_statistics()
                let range = pieces[index].range
                loops.statistics(values + range.lowerBound, range.count, &statistics)
                return statistics
            }
            var next = 0
            for segment in 0..<segments.shape[0] {
                var all = gimbal_empty_statistics()
                while next < pieces.count, pieces[next].segment == segment {
                    withUnsafePointer(to: found[next]) { gimbal_join_statistics(&all, $0) }
                    next += 1
                }
                write(all, to: out.floats + segment * Statistic.allCases.count)
            }
        }
    }

    private func write(_ statistics: gimbal_statistics, to row: UnsafeMutablePointer<Float>) {
        let count = Double(statistics.finite)
        let mean = statistics.mean
        for statistic in Statistic.allCases {
            let value =
                switch statistic {
                case .mean: mean
                case .standardDeviation: (statistics.squares / max(count, 1)).squareRoot()
                case .minimum: Double(statistics.minimum)
                case .maximum: Double(statistics.maximum)
                case .absoluteMaximum: count == 0 ? 0 : Double(max(abs(statistics.minimum), abs(statistics.maximum)))
                case .norm: (statistics.squares + count * mean * mean).squareRoot()
                case .zeroCount: Double(statistics.zeros)
                case .nanCount: Double(statistics.nans)
                case .infinityCount: Double(statistics.infinities)
                }
            row[statistic.rawValue] = Float(value)
        }
    }

    // MARK: Shared steps

    /// The results of `body` over consecutive pieces of fixed length, computed by several threads, in order.
    private func chunks<Result>(of count: Int, _ body: (Range<Int>) -> Result) -> [Result] {
        results(of: (count + Self.chunk - 1) / Self.chunk, elementCount: count) { piece in
            let start = piece * Self.chunk
            return body(start..<min(start + Self.chunk, count))
        }
    }

    /// The results of `body` for each of 0..<count, in order, by several threads where `elementCount` pays for them.
    private func results<Result>(of count: Int, elementCount: Int, _ body: (Int) -> Result) -> [Result] {
        guard elementCount > grain else { return (0..<count).map(body) }
        return [Result](unsafeUninitializedCapacity: count) { results, initialized in
            nonisolated(unsafe) let results = results
            run(parts: count) { (results.baseAddress! + $0).initialize(to: body($0)) }
            initialized = count
        }
    }

    /// Updates `states` in place, by way of temporary float32 memory where they are of another type; not at all where
    /// `condition` is 0.
    private func updating(
        _ states: [TensorView], _ gradient: TensorView, _ condition: TensorView?,
        _ body: ([TensorView], TensorView, Range<Int>) -> Void
    ) {
        for state in states { state.storage.noteWrite() }
        reportingErrors {
            if let condition, try converted(condition, to: .float32).floats.pointee == 0 { return }
            let gradient = try converted(gradient, to: .float32)
            let floats = try states.map { try converted($0, to: .float32) }
            divide(gradient.elementCount, grain: grain / 2, alignment: 16) { body(floats, gradient, $0) }
            for (float, state) in zip(floats, states) where float.storage !== state.storage { copy(float, to: state) }
        }
    }
}
