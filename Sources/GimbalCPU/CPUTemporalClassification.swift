import CGimbalLoops
import GimbalBackend

// Connectionist temporal classification: samples are divided among the threads.

extension CPUBackend {
    public func temporalClassification(
        _ emissions: TensorView, skips: TensorView, lengths: TensorView, losses: TensorView, forward: TensorView
    ) {
        guard losses.elementCount > 0 else { return }
        let (time, batch, states) = (emissions.shape[0], emissions.shape[1], emissions.shape[2])
        computing([emissions], out: losses, contiguous: true) { inputs, losses in
            computing([], out: forward, contiguous: true) { _, forward in
                divide(batch, grain: pathGrain(emissions)) { range in
                    withScratch(states) {
                        loops.path_losses(
                            inputs[0].floats, skips.bytes, lengths.integers, losses.floats, forward.floats, time,
                            batch, states, range.lowerBound, range.upperBound, $0)
                    }
                }
            }
        }
    }

    public func temporalClassificationGradient(
        _ emissions: TensorView, skips: TensorView, lengths: TensorView, losses: TensorView, forward: TensorView,
        lossGradient: TensorView, out: TensorView
    ) {
        guard out.elementCount > 0 else { return }
        let (time, batch, states) = (emissions.shape[0], emissions.shape[1], emissions.shape[2])
        computing([emissions, losses, forward], out: out, contiguous: true) { inputs, out in
            let lossGradient = try converted(lossGradient, to: .float32, contiguous: false)
            divide(batch, grain: pathGrain(emissions)) { range in
                withScratch(states) {
                    loops.path_gradient(
                        inputs[0].floats, skips.bytes, lengths.integers, inputs[1].floats, inputs[2].floats,
                        lossGradient.floats, lossGradient.strides[0], out.floats, time, batch, states,
                        range.lowerBound, range.upperBound, $0)
                }
            }
        }
    }

    /// How many samples are worth a thread.
    private func pathGrain(_ emissions: TensorView) -> Int {
        max(grain / max(32 * emissions.shape[0] * emissions.shape[2], 1), 1)
    }

    private func withScratch(_ states: Int, _ body: (UnsafeMutablePointer<Float>) -> Void) {
        withUnsafeTemporaryAllocation(of: Float.self, capacity: 3 * (states + 2)) { body($0.baseAddress!) }
    }
}

extension TensorView {
    fileprivate var bytes: UnsafeMutablePointer<UInt8> { pointer.assumingMemoryBound(to: UInt8.self) }
}
