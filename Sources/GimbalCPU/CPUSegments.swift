import CGimbalLoops
import Foundation
import GimbalBackend

// Norms and scaling of stretches of an arena: a stretch is one thread's work.

extension CPUBackend {
    public func segmentNorms(_ x: TensorView, segments: TensorView, p: Double, out: TensorView) {
        computing([x], out: out, contiguous: true) { inputs, out in
            let x = inputs[0]
            divideSegments(segments, elementCount: x.elementCount) { index, start, length in
                // An empty stretch has no largest element; its norm is 0.
                out.floats[index] =
                    length == 0 ? 0 : Float(root(p) { loops.power_sum(x.floats + start, length, $0, $1) })
            }
        }
    }

    public func scaleSegments(_ x: TensorView, segments: TensorView, by factors: TensorView) {
        computing([factors], out: x, keepsOutput: true, contiguous: true) { inputs, x in
            let factors = inputs[0]
            divideSegments(segments, elementCount: x.elementCount) { index, start, length in
                loops.multiply(x.floats + start, length, factors.floats[index])
            }
        }
    }

    /// Calls `body` with number, start and length of each stretch, on several threads where that pays.
    private func divideSegments(_ segments: TensorView, elementCount: Int, _ body: (Int, Int, Int) -> Void) {
        let count = segments.shape[0]
        let bounds = segments.integers
        divide(count, grain: max(1, grain * count / max(elementCount, 1))) { range in
            for index in range { body(index, Int(bounds[2 * index]), Int(bounds[2 * index + 1])) }
        }
    }
}
