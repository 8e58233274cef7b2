import CGimbalLoops
import GimbalBackend

// Pooling, by channels on each thread.

extension CPUBackend {
    public func maxPool(_ x: TensorView, _ geometry: PoolingGeometry, out: TensorView, indices: TensorView) {
        guard out.elementCount > 0 else { return }
        computing([x], out: out, contiguous: true) { inputs, out in
            eachPlane(geometry, countsPadding: false, planes: x.shape[0] * x.shape[1]) { windows, first, count in
                let (from, to) = (first * windows.inputCount, first * windows.outputCount)
                withUnsafePointer(to: windows) {
                    loops.max_pool($0, inputs[0].floats + from, count, out.floats + to, indices.integers + to)
                }
            }
        }
    }

    public func maxPoolGradient(
        _ outputGradient: TensorView, indices: TensorView, _ geometry: PoolingGeometry, out: TensorView
    ) {
        guard out.elementCount > 0 else { return }
        computing([outputGradient], out: out, contiguous: true) { inputs, out in
            eachPlane(geometry, countsPadding: false, planes: out.shape[0] * out.shape[1]) { windows, first, count in
                let (to, from) = (first * windows.inputCount, first * windows.outputCount)
                withUnsafePointer(to: windows) {
                    loops.max_pool_gradient(
                        $0, inputs[0].floats + from, indices.integers + from, count, out.floats + to)
                }
            }
        }
    }

    public func averagePool(_ x: TensorView, _ geometry: PoolingGeometry, countsPadding: Bool, out: TensorView) {
        guard out.elementCount > 0 else { return }
        computing([x], out: out, contiguous: true) { inputs, out in
            eachPlane(geometry, countsPadding: countsPadding, planes: x.shape[0] * x.shape[1]) {
                windows, first, count in
                let (from, to) = (first * windows.inputCount, first * windows.outputCount)
                withUnsafePointer(to: windows) {
                    loops.average_pool($0, inputs[0].floats + from, count, out.floats + to)
                }
            }
        }
    }

    public func averagePoolGradient(
        _ outputGradient: TensorView, _ geometry: PoolingGeometry, countsPadding: Bool, out: TensorView
    ) {
        guard out.elementCount > 0 else { return }
        computing([outputGradient], out: out, contiguous: true) { inputs, out in
            eachPlane(geometry, countsPadding: countsPadding, planes: out.shape[0] * out.shape[1]) {
                windows, first, count in
                let (to, from) = (first * windows.inputCount, first * windows.outputCount)
                withUnsafePointer(to: windows) {
                    loops.average_pool_gradient($0, inputs[0].floats + from, count, out.floats + to)
                }
            }
        }
    }

    /// Divides the planes among the threads and hands each its windows.
    private func eachPlane(
        _ geometry: PoolingGeometry, countsPadding: Bool, planes: Int,
        _ body: (_ windows: gimbal_windows, _ first: Int, _ count: Int) -> Void
    ) {
        let missing = [PoolingGeometry.Axis](repeating: .single, count: 3 - geometry.axes.count)
        let axes = missing + geometry.axes
        let positions = axes.reduce(into: [Int32]()) { list, axis in
            let windows = (0..<axis.outputSize).map { axis.window($0) }
            list += windows.map { Int32($0.lowerBound) } + windows.map { Int32($0.upperBound) }
        }
        let divisors = axes.flatMap { axis in
            (0..<axis.outputSize).map { Float(axis.divisor($0, countsPadding: countsPadding)) }
        }
        positions.withUnsafeBufferPointer { positions in
            divisors.withUnsafeBufferPointer { divisors in
                let sizes = axes.map(\.outputSize)
                let starts = [0, sizes[0], sizes[0] + sizes[1]]
                let first = starts.map { positions.baseAddress! + 2 * $0 }
                let divisor = starts.map { divisors.baseAddress! + $0 }
                let windows = gimbal_windows(
                    input_size: (axes[0].inputSize, axes[1].inputSize, axes[2].inputSize),
                    output_size: (sizes[0], sizes[1], sizes[2]), first: (first[0], first[1], first[2]),
                    end: (first[0] + sizes[0], first[1] + sizes[1], first[2] + sizes[2]),
                    divisor: (divisor[0], divisor[1], divisor[2]),
                    step: (Int32(axes[0].dilation), Int32(axes[1].dilation), Int32(axes[2].dilation)))
                let cost = max(windows.inputCount, windows.outputCount * axes.reduce(1) { $0 * $1.kernel })
                divide(planes, grain: max(grain / cost, 1)) { body(windows, $0.lowerBound, $0.count) }
            }
        }
    }
}

extension gimbal_windows {
    fileprivate var inputCount: Int { input_size.0 * input_size.1 * input_size.2 }
    fileprivate var outputCount: Int { output_size.0 * output_size.1 * output_size.2 }
}

extension PoolingGeometry.Axis {
    /// An axis of one element.
    fileprivate static let single = PoolingGeometry(inputSizes: [1], outputSizes: [1]).axes[0]
}
