import CGimbalLoops
import GimbalBackend

// Random numbers. Threads begin at whole Philox blocks of four, so that no number depends on how many there are.

extension CPUBackend {
    public func randomUniform(_ out: TensorView, _ state: RandomState) {
        computing([], out: out, contiguous: true) { _, out in
            divide(out.elementCount, grain: grain / 4, alignment: 256) { range in
                loops.random_uniform(out.floats + range.lowerBound, range.count, state.seed, state.block(of: range))
            }
        }
    }

    public func randomNormal(_ out: TensorView, _ state: RandomState) {
        computing([], out: out, contiguous: true) { _, out in
            divide(out.elementCount, grain: grain / 8, alignment: 256) { range in
                loops.random_normal(out.floats + range.lowerBound, range.count, state.seed, state.block(of: range))
            }
        }
    }

    public func dropout(_ x: TensorView, probability: Double, _ state: RandomState, out: TensorView) {
        computing([x], out: out, contiguous: true) { inputs, out in
            divide(out.elementCount, grain: grain / 4, alignment: 256) { range in
                loops.dropout(
                    inputs[0].floats + range.lowerBound, out.floats + range.lowerBound, range.count,
                    Float(probability), Float(1 / (1 - probability)), state.seed, state.block(of: range))
            }
        }
    }
}

extension RandomState {
    /// The counter of the block in which a range of elements begins.
    fileprivate func block(of range: Range<Int>) -> UInt64 { counter &+ UInt64(range.lowerBound / 4) }
}
