import CGimbalLoops
import GimbalBackend

// Softmax, cross-entropy and batch normalisation: each one call into the loops per thread.

extension CPUBackend {
    public func softmax(_ x: TensorView, out: TensorView, isLogarithmic: Bool) {
        guard x.elementCount > 0 else { return }
        let (rows, classes) = (x.shape[0], x.shape[1])
        computing([x], out: out, contiguous: true) { inputs, out in
            divide(rows, grain: max(grain / (8 * classes), 1)) { range in
                let start = range.lowerBound * classes
                loops.softmax(inputs[0].floats + start, out.floats + start, range.count, classes, isLogarithmic)
            }
        }
    }

    public func softmaxGradient(_ y: TensorView, outputGradient: TensorView, out: TensorView, isLogarithmic: Bool) {
        guard y.elementCount > 0 else { return }
        let (rows, classes) = (y.shape[0], y.shape[1])
        computing([y, outputGradient], out: out, contiguous: true) { inputs, out in
            divide(rows, grain: max(grain / (4 * classes), 1)) { range in
                let start = range.lowerBound * classes
                loops.softmax_gradient(
                    inputs[0].floats + start, inputs[1].floats + start, out.floats + start, range.count, classes,
                    isLogarithmic)
            }
        }
    }

    public func crossEntropy(
        _ logits: TensorView, targets: TensorView, ignoredIndex: Int?, losses: TensorView, normalizers: TensorView
    ) {
        guard logits.elementCount > 0 else { return }
        let (rows, classes) = (logits.shape[0], logits.shape[1])
        computing([logits], out: losses, contiguous: true) { inputs, losses in
            computing([], out: normalizers, contiguous: true) { _, normalizers in
                divide(rows, grain: max(grain / (8 * max(classes, 16)), 1)) { range in
                    withIgnored(ignoredIndex) { ignored in
                        loops.cross_entropy(
                            inputs[0].floats + range.lowerBound * classes,
                            targets.integers + range.lowerBound * targets.strides[0], targets.strides[0], ignored,
                            losses.floats + range.lowerBound, normalizers.floats + 2 * range.lowerBound, range.count,
                            classes)
                    }
                }
            }
        }
    }

    public func crossEntropyGradient(
        _ logits: TensorView, targets: TensorView, ignoredIndex: Int?, normalizers: TensorView,
        lossGradient: TensorView, out: TensorView
    ) {
        guard logits.elementCount > 0 else { return }
        let (rows, classes) = (logits.shape[0], logits.shape[1])
        computing([logits, normalizers], out: out, contiguous: true) { inputs, out in
            let lossGradient = try converted(lossGradient, to: .float32, contiguous: false)
            divide(rows, grain: max(grain / (8 * max(classes, 16)), 1)) { range in
                let (row, start) = (range.lowerBound, range.lowerBound * classes)
                withIgnored(ignoredIndex) { ignored in
                    loops.cross_entropy_gradient(
                        inputs[0].floats + start, targets.integers + row * targets.strides[0], targets.strides[0],
                        ignored, inputs[1].floats + 2 * row, lossGradient.floats + row * lossGradient.strides[0],
                        lossGradient.strides[0], out.floats + start, range.count, classes)
                }
            }
        }
    }

    /// The ignored class as the loops take it; one that int32 cannot hold is no target's.
    private func withIgnored(_ index: Int?, _ body: (UnsafePointer<Int32>?) -> Void) {
        guard let index = index.flatMap(Int32.init(exactly:)) else { return body(nil) }
        withUnsafePointer(to: index, body)
    }

    // MARK: Batch normalisation. Loops take parameters and statistics in float32 whatever the type of `x`.

    public func batchNorm(
        _ x: TensorView, scale: TensorView?, shift: TensorView?,
        running: (mean: TensorView, variance: TensorView)?, momentum: Double, epsilon: Double,
        out: TensorView, mean: TensorView, inverseDeviation: TensorView
    ) {
        batchNorm(
            x, scale: scale, shift: shift, running: running, momentum: momentum, epsilon: epsilon, residual: nil,
            rectifies: false, out: out, mean: mean, inverseDeviation: inverseDeviation)
    }

    public func batchNormReLU(
        _ x: TensorView, scale: TensorView?, shift: TensorView?,
        running: (mean: TensorView, variance: TensorView)?, momentum: Double, epsilon: Double, residual: TensorView?,
        out: TensorView, mean: TensorView, inverseDeviation: TensorView
    ) {
        batchNorm(
            x, scale: scale, shift: shift, running: running, momentum: momentum, epsilon: epsilon, residual: residual,
            rectifies: true, out: out, mean: mean, inverseDeviation: inverseDeviation)
    }

    private func batchNorm(
        _ x: TensorView, scale: TensorView?, shift: TensorView?,
        running: (mean: TensorView, variance: TensorView)?, momentum: Double, epsilon: Double, residual: TensorView?,
        rectifies: Bool, out: TensorView, mean: TensorView, inverseDeviation: TensorView
    ) {
        guard x.elementCount > 0 else { return }
        guard areFloat32([scale, shift, running?.mean, running?.variance, mean, inverseDeviation]) else {
            return widening([
                .read(scale), .read(shift), .update(running?.mean), .update(running?.variance), .write(mean),
                .write(inverseDeviation),
            ]) {
                batchNorm(
                    x, scale: $0[0], shift: $0[1], running: running == nil ? nil : ($0[2]!, $0[3]!),
                    momentum: momentum, epsilon: epsilon, residual: residual, rectifies: rectifies, out: out,
                    mean: $0[4]!, inverseDeviation: $0[5]!)
            }
        }
        computing([x] + (residual.map { [$0] } ?? []), out: out, contiguous: true) { inputs, out in
            var plan = plan(x, scale: scale, shift: shift, mean: mean, inverseDeviation: inverseDeviation)
            plan.epsilon = Float(epsilon)
            plan.momentum = Float(momentum)
            plan.running_mean = running?.mean.floats
            plan.running_variance = running?.variance.floats
            plan.residual = residual == nil ? nil : UnsafePointer(inputs[1].floats)
            plan.rectifies = rectifies
            divideChannels(x, plan) { loops.batch_norm(&$0, inputs[0].floats, out.floats, $1, $2) }
        }
    }

    public func batchNormInference(
        _ x: TensorView, scale: TensorView?, shift: TensorView?, mean: TensorView, variance: TensorView,
        epsilon: Double, out: TensorView
    ) {
        batchNormInference(
            x, scale: scale, shift: shift, mean: mean, variance: variance, epsilon: epsilon, residual: nil,
            rectifies: false, out: out)
    }

    public func batchNormInferenceReLU(
        _ x: TensorView, scale: TensorView?, shift: TensorView?, mean: TensorView, variance: TensorView,
        epsilon: Double, residual: TensorView?, out: TensorView
    ) {
        batchNormInference(
            x, scale: scale, shift: shift, mean: mean, variance: variance, epsilon: epsilon, residual: residual,
            rectifies: true, out: out)
    }

    private func batchNormInference(
        _ x: TensorView, scale: TensorView?, shift: TensorView?, mean: TensorView, variance: TensorView,
        epsilon: Double, residual: TensorView?, rectifies: Bool, out: TensorView
    ) {
        guard x.elementCount > 0 else { return }
        guard areFloat32([scale, shift, mean, variance]) else {
            return widening([.read(scale), .read(shift), .read(mean), .read(variance)]) {
                batchNormInference(
                    x, scale: $0[0], shift: $0[1], mean: $0[2]!, variance: $0[3]!, epsilon: epsilon,
                    residual: residual, rectifies: rectifies, out: out)
            }
        }
        computing([x] + (residual.map { [$0] } ?? []), out: out, contiguous: true) { inputs, out in
            var plan = plan(x, scale: scale, shift: shift, mean: mean, inverseDeviation: variance)
            plan.epsilon = Float(epsilon)
            plan.residual = residual == nil ? nil : UnsafePointer(inputs[1].floats)
            plan.rectifies = rectifies
            divideChannels(x, plan) {
                loops.batch_norm_inference(&$0, inputs[0].floats, variance.floats, out.floats, $1, $2)
            }
        }
    }

    public func batchNormGradient(
        _ x: TensorView, outputGradient: TensorView, scale: TensorView?, mean: TensorView,
        inverseDeviation: TensorView, inputGradient: TensorView?,
        scaleGradient: (view: TensorView, accumulates: Bool)?, shiftGradient: (view: TensorView, accumulates: Bool)?
    ) {
        batchNormGradient(
            x, rectified: nil, outputGradient: outputGradient, scale: scale, mean: mean,
            inverseDeviation: inverseDeviation, inputGradient: inputGradient, residualGradient: nil,
            scaleGradient: scaleGradient, shiftGradient: shiftGradient)
    }

    public func batchNormReLUGradient(
        _ x: TensorView, y: TensorView, outputGradient: TensorView, scale: TensorView?, mean: TensorView,
        inverseDeviation: TensorView, inputGradient: TensorView?, residualGradient: TensorView?,
        scaleGradient: (view: TensorView, accumulates: Bool)?, shiftGradient: (view: TensorView, accumulates: Bool)?
    ) {
        batchNormGradient(
            x, rectified: y, outputGradient: outputGradient, scale: scale, mean: mean,
            inverseDeviation: inverseDeviation, inputGradient: inputGradient, residualGradient: residualGradient,
            scaleGradient: scaleGradient, shiftGradient: shiftGradient)
    }

    /// - Parameter rectified: what a ReLU behind the norm gave; nil where there was none.
    private func batchNormGradient(
        _ x: TensorView, rectified: TensorView?, outputGradient: TensorView, scale: TensorView?, mean: TensorView,
        inverseDeviation: TensorView, inputGradient: TensorView?, residualGradient: TensorView?,
        scaleGradient: (view: TensorView, accumulates: Bool)?, shiftGradient: (view: TensorView, accumulates: Bool)?
    ) {
        guard x.elementCount > 0 else {
            for case let destination? in [scaleGradient, shiftGradient] where !destination.accumulates {
                fill(destination.view, with: 0)
            }
            return
        }
        guard areFloat32([scale, mean, inverseDeviation, scaleGradient?.view, shiftGradient?.view]) else {
            return widening([
                .read(scale), .read(mean), .read(inverseDeviation), .gradient(scaleGradient), .gradient(shiftGradient),
            ]) {
                batchNormGradient(
                    x, rectified: rectified, outputGradient: outputGradient, scale: $0[0], mean: $0[1]!,
                    inverseDeviation: $0[2]!, inputGradient: inputGradient, residualGradient: residualGradient,
                    scaleGradient: scaleGradient.replacing($0[3]), shiftGradient: shiftGradient.replacing($0[4]))
            }
        }
        reportingErrors {
            let result = try inputGradient ?? allocate([0])
            let passed = try residualGradient ?? allocate([0])
            let inputs = [x, outputGradient] + (rectified.map { [$0] } ?? [])
            computing([], out: passed, contiguous: true) { _, passed in
                computing(inputs, out: result, contiguous: true) { inputs, result in
                    let plan = plan(x, scale: scale, shift: nil, mean: mean, inverseDeviation: inverseDeviation)
                    divideChannels(x, plan) {
                        loops.batch_norm_gradient(
                            &$0, inputs[0].floats, rectified == nil ? nil : inputs[2].floats, inputs[1].floats,
                            inputGradient == nil ? nil : result.floats,
                            residualGradient == nil ? nil : passed.floats, scaleGradient?.view.floats,
                            scaleGradient?.accumulates ?? false, shiftGradient?.view.floats,
                            shiftGradient?.accumulates ?? false, $1, $2)
                    }
                }
            }
        }
    }

    private func plan(
        _ x: TensorView, scale: TensorView?, shift: TensorView?, mean: TensorView, inverseDeviation: TensorView
    ) -> gimbal_batch_norm {
        var plan = gimbal_batch_norm()
        plan.batch = x.shape[0]
        plan.channels = x.shape[1]
        plan.positions = x.shape[2]
        plan.scale = scale.map { UnsafePointer($0.floats) }
        plan.shift = shift.map { UnsafePointer($0.floats) }
        plan.mean = mean.floats
        plan.inverse_deviation = inverseDeviation.floats
        return plan
    }

    /// Divides the channels among the threads, in whole blocks of vectors where a channel has one position.
    private func divideChannels(
        _ x: TensorView, _ plan: gimbal_batch_norm, _ body: (inout gimbal_batch_norm, Int, Int) -> Void
    ) {
        let perChannel = 2 * max(x.shape[0] * x.shape[2], 1)
        divide(x.shape[1], grain: max(grain / perChannel, 1), alignment: x.shape[2] == 1 ? 64 : 1) { channels in
            var plan = plan
            body(&plan, channels.lowerBound, channels.upperBound)
        }
    }
}
