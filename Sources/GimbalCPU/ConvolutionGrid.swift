import CGimbalLoops
import GimbalBackend

/// How a convolution lies on grids: see `convolution_loops.h`. Three axes always stand, the missing ones with size 1.
///
/// On each axis, element k of the kernel reads position o · stride - padding + k · dilation = stride · (o + shift) + phase.
/// So with every stride-th position of the input as a plane of its own, it reads the plane of its phase, `shift` further on;
/// and what an output gives back to the input, that plane takes from `shift` before.
struct ConvolutionGrid {
    let imageSize: [Int]
    let outputSize: [Int]
    let stride: [Int]
    /// Sizes of a grid, which all planes share: large enough that what a shift reaches beyond a row lies in a gap.
    let pitch: [Int]
    /// For each element of the kernel, row-major: its phase on each axis, and how far it shifts a grid.
    let taps: [(phase: [Int], shift: Int)]

    init(_ geometry: ConvolutionGeometry, image: [Int], output: [Int]) {
        let missing = 3 - geometry.axes
        func filled(_ sizes: [Int], _ value: Int) -> [Int] { [Int](repeating: value, count: missing) + sizes }
        imageSize = filled(image, 1)
        outputSize = filled(output, 1)
        let strides = filled(geometry.stride, 1)
        stride = strides
        let (kernel, padding) = (filled(geometry.kernel, 1), filled(geometry.padding, 0))
        let dilation = filled(geometry.dilation, 1)
        let places = (0..<3).map { axis in
            (0..<kernel[axis]).map { element -> (phase: Int, shift: Int) in
                let position = element * dilation[axis] - padding[axis]
                let phase = (position % strides[axis] + strides[axis]) % strides[axis]
                return (phase, (position - phase) / strides[axis])
            }
        }
        let (images, outputs) = (imageSize, outputSize)
        let sizes = (0..<3).map { axis in
            let planeSize = (images[axis] + strides[axis] - 1) / strides[axis]
            let shifts = places[axis].map(\.shift)
            return max(planeSize + max(0, -shifts.min()!), outputs[axis] + max(0, shifts.max()!))
        }
        pitch = sizes
        taps = places[0].flatMap { a in
            places[1].flatMap { b in
                places[2].map { c in
                    ([a.phase, b.phase, c.phase], (a.shift * sizes[1] + b.shift) * sizes[2] + c.shift)
                }
            }
        }
    }

    /// Elements of a grid.
    var count: Int { pitch.reduce(1, *) }
    /// Zeros that must lie before the first grid of a channel, and may be read after the last.
    var reach: Int { taps.reduce(0) { max($0, abs($1.shift)) } }

    /// The planes of the input that are read.
    var phases: [[Int]] {
        var found: [[Int]] = []
        for tap in taps where !found.contains(tap.phase) { found.append(tap.phase) }
        return found
    }

    /// All planes of the input, which the outputs' gradients come back to.
    var allPhases: [[Int]] {
        (0..<stride[0]).flatMap { a in (0..<stride[1]).flatMap { b in (0..<stride[2]).map { [a, b, $0] } } }
    }

    /// A plane of the input.
    func inputPlane(_ phase: [Int]) -> gimbal_plane { gimbal_plane(imageSize, pitch, stride, phase) }
    /// The plane of the output.
    var outputPlane: gimbal_plane { gimbal_plane(outputSize, pitch, [1, 1, 1], [0, 0, 0]) }
}

extension gimbal_plane {
    fileprivate init(_ image: [Int], _ grid: [Int], _ stride: [Int], _ phase: [Int]) {
        self.init(
            image_size: (image[0], image[1], image[2]), grid_size: (grid[0], grid[1], grid[2]),
            stride: (stride[0], stride[1], stride[2]), phase: (phase[0], phase[1], phase[2]))
    }
}
