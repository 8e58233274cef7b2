import CGimbalLoops
import GimbalBackend

// Convolutions on planes whose channels lie side by side: see channels_last_loops.h. Elements of the kernel that fall outside
// an image are passed over. Zeros there would make NaN of an infinite weight, or gradient: where there is such a number, the
// caller is told to go another way.

extension CPUBackend {
    /// A convolution of contiguous float32 operands. False, and nothing is done, where zeros around the input meet a weight
    /// that is not finite.
    package func gatheredConvolution(
        _ x: TensorView, weight: TensorView, bias: TensorView?, _ geometry: ConvolutionGeometry, out: TensorView
    ) throws -> Bool {
        if geometry.padding.contains(where: { $0 > 0 }) && !areFinite(weight) { return false }
        let (image, output) = (spatialSizes(x), spatialSizes(out))
        let (channels, outputs) = (x.shape[1] / geometry.groups, out.shape[1] / geometry.groups)
        let kernel = geometry.kernelCount
        try gather(
            Gathering(
                taps: ConvolutionTaps(geometry, image: image, output: output), images: x.shape[0],
                groups: geometry.groups, depth: channels, lanes: outputs, depthStride: kernel,
                laneStride: channels * kernel), source: x.floats, weight: weight.floats, bias: bias?.floats,
            out: out.floats, accumulates: false)
        return true
    }

    /// The gradient of its input.
    package func gatheredInputGradient(
        _ outputGradient: TensorView, weight: TensorView, _ geometry: ConvolutionGeometry, out: TensorView,
        accumulates: Bool
    ) throws {
        let (image, output) = (spatialSizes(out), spatialSizes(outputGradient))
        let (channels, outputs) = (out.shape[1] / geometry.groups, outputGradient.shape[1] / geometry.groups)
        let kernel = geometry.kernelCount
        try gather(
            Gathering(
                taps: ConvolutionTaps(gradientOf: geometry, image: image, output: output), images: out.shape[0],
                groups: geometry.groups, depth: outputs, lanes: channels, depthStride: channels * kernel,
                laneStride: kernel), source: outputGradient.floats, weight: weight.floats, bias: nil, out: out.floats,
            accumulates: accumulates)
    }

    private func gather(
        _ job: Gathering, source: UnsafePointer<Float>, weight: UnsafePointer<Float>, bias: UnsafePointer<Float>?,
        out: UnsafeMutablePointer<Float>, accumulates: Bool
    ) throws {
        let (taps, depth) = (job.taps, job.depth)
        let panelLanes = min(loops.gathered_lanes, wholeVectors(job.lanes))
        let panels = (job.lanes + panelLanes - 1) / panelLanes
        /// Lanes of a panel, and those that are not only there to fill the last vector.
        func lanes(_ panel: Int) -> (whole: Int, live: Int) {
            let live = min(panelLanes, job.lanes - panel * panelLanes)
            return (wholeVectors(live), live)
        }
        let blocks = job.blocks(lanes: panelLanes)
        let panelSize = taps.elements * depth * panelLanes
        let packed = try allocate([job.groups * panels, panelSize], .float32)
        let biases = try allocate([job.groups * panels, panelLanes], .float32)
        biases.floats.update(repeating: 0, count: biases.elementCount)
        divide(job.groups * panels * blocks.count, grain: 1) { range in
            for index in range {
                let (unit, block) = (index / blocks.count, blocks[index % blocks.count])
                let (group, panel) = (unit / panels, unit % panels)
                let (whole, live) = lanes(panel)
                let to = packed.floats + unit * panelSize + block.lowerBound * taps.elements * whole
                if live < whole { to.update(repeating: 0, count: block.count * taps.elements * whole) }
                let from = weight + group * job.weightsPerGroup + panel * panelLanes * job.laneStride
                for channel in block {
                    loops.transposed(
                        from + channel * job.depthStride, job.laneStride, taps.elements, live,
                        to + (channel - block.lowerBound) * whole, block.count * whole, false)
                }
                if let bias, block.lowerBound == 0 {
                    (biases.floats + unit * panelLanes).update(
                        from: bias + group * job.lanes + panel * panelLanes, count: live)
                }
            }
        }

        let tile = job.imagesPerTile(threads: threads, lanes: panelLanes)
        let tiles = (job.images + tile - 1) / tile
        let panelParts = tiles >= threads ? 1 : min((threads + tiles - 1) / tiles, panels)
        let classes = taps.classes.map { rows in
            (
                runs: blocks.map { job.runs(rows.taps, $0) },
                places: taps.places(rows.rows, images: tile, sourceWidth: depth, targetWidth: panelLanes),
                rows: rows.rows.count
            )
        }
        let (sourceCount, sumCount) = (tile * taps.sources * depth, tile * taps.targets * panelLanes)
        let units = tiles * panelParts
        let workers = min(threads, units)
        let scratch = try allocate([workers, sourceCount + sumCount], .float32)
        run(parts: workers) { worker in
            let memory = scratch.floats + worker * (sourceCount + sumCount)
            let sums = memory + sourceCount
            for unit in stride(from: worker, to: units, by: workers) {
                let first = unit / panelParts * tile
                let count = min(tile, job.images - first)
                let part = unit % panelParts
                for group in 0..<job.groups {
                    for image in 0..<count {
                        loops.transposed(
                            source + ((first + image) * job.groups + group) * depth * taps.sources, taps.sources,
                            taps.sources, depth, memory + image * taps.sources * depth, depth, false)
                    }
                    for panel in part * panels / panelParts..<(part + 1) * panels / panelParts {
                        let (whole, live) = lanes(panel)
                        let place = group * panels + panel
                        for (index, block) in blocks.enumerated() {
                            for rows in classes {
                                rows.runs[index].withUnsafeBufferPointer { runs in
                                    var product = gimbal_gathered_product(
                                        source: memory + block.lowerBound,
                                        panel: packed.floats + place * panelSize + block.lowerBound * taps.elements
                                            * whole, lanes: whole, runs: runs.baseAddress, run_count: runs.count,
                                        sums: sums, bias: biases.floats + place * panelLanes, accumulates: index > 0)
                                    loops.gathered_product(&product, rows.places, rows.rows * count)
                                }
                            }
                        }
                        for image in 0..<count {
                            let channel = ((first + image) * job.groups + group) * job.lanes + panel * panelLanes
                            loops.transposed(
                                sums + image * taps.targets * panelLanes, panelLanes, live, taps.targets,
                                out + channel * taps.targets, taps.targets, accumulates)
                        }
                    }
                }
            }
        }
        withExtendedLifetime((packed, biases, scratch)) {}
    }

    /// The gradient of the weight. False, and nothing is added to `out`, where it is not finite and zeros around the input
    /// might have a part in that.
    package func gatheredWeightGradient(
        _ x: TensorView, outputGradient: TensorView, _ geometry: ConvolutionGeometry, out: TensorView, accumulates: Bool
    ) throws -> Bool {
        let taps = ConvolutionTaps(geometry, image: spatialSizes(x), output: spatialSizes(outputGradient))
        let (images, groups, elements) = (x.shape[0], geometry.groups, taps.elements)
        let (channels, outputs) = (x.shape[1] / groups, outputGradient.shape[1] / groups)
        // The side that fills vectors better lies along them.
        let lanesAreOutputs = wholeVectors(outputs) * channels < wholeVectors(channels) * outputs
        let (rows, lanes) = lanesAreOutputs ? (channels, outputs) : (outputs, channels)
        let (rowPositions, lanePositions) =
            lanesAreOutputs ? (taps.sources, taps.targets) : (taps.targets, taps.sources)
        let (rowPlanes, lanePlanes) = lanesAreOutputs ? (x, outputGradient) : (outputGradient, x)
        let panelLanes = min(loops.gathered_lanes, wholeVectors(lanes))
        let panels = (lanes + panelLanes - 1) / panelLanes
        // Sums for about a quarter of a second-level cache, and images for another.
        let mostRows = max(6, min(256, 65536 / (elements * panelLanes) / 6 * 6))
        let rowBlocks = (rows + mostRows - 1) / mostRows
        let rowsPerBlock = (rows + rowBlocks - 1) / rowBlocks
        let imageSize = rowPositions * rowsPerBlock + lanePositions * panelLanes
        let tile = max(1, min(images, 65536 / imageSize))
        let tiles = (images + tile - 1) / tile
        // Numbers of parts by the sizes alone, so that the order of the sums does not depend on the threads.
        let imageParts = max(1, min(tiles, 8, (1 << 18) / out.elementCount))
        let places = taps.pairs.map { pairs in
            (
                places: taps.places(
                    pairs, images: tile, sourceWidth: lanesAreOutputs ? rowsPerBlock : panelLanes,
                    targetWidth: lanesAreOutputs ? panelLanes : rowsPerBlock, targetFirst: !lanesAreOutputs),
                perImage: pairs.count
            )
        }
        let partials = try allocate([imageParts, out.elementCount], .float32)
        let units = imageParts * groups * rowBlocks * panels
        let workers = min(threads, units)
        let sumCount = elements * rowsPerBlock * panelLanes
        let scratch = try allocate([workers, tile * imageSize + sumCount], .float32)
        run(parts: workers) { worker in
            let left = scratch.floats + worker * (tile * imageSize + sumCount)
            let right = left + tile * rowPositions * rowsPerBlock
            let sums = left + tile * imageSize
            for unit in stride(from: worker, to: units, by: workers) {
                let (panel, block) = (unit % panels, unit / panels % rowBlocks)
                let (group, part) = (unit / panels / rowBlocks % groups, unit / panels / rowBlocks / groups)
                let (firstLane, firstRow) = (panel * panelLanes, block * rowsPerBlock)
                let (liveLanes, rowCount) = (min(panelLanes, lanes - firstLane), min(rowsPerBlock, rows - firstRow))
                if rowCount <= 0 { continue }
                let width = wholeVectors(liveLanes)
                sums.update(repeating: 0, count: elements * rowCount * width)
                if liveLanes < width { right.update(repeating: 0, count: tile * lanePositions * panelLanes) }
                for index in part * tiles / imageParts..<(part + 1) * tiles / imageParts {
                    let first = index * tile
                    let count = min(tile, images - first)
                    for image in 0..<count {
                        let sample = (first + image) * groups + group
                        loops.transposed(
                            rowPlanes.floats + (sample * rows + firstRow) * rowPositions, rowPositions, rowPositions,
                            rowCount, left + image * rowPositions * rowsPerBlock, rowsPerBlock, false)
                        loops.transposed(
                            lanePlanes.floats + (sample * lanes + firstLane) * lanePositions, lanePositions,
                            lanePositions, liveLanes, right + image * lanePositions * panelLanes, panelLanes, false)
                    }
                    for (element, met) in places.enumerated() {
                        met.places.withUnsafeBufferPointer { pairs in
                            var outer = gimbal_gathered_outer(
                                left: left, right: right, places: pairs.baseAddress, count: met.perImage * count,
                                sums: sums + element * rowCount * width)
                            loops.gathered_outer(&outer, rowCount, width)
                        }
                    }
                }
                for row in 0..<rowCount {
                    let (output, channel) = lanesAreOutputs ? (firstLane, firstRow + row) : (firstRow + row, firstLane)
                    let to = ((group * outputs + output) * channels + channel) * elements
                    loops.transposed(
                        sums + row * width, rowCount * width, liveLanes, elements,
                        partials.floats + part * out.elementCount + to,
                        lanesAreOutputs ? channels * elements : elements, false)
                }
            }
        }
        // An infinite gradient shows in the elements that meet it within the image; where there may be none, it is looked for.
        guard areFinite(partials), taps.classes.allSatisfy({ !$0.taps.isEmpty }) || areFinite(outputGradient) else {
            return false
        }
        addParts(0..<imageParts, of: partials, to: out.floats, accumulates: accumulates)
        withExtendedLifetime((scratch, partials)) {}
        return true
    }
}

private func spatialSizes(_ view: TensorView) -> [Int] { [Int](view.shape.sizes.dropFirst(2)) }

/// Targets that are sums over runs of channels: a convolution, or the gradient of its input.
private struct Gathering {
    var taps: ConvolutionTaps
    var images: Int
    var groups: Int
    /// Channels of the source in a group, and of the target.
    var depth: Int
    var lanes: Int
    /// How far apart the weights of neighbouring channels of either lie.
    var depthStride: Int
    var laneStride: Int

    var weightsPerGroup: Int { depth * lanes * taps.elements }

    /// Ranges of the source's channels; a panel of one keeps to half of a second-level cache.
    func blocks(lanes: Int) -> [Range<Int>] {
        let most = max(16, 131072 / (taps.elements * lanes))
        let count = (depth + most - 1) / most
        let length = ((depth + count - 1) / count + 15) / 16 * 16
        return stride(from: 0, to: depth, by: length).map { $0..<min($0 + length, depth) }
    }

    /// Images for a fifth of a second-level cache, or for rows enough that a panel is worth its way from memory; but no thread
    /// without one.
    func imagesPerTile(threads: Int, lanes: Int) -> Int {
        let wanted = max(49152 / (taps.sources * depth + taps.targets * lanes), (127 + taps.targets) / taps.targets)
        return max(1, min((images + threads - 1) / threads, wanted))
    }

    /// The runs of a block of channels. Where that is all of them, neighbouring positions give one.
    func runs(_ taps: [ConvolutionTaps.Tap], _ block: Range<Int>) -> [gimbal_run] {
        var result: [gimbal_run] = []
        for tap in taps {
            let (source, panel) = (Int32(tap.distance * depth), Int32(tap.element * block.count))
            if block.count == depth, let last = result.last, last.source + last.count == source,
                last.panel + last.count == panel
            {
                result[result.count - 1].count += Int32(depth)
            } else {
                result.append(gimbal_run(source: source, panel: panel, count: Int32(block.count)))
            }
        }
        return result
    }
}
