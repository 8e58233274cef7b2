import GimbalBackend

/// How an implicit product of `convolution_product.cl` or `convolution_weight.cl` is cut up; the files explain the numbers.
package struct ConvolutionTile: Hashable, Sendable {
    var m: Int
    var n: Int
    var k: Int
    var workM: Int
    var workN: Int

    package init(m: Int, n: Int, k: Int, workM: Int, workN: Int) {
        (self.m, self.n, self.k) = (m, n, k)
        (self.workM, self.workN) = (workM, workN)
    }

    /// What plans choose from.
    package static let candidates: [ConvolutionTile] = [
        .init(m: 128, n: 128, k: 8, workM: 8, workN: 8), .init(m: 64, n: 128, k: 8, workM: 8, workN: 8),
        .init(m: 128, n: 64, k: 16, workM: 8, workN: 4), .init(m: 64, n: 64, k: 16, workM: 8, workN: 4),
        .init(m: 64, n: 64, k: 16, workM: 4, workN: 4), .init(m: 32, n: 128, k: 16, workM: 4, workN: 8),
        .init(m: 32, n: 64, k: 16, workM: 4, workN: 4), .init(m: 16, n: 128, k: 16, workM: 4, workN: 4),
        .init(m: 16, n: 64, k: 16, workM: 4, workN: 4), .init(m: 32, n: 32, k: 16, workM: 4, workN: 4),
    ]

    var groupSize: Int { (m / workM) * (n / workN) }

    var settings: [KernelKey.Setting] {
        [
            .number(.tileM, m), .number(.tileN, n), .number(.tileK, k), .number(.workM, workM),
            .number(.workN, workN),
        ]
    }

    /// Tiles along an axis of so many rows, columns.
    func tiles(rows: Int, columns: Int) -> (m: Int, n: Int) { ((rows + m - 1) / m, (columns + n - 1) / n) }

    /// Whether work-items can read `length` × k values of a tile as vectors of four, each once.
    func readsVectors(along length: Int) -> Bool { length * k % (4 * groupSize) == 0 }

    /// Seconds that `groups` work-groups of `depth` steps through k take, roughly, if the device's units run as an H100's:
    /// good for a choice between tiles.
    func seconds(groups: Int, depth: Int, units: Int) -> Double {
        let values = workM * workN
        // What the loop has besides multiplications, counted in machine code.
        let efficiency = values >= 64 ? 0.76 : values >= 32 ? 0.69 : 0.6
        let registers = values >= 64 ? 170 : values >= 32 ? 128 : 100
        let perUnit = (groups + units - 1) / units
        let resident = min(perUnit, max(1, 65_536 / (registers * groupSize)))
        // Few work-items cannot hide the time that memory takes.
        let active = Double(resident * groupSize)
        let hiding = active / (active + 96)
        let multiplications = Double(perUnit * m * n) * Double(depth)
        return multiplications / (128 * 1.7e9 * efficiency * hiding)
    }
}

/// The shapes of a convolution for its implicit products: missing axes have size 1, and one that only mixes channels has one
/// axis.
struct ConvolutionPlan {
    struct Axis {
        var input = 1
        var output = 1
        var kernel = 1
        var stride = 1
        var padding = 0
        var dilation = 1
    }

    let images: Int
    let groups: Int
    /// Channels of a group in the output and in the input.
    let outputs: Int
    let channels: Int
    /// One to three.
    let axes: [Axis]
    /// Whether the kernel has one element and meets every position once.
    let isPointwise: Bool

    init(x: Shape, out: Shape, _ geometry: ConvolutionGeometry) {
        images = x[0]
        groups = geometry.groups
        outputs = out[1] / groups
        channels = x[1] / groups
        let inputs = [Int](x.sizes.dropFirst(2)), positions = [Int](out.sizes.dropFirst(2))
        isPointwise = geometry.kernelCount == 1 && inputs == positions && geometry.padding.allSatisfy { $0 == 0 }
        if isPointwise {
            let count = inputs.reduce(1, *)
            axes = [Axis(input: count, output: count)]
        } else {
            axes = geometry.kernel.indices.map {
                Axis(
                    input: inputs[$0], output: positions[$0], kernel: geometry.kernel[$0],
                    stride: geometry.stride[$0], padding: geometry.padding[$0], dilation: geometry.dilation[$0])
            }
        }
    }

    var inputSize: Int { axes.reduce(1) { $0 * $1.input } }
    var outputSize: Int { axes.reduce(1) { $0 * $1.output } }
    var kernelSize: Int { axes.reduce(1) { $0 * $1.kernel } }
    /// Classes of input positions that meet the same elements of the kernel.
    var classes: Int { axes.reduce(1) { $0 * $1.stride } }
    /// The three axes, missing ones first.
    var allAxes: [Axis] { [Axis](repeating: Axis(), count: 3 - axes.count) + axes }

    /// In the order of the kernels' structure `ConvolutionAxis`, for each of the three.
    var axisNumbers: [Int] {
        allAxes.flatMap {
            [$0.input, $0.output, $0.kernel, $0.stride, $0.padding, $0.dilation] + divisor($0.output)
        }
    }

    /// What tiles are chosen by; the choices are kept, as every launch asks.
    private struct Problem: Hashable {
        var rows, columns, batch, depth, units: Int
    }
    private static let chosen = Lock<[Problem: (tile: ConvolutionTile, part: Int)]>([:])

    private static func choice(
        _ problem: Problem, _ make: () -> (tile: ConvolutionTile, part: Int)
    ) -> (tile: ConvolutionTile, part: Int) {
        chosen.withLock { chosen in
            if let choice = chosen[problem] { return choice }
            let choice = make()
            chosen[problem] = choice
            return choice
        }
    }

    /// The tile for a product of so many rows and columns in each of `batch` parts of a launch.
    func tile(rows: Int, columns: Int, batch: Int, units: Int) -> ConvolutionTile {
        func cost(_ tile: ConvolutionTile) -> Double {
            let tiles = tile.tiles(rows: rows, columns: columns)
            return tile.seconds(groups: tiles.m * tiles.n * batch, depth: 1, units: units)
        }
        let problem = Problem(rows: rows, columns: columns, batch: batch, depth: 0, units: units)
        return Self.choice(problem) { (ConvolutionTile.candidates.min { cost($0) < cost($1) }!, 0) }.tile
    }

    /// The tile for the weight's gradient, and how many of all images' positions a part of the sum has.
    func weightTile(units: Int) -> (tile: ConvolutionTile, part: Int) {
        let (columns, depth) = (channels * kernelSize, images * outputSize)
        func cost(_ tile: ConvolutionTile, _ part: Int) -> Double {
            let parts = (depth + part - 1) / part
            let tiles = tile.tiles(rows: outputs, columns: columns)
            let product = tile.seconds(groups: tiles.m * tiles.n * groups * parts, depth: part, units: units)
            // The second launch, and the parts on their way through memory.
            let sum = parts == 1 ? 0 : 6e-6 + Double(parts * groups * outputs * columns) * 8 / 2.5e12
            return product + sum
        }
        let problem = Problem(rows: outputs, columns: columns, batch: groups, depth: depth, units: units)
        return Self.choice(problem) {
            let choices = ConvolutionTile.candidates.flatMap { tile in
                [1, 2, 3, 4, 6, 8].map { (tile: tile, part: part(tile, groupsWanted: $0 * units)) }
            }
            return choices.min { cost($0.tile, $0.part) < cost($1.tile, $1.part) }!
        }
    }

    /// Positions of a part, for about as many work-groups; a multiple of the tile's step.
    func part(_ tile: ConvolutionTile, groupsWanted: Int) -> Int {
        let tiles = tile.tiles(rows: outputs, columns: channels * kernelSize)
        let depth = images * outputSize
        let size = groups * outputs * channels * kernelSize
        // At most 128 MiB, and as many work-groups as a launch counts.
        let most = min((1 << 25) / max(size, 1), 65_535 / groups, depth / (4 * tile.k))
        let parts = max(1, min(groupsWanted / (tiles.m * tiles.n * groups), most))
        let length = (depth + parts - 1) / parts
        return (length + tile.k - 1) / tile.k * tile.k
    }
}

/// Division by a constant as a multiplication and a shift: the numbers of the kernels' structure `Divisor`.
private func divisor(_ number: Int) -> [Int] {
    var shift = 0
    while 1 << shift < number { shift += 1 }
    let factor = ((1 << shift) - number) * (1 << 32) / number + 1
    return [Int(Int32(truncatingIfNeeded: factor)), shift]
}
