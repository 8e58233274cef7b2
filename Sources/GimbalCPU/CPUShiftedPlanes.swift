import CGimbalLoops
import GimbalBackend

// Convolutions by shifted planes: see convolution_loops.h. The work is divided among threads by images, and by channels where
// there are too few of them; no result depends on how.

extension CPUBackend {
    /// A convolution of contiguous float32 operands.
    package func shiftedConvolution(
        _ x: TensorView, weight: TensorView, bias: TensorView?, _ geometry: ConvolutionGeometry, out: TensorView
    ) throws {
        let grid = ConvolutionGrid(geometry, x, out)
        let phases = grid.phases
        let channels = x.shape[1] / geometry.groups
        let kernel = geometry.kernelCount
        let terms = (0..<channels).flatMap { channel in
            (0..<kernel).map { element -> Correlation.Term in
                let tap = grid.taps[element]
                return Correlation.Term(
                    plane: channel * phases.count + phases.firstIndex(of: tap.phase)!, shift: tap.shift,
                    column: channel * kernel + element)
            }
        }
        try correlate(
            Correlation(
                grid: grid, images: x.shape[0], groups: geometry.groups, sources: channels,
                sourcePlanes: phases.map(grid.inputPlane), rows: out.shape[1] / geometry.groups,
                rowStride: channels * kernel, targets: [(grid.outputPlane, terms)]), source: x.floats,
            weight: weight.floats, bias: bias?.floats, out: out.floats, accumulates: false)
    }

    /// The gradient of its input.
    package func shiftedInputGradient(
        _ outputGradient: TensorView, weight: TensorView, _ geometry: ConvolutionGeometry, out: TensorView,
        accumulates: Bool
    ) throws {
        let areExact = largest(of: weight).isFinite
        if accumulates && !areExact {
            let part = try allocate(out.shape, .float32)
            try shiftedInputGradient(outputGradient, weight: weight, geometry, out: part, accumulates: false)
            return binary(.init(.add), out, part, out: out)
        }
        let grid = ConvolutionGrid(geometry, out, outputGradient)
        let outputs = outputGradient.shape[1] / geometry.groups
        let channels = out.shape[1] / geometry.groups
        let kernel = geometry.kernelCount
        let targets = grid.allPhases.map { phase in
            let elements = (0..<kernel).filter { grid.taps[$0].phase == phase }
            let terms = (0..<outputs).flatMap { output in
                elements.map {
                    Correlation.Term(
                        plane: output, shift: -grid.taps[$0].shift, column: output * channels * kernel + $0)
                }
            }
            return (grid.inputPlane(phase), terms)
        }
        try correlate(
            Correlation(
                grid: grid, images: out.shape[0], groups: geometry.groups, sources: outputs,
                sourcePlanes: [grid.outputPlane], rows: channels, rowStride: kernel, targets: targets),
            source: outputGradient.floats, weight: weight.floats, bias: nil, out: out.floats, accumulates: accumulates)
        if !areExact {
            let steps = ConvolutionSteps(geometry, out, outputGradient)
            mendNaN(out.floats, out.elementCount) {
                steps.inputGradient(at: $0, outputGradient.floats, weight: weight.floats)
            }
        }
    }

    /// Puts `exact` in the place of each NaN.
    private func mendNaN(_ values: UnsafeMutablePointer<Float>, _ count: Int, _ exact: (_ index: Int) -> Float) {
        divide(count, grain: 64) { range in
            for index in range where values[index].isNaN { values[index] = exact(index) }
        }
    }

    // MARK: Sums of shifted planes

    private func correlate(
        _ job: Correlation, source: UnsafePointer<Float>, weight: UnsafePointer<Float>, bias: UnsafePointer<Float>?,
        out: UnsafeMutablePointer<Float>, accumulates: Bool
    ) throws {
        let grid = job.grid
        let block = loops.convolution_block
        let tile = job.imagesPerTile(threads: threads)
        let tiles = (job.images + tile - 1) / tile
        let rowParts = tiles >= threads ? 1 : min((threads + tiles - 1) / tiles, (job.rows + 7) / 8)
        let rowsPerPart = ((job.rows + rowParts - 1) / rowParts + 7) / 8 * 8
        let positions = (tile * grid.count + block - 1) / block * block
        let chunk = min(positions, max(32768 / min(job.rows, rowsPerPart) / block, 1) * block)
        let channelStride = grid.reach + tile * grid.count
        let gridCount = job.sources * job.sourcePlanes.count * channelStride + grid.reach + block
        let chunkCount = min(job.rows, rowsPerPart) * chunk

        let kernels = try job.targets.map { target in
            let packed = try allocate([job.groups, job.rows, max(target.terms.count, 1)], .float32)
            let columns = target.terms.map(\.column)
            let groupSize = job.weightsPerGroup
            for group in 0..<job.groups {
                loops.pack_kernel(
                    weight + group * groupSize, job.rowStride, columns, columns.count, job.rows,
                    packed.floats + group * job.rows * columns.count)
            }
            return packed
        }
        let offsets = job.targets.map { $0.terms.map { grid.reach + $0.plane * channelStride + $0.shift } }
        let units = tiles * rowParts
        let workers = min(threads, units)
        let scratch = try allocate([workers, gridCount + chunkCount], .float32)
        let sourceSize = job.sourcePlanes[0].imageCount
        run(parts: workers) { worker in
            let memory = scratch.floats + worker * (gridCount + chunkCount)
            memory.update(repeating: 0, count: gridCount)
            let sums = memory + gridCount
            for unit in stride(from: worker, to: units, by: workers) {
                let first = unit / rowParts * tile
                let count = min(tile, job.images - first)
                let firstRow = unit % rowParts * rowsPerPart
                let rows = min(rowsPerPart, job.rows - firstRow)
                if rows <= 0 { continue }
                for group in 0..<job.groups {
                    for channel in 0..<job.sources {
                        for (index, plane) in job.sourcePlanes.enumerated() {
                            var plane = plane
                            let to = memory + (channel * job.sourcePlanes.count + index) * channelStride + grid.reach
                            for image in 0..<count {
                                let from = ((first + image) * job.groups + group) * job.sources + channel
                                loops.spread_plane(&plane, source + from * sourceSize, to + image * grid.count)
                            }
                        }
                    }
                    for (index, target) in job.targets.enumerated() {
                        if offsets[index].isEmpty && accumulates { continue }
                        var plane = target.plane
                        let targetSize = plane.imageCount
                        let depth = offsets[index].count
                        let weights = kernels[index].floats + (group * job.rows + firstRow) * depth
                        for start in stride(from: 0, to: count * grid.count, by: chunk) {
                            let end = min(start + chunk, count * grid.count)
                            loops.shifted_product(
                                weights, offsets[index], depth, rows, memory + start, sums, chunk,
                                (end - start + block - 1) / block * block)
                            for image in start / grid.count...(end - 1) / grid.count {
                                let low = max(start, image * grid.count)
                                let high = min(end, (image + 1) * grid.count)
                                for row in 0..<rows {
                                    let channel = group * job.rows + firstRow + row
                                    let place = (first + image) * job.groups * job.rows + channel
                                    loops.collect_plane(
                                        &plane, sums + row * chunk + (low - start), low - image * grid.count,
                                        high - image * grid.count, bias?[channel] ?? 0, accumulates,
                                        out + place * targetSize)
                                }
                            }
                        }
                    }
                }
            }
        }
        withExtendedLifetime((scratch, kernels)) {}
    }

    // MARK: Products of planes

    /// The gradient of the weight: for each of its elements, the outputs' gradients times a shifted plane, summed.
    package func shiftedWeightGradient(
        _ x: TensorView, outputGradient: TensorView, _ geometry: ConvolutionGeometry, out: TensorView, accumulates: Bool
    ) throws {
        let grid = ConvolutionGrid(geometry, x, outputGradient)
        let (images, groups) = (x.shape[0], geometry.groups)
        let channels = x.shape[1] / groups
        let rows = outputGradient.shape[1] / groups
        let depth = channels * geometry.kernelCount
        let phases = grid.phases
        let inputPlanes = phases.map(grid.inputPlane)
        let (inputSize, outputSize) = (inputPlanes[0].imageCount, grid.outputPlane.imageCount)
        let tile = max(1, min(images, 1024 / grid.count))
        let tiles = (images + tile - 1) / tile
        // Fixed numbers of parts, so that the order of the sums depends on the sizes alone.
        let isSmall = out.elementCount <= 1 << 16
        let imageParts = isSmall ? min(tiles, 16) : 1
        let rowsPerPart = isSmall ? rows : min(rows, 32)
        let rowParts = (rows + rowsPerPart - 1) / rowsPerPart

        let vector = 16
        let chunk = 1024
        let positions = (tile * grid.count + vector - 1) / vector * vector
        let channelStride = grid.reach + tile * grid.count
        let inputCount = channels * phases.count * channelStride + grid.reach + vector
        let outputCount = rowsPerPart * positions
        let offsets = (0..<channels).flatMap { channel in
            grid.taps.map { tap in
                (channel * phases.count + phases.firstIndex(of: tap.phase)!) * channelStride + grid.reach + tap.shift
            }
        }
        let units = imageParts * rowParts
        let workers = min(threads, max(units, 1))
        let scratch = try allocate([workers, inputCount + outputCount], .float32)
        let partials = try allocate([max(imageParts, 1), out.elementCount], .float32)
        fill(partials, with: 0)
        run(parts: workers) { worker in
            let memory = scratch.floats + worker * (inputCount + outputCount)
            memory.update(repeating: 0, count: inputCount + outputCount)
            let gradient = memory + inputCount
            for unit in stride(from: worker, to: units, by: workers) {
                let part = unit / rowParts
                let firstRow = unit % rowParts * rowsPerPart
                let rowCount = min(rowsPerPart, rows - firstRow)
                for index in part * tiles / imageParts..<(part + 1) * tiles / imageParts {
                    let first = index * tile
                    let count = min(tile, images - first)
                    let live = (count * grid.count + vector - 1) / vector * vector
                    for group in 0..<groups {
                        for channel in 0..<channels {
                            for (index, plane) in inputPlanes.enumerated() {
                                var plane = plane
                                let to = memory + (channel * phases.count + index) * channelStride + grid.reach
                                for image in 0..<count {
                                    let from = ((first + image) * groups + group) * channels + channel
                                    loops.spread_plane(&plane, x.floats + from * inputSize, to + image * grid.count)
                                }
                            }
                        }
                        var plane = grid.outputPlane
                        for row in 0..<rowCount {
                            let to = gradient + row * positions
                            for image in 0..<count {
                                let from = ((first + image) * groups + group) * rows + firstRow + row
                                loops.spread_plane(
                                    &plane, outputGradient.floats + from * outputSize, to + image * grid.count)
                            }
                            (to + count * grid.count).update(repeating: 0, count: live - count * grid.count)
                        }
                        let sums = partials.floats + part * out.elementCount + (group * rows + firstRow) * depth
                        for start in stride(from: 0, to: live, by: chunk) {
                            loops.shifted_dots(
                                gradient + start, positions, rowCount, offsets, depth, memory + start,
                                min(chunk, live - start), sums)
                        }
                    }
                }
            }
        }
        if areFinite(partials) || areFinite(x) {
            addParts(0..<imageParts, of: partials, to: out.floats, accumulates: accumulates)
        } else {
            let steps = ConvolutionSteps(geometry, x, outputGradient)
            addParts(1..<max(imageParts, 1), of: partials, to: partials.floats, accumulates: true)
            mendNaN(partials.floats, out.elementCount) {
                steps.weightGradient(at: $0, x.floats, outputGradient: outputGradient.floats)
            }
            addParts(0..<1, of: partials, to: out.floats, accumulates: accumulates)
        }
        withExtendedLifetime((scratch, partials)) {}
    }
}

/// Planes that are sums of shifted planes, weighted: a convolution, or the gradient of its input.
private struct Correlation {
    struct Term {
        /// Among the planes of a group's sources.
        var plane: Int
        var shift: Int
        /// Where in a group's weights its factor lies, for row 0.
        var column: Int
    }

    var grid: ConvolutionGrid
    var images: Int
    var groups: Int
    /// Channels of the source in a group, and the planes that each is divided into.
    var sources: Int
    var sourcePlanes: [gimbal_plane]
    /// Channels of the target in a group, and how far their weights lie apart.
    var rows: Int
    var rowStride: Int
    /// The planes that each channel of the target is divided into.
    var targets: [(plane: gimbal_plane, terms: [Term])]

    var weightsPerGroup: Int { rows * sources * grid.taps.count }

    /// Enough images for long rows, but no thread without one.
    func imagesPerTile(threads: Int) -> Int { max(1, min(1024 / grid.count, (images + threads - 1) / threads)) }
}

extension ConvolutionGrid {
    fileprivate init(_ geometry: ConvolutionGeometry, _ image: TensorView, _ output: TensorView) {
        self.init(
            geometry, image: [Int](image.shape.sizes.dropFirst(2)), output: [Int](output.shape.sizes.dropFirst(2)))
    }
}

extension gimbal_plane { fileprivate var imageCount: Int { image_size.0 * image_size.1 * image_size.2 } }
