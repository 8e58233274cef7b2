/// Connectionist temporal classification: the negative logarithm of the probability that a sequence of outputs, once
/// repeated labels are merged and blanks are dropped, spells the target (Graves et al. 2006).
///
/// ```swift
/// let loss = temporalClassification(
///     logits.logSoftmax(), targets, inputLengths: inputLengths, targetLengths: targetLengths)
/// ```
/// All lengths stay on the device; the host waits for nothing, and a length out of range is an error that the next call
/// throws that waits for the device. The gradient is that of the logarithms as they are, so that
/// through `logSoftmax` it is PyTorch's.
/// - Parameters:
///   - logProbabilities: [time, batch, classes], as from `logSoftmax()`.
///   - targets: int32 [batch, labels], each row's first labels; never `blank`. What follows a row's length is not read.
///   - inputLengths: int32 [batch], in 0...time.
///   - targetLengths: int32 [batch], in 0...labels.
///   - blank: the class that stands for no label.
///   - zeroInfinity: counts samples that are too short for their target, whose loss is infinite and whose gradient is NaN,
///     as 0.
///   - reduction: `.mean` divides each loss by its target's length, or by 1 for an empty one, first.
public func temporalClassification(
    _ logProbabilities: Tensor, _ targets: Tensor, inputLengths: Tensor, targetLengths: Tensor, blank: Int = 0,
    zeroInfinity: Bool = false, reduction: LossReduction = .mean
) -> Tensor {
    let operation = "temporalClassification"
    require(
        logProbabilities.rank == 3, operation, "needs [time, batch, classes], not \(logProbabilities.shape)")
    let (time, batch, classes) = (
        logProbabilities.shape[0], logProbabilities.shape[1], logProbabilities.shape[2]
    )
    require(
        targets.rank == 2 && targets.shape[0] == batch && inputLengths.shape == [batch]
            && targetLengths.shape == [batch], operation,
        "\(logProbabilities.shape) needs targets of [\(batch), labels] and lengths of [\(batch)], not "
            + "\(targets.shape), \(inputLengths.shape) and \(targetLengths.shape)")
    require(
        [targets, inputLengths, targetLengths].allSatisfy { $0.dtype == .int32 }, operation,
        "targets and lengths are int32")
    require((0..<classes).contains(blank), operation, "blank \(blank) is none of \(classes) classes")
    require(time * batch * classes <= Int(Int32.max), operation, "\(logProbabilities.shape) has too many elements")

    inputLengths.requireLengths(within: 0...time, "\(operation), inputs")
    targetLengths.requireLengths(within: 0...targets.shape[1], "\(operation), targets")

    let states = StateLabels(targets, targetLengths, blank: blank)
    let count = states.labels.shape[1]
    // Row (t · batch + n) · classes + label of the log-probabilities, one below the other.
    let first = Tensor((0..<time * batch).map { Int32($0 * classes) }, [time, batch, 1], device: targets.device)
    let emissions = logProbabilities.reshaped([time * batch * classes, 1])
        .gathered((first + states.labels).reshaped([time * batch * count])).reshaped([time, batch, count])
    let lengths = Tensor.stacked([inputLengths, targetLengths + targetLengths + states.one], axis: 1)
    let losses = emissions.pathLosses(skips: states.skips, lengths: lengths, zeroInfinity: zeroInfinity)
    guard reduction == .mean else { return reduction.apply(losses) }
    return (losses / Tensor.maximum(targetLengths, states.one).cast(to: losses.dtype)).mean()
}

/// The labels of a target with a blank before, between and after them.
private struct StateLabels {
    /// int32 [batch, 2 · labels + 1].
    let labels: Tensor
    /// uint8 of that shape: whether the blank before a state may be left out, as between different labels.
    let skips: Tensor
    /// int32, without axes.
    let one: Tensor

    init(_ targets: Tensor, _ lengths: Tensor, blank: Int) {
        let (batch, count) = (targets.shape[0], targets.shape[1])
        let device = targets.device
        func whole(_ value: Int, _ shape: Shape = []) -> Tensor {
            Tensor(repeating: Double(value), shape, dtype: .int32, device: device)
        }
        one = whole(1)
        let position = Tensor((0..<count).map(Int32.init), [1, count], device: device)
        let isLabel = position.isLess(than: lengths.reshaped([batch, 1]))
        let held = Tensor.select(isLabel, targets, whole(blank))
        let blanks = whole(blank, [batch, count])
        let pairs = Tensor.stacked([blanks, held], axis: 2).reshaped([batch, 2 * count])
        labels = Tensor.concatenated([pairs, whole(blank, [batch, 1])], axis: 1)

        let before = Tensor.concatenated(
            [whole(blank, [batch, min(count, 1)]), held.sliced(0..<max(count - 1, 0), axis: 1)], axis: 1)
        // A label that is not blank and not the one before; for the first there is no one before.
        let differs = Tensor.combine(.init(.notEqual), held, before)
        let isFirst = position.equals(whole(0))
        let mayFollow = Tensor.select(isFirst, whole(0), differs * isLabel.cast(to: .int32))
        let skipPairs = Tensor.stacked([whole(0, [batch, count]), mayFollow], axis: 2).reshaped([batch, 2 * count])
        skips = Tensor.concatenated([skipPairs, whole(0, [batch, 1])], axis: 1).cast(to: .uint8)
    }
}

extension Tensor {
    /// The loss of each sample's paths through these emissions, [time, batch, states].
    fileprivate func pathLosses(skips: Tensor, lengths: Tensor, zeroInfinity: Bool) -> Tensor {
        let batch: Shape = [shape[1]]
        let emissions = inFullPrecision.contiguous()
        let (x, skips, lengths) = (emissions.detached(), skips.contiguous(), lengths.contiguous())
        let forward = Tensor.make(shape, emissions.dtype, device, inputs: [x]) { _, _ in }
        let raw = Tensor.make(batch, emissions.dtype, device, inputs: [x, skips, lengths], filling: [forward]) {
            backend, out in
            backend.temporalClassification(
                x.view, skips: skips.view, lengths: lengths.view, losses: out, forward: forward.view)
        }
        let zero = raw.scalar(0)
        let isInfinite = zeroInfinity ? raw.equals(scalar(.infinity)) : nil
        let losses = isInfinite.map { Tensor.select($0, zero, raw) } ?? raw
        return losses.recorded("temporalClassification", [emissions]) { outputGradient, inputs in
            let x = inputs.input(0, x)
            if inputs.createsGraph {
                let composed = x.composedPathLosses(skips: skips, lengths: lengths)
                // Where there is no path, as with the operation itself.
                let isMissing = raw.equals(raw.scalar(.infinity))
                let kept = Tensor.select(isMissing, zeroInfinity ? zero : zero.scalar(.nan), zero.scalar(1))
                return inputs.differentiate(composed * kept, outputGradient)
            }
            let operands = [x, skips, lengths, raw, forward, outputGradient]
            let gradient = Tensor.make(x.shape, x.dtype, x.device, inputs: operands) { backend, out in
                backend.temporalClassificationGradient(
                    x.view, skips: skips.view, lengths: lengths.view, losses: raw.view, forward: forward.view,
                    lossGradient: outputGradient.view, out: out)
            }
            inputs.add(
                0, isInfinite.map { Tensor.select($0.reshaped([1, batch[0], 1]), zero, gradient) } ?? gradient)
        }
    }
}

extension Tensor {
    /// The same in operations of tensors, for gradients that are to be differentiated again.
    fileprivate func composedPathLosses(skips: Tensor, lengths: Tensor) -> Tensor {
        let (batch, states) = (shape[1], shape[2])
        if shape[0] == 0 { return sum([0, 2]) }
        // Stands for log 0, so that no infinity meets another.
        let never = scalar(-1e30)
        let state = Tensor((0..<states).map(Int32.init), [1, states], device: device)
        func logarithmOfSum(_ terms: [Tensor]) -> Tensor {
            let stacked = Tensor.stacked(terms, axis: -1)
            let largest = stacked.detached().max([-1], keepsAxes: true)
            return (stacked - largest).exp().sum([-1]).log() + largest.reshaped(terms[0].shape)
        }
        /// The states moved up by `count`.
        func moved(_ paths: Tensor, by count: Int) -> Tensor {
            let rest = Swift.min(count, states)
            return .concatenated(
                [never.broadcast(to: [batch, rest]), paths.sliced(0..<states - rest, axis: 1)], axis: 1)
        }
        let (steps, ends) = (lengths.sliced(0..<1, axis: 1), lengths.sliced(1..<2, axis: 1))
        var paths = Tensor.select(state.isLess(than: state.scalar(2)), selecting(0), never)
        for time in 1..<Swift.max(shape[0], 1) {
            let skipping = Tensor.select(skips, moved(paths, by: 2), never)
            let next = logarithmOfSum([paths, moved(paths, by: 1), skipping]) + selecting(time)
            paths = .select(steps.isGreater(than: steps.scalar(Double(time))), next, paths)
        }
        // The last two states of each sample.
        let reaches = state.isLess(than: ends)
        let isLast = state.isGreater(than: ends - ends.scalar(3))
        let ending = Tensor.select(reaches, Tensor.select(isLast, paths, never), never)
        let largest = ending.detached().max([1], keepsAxes: true)
        let losses = -((ending - largest).exp().sum([1]).log() + largest.reshaped([batch]))
        return .select(steps.reshaped([batch]).isGreater(than: steps.scalar(0)), losses, losses.scalar(0))
    }
}
