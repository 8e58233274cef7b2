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
        if geometry.padding.contains(where: { $0 > 0 }) && !largest(of: weight).isFinite { return false }
        let (channels, outputs) = (x.shape[1] / geometry.groups, out.shape[1] / geometry.groups)
        let kernel = geometry.kernelCount
        try gather(
            Gathering(
                geometry: geometry, image: spatialSizes(x), output: spatialSizes(out), isGradient: false,
                images: x.shape[0], depth: channels, lanes: outputs, depthStride: kernel, laneStride: channels * kernel),
            source: x.floats, weight: weight, bias: bias?.floats, out: out.floats, accumulates: false)
        return true
    }

    /// The gradient of its input.
    package func gatheredInputGradient(
        _ outputGradient: TensorView, weight: TensorView, _ geometry: ConvolutionGeometry, out: TensorView,
        accumulates: Bool
    ) throws {
        let (channels, outputs) = (out.shape[1] / geometry.groups, outputGradient.shape[1] / geometry.groups)
        let kernel = geometry.kernelCount
        try gather(
            Gathering(
                geometry: geometry, image: spatialSizes(out), output: spatialSizes(outputGradient), isGradient: true,
                images: out.shape[0], depth: outputs, lanes: channels, depthStride: channels * kernel,
                laneStride: kernel),
            source: outputGradient.floats, weight: weight, bias: nil, out: out.floats, accumulates: accumulates)
    }

    private func gather(
        _ job: Gathering, source: UnsafePointer<Float>, weight: TensorView, bias: UnsafePointer<Float>?,
        out: UnsafeMutablePointer<Float>, accumulates: Bool
    ) throws {
        let (depth, groups, elements) = (job.depth, job.geometry.groups, job.geometry.kernelCount)
        let (sources, targets) = (job.sourceCount, job.targetCount)
        let mostLanes = min(loops.gathered_lanes, wholeVectors(job.lanes))
        // An order of sums that does not depend on the number of threads.
        let blocks = job.blocks(lanes: mostLanes)
        let panelLanes = sharedLanes(job.lanes, most: mostLanes, among: job.images)
        let panels = (job.lanes + panelLanes - 1) / panelLanes
        /// Lanes of a panel, and those that are not only there to fill the last vector.
        func lanes(_ panel: Int) -> (whole: Int, live: Int) {
            let live = min(panelLanes, job.lanes - panel * panelLanes)
            return (wholeVectors(live), live)
        }
        let panelSize = elements * depth * panelLanes
        let packed = try laidOut(weight, job, panelLanes: panelLanes, blocks)
        let biases = try laidOut(bias, groups: groups, lanes: job.lanes, panelLanes: panelLanes)

        let tile = job.imagesPerTile(threads: threads, lanes: panelLanes)
        let tiles = (job.images + tile - 1) / tile
        let panelParts = tiles >= threads ? 1 : min((threads + tiles - 1) / tiles, panels)
        let plan = plans.plan(
            .init(
                method: job.isGradient ? .gatheringGradient : .gathering, geometry: job.geometry, image: job.image,
                output: job.output, counts: [depth, tile, panelLanes])
        ) {
            GatheringPlan(job.taps, depth: depth, blocks: blocks, images: tile, targetWidth: panelLanes)
        }
        let (sourceCount, sumCount) = (tile * sources * depth, tile * targets * panelLanes)
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
                for group in 0..<groups {
                    for image in 0..<count {
                        loops.transposed(
                            source + ((first + image) * groups + group) * depth * sources, sources, sources, depth,
                            memory + image * sources * depth, depth, false)
                    }
                    for panel in part * panels / panelParts..<(part + 1) * panels / panelParts {
                        let (whole, live) = lanes(panel)
                        let place = group * panels + panel
                        for (index, block) in blocks.enumerated() {
                            for rows in plan.classes {
                                rows.runs[index].withUnsafeBufferPointer { runs in
                                    var product = gimbal_gathered_product(
                                        source: memory + block.lowerBound,
                                        panel: packed.floats + place * panelSize + block.lowerBound * elements * whole,
                                        lanes: whole, runs: runs.baseAddress, run_count: runs.count,
                                        sums: sums, bias: biases.floats + place * panelLanes, accumulates: index > 0)
                                    loops.gathered_product(&product, rows.places, rows.rowsPerImage * count)
                                }
                            }
                        }
                        for image in 0..<count {
                            let channel = ((first + image) * groups + group) * job.lanes + panel * panelLanes
                            loops.transposed(
                                sums + image * targets * panelLanes, panelLanes, live, targets,
                                out + channel * targets, targets, accumulates)
                        }
                    }
                }
            }
        }
        withExtendedLifetime((packed, biases, scratch)) {}
    }

    /// Lanes of a panel: as many as may be, or fewer where there are not images for all threads.
    func sharedLanes(_ lanes: Int, most: Int, among images: Int) -> Int {
        let wanted = (threads + images - 1) / images
        return max(min(most, wholeVectors((lanes + wanted - 1) / wanted)), loops.vector_lanes)
    }

    /// The weights in panels, [group, panel][block][element][channel][lane].
    private func laidOut(
        _ weight: TensorView, _ job: Gathering, panelLanes: Int, _ blocks: [Range<Int>]
    ) throws -> TensorView {
        let (groups, elements) = (job.geometry.groups, job.geometry.kernelCount)
        let panels = (job.lanes + panelLanes - 1) / panelLanes
        let panelSize = elements * job.depth * panelLanes
        let key = [
            LaidOut.gathered, weight.offset, groups, elements, job.depth, job.lanes, job.depthStride, panelLanes,
            blocks[0].count,
        ]
        return try laidOut(weight, key, rows: job.images * job.targetCount, [groups * panels, panelSize]) { packed in
            divide(groups * panels * blocks.count, grain: 1) { range in
                for index in range {
                    let (unit, block) = (index / blocks.count, blocks[index % blocks.count])
                    let (group, panel) = (unit / panels, unit % panels)
                    let live = min(panelLanes, job.lanes - panel * panelLanes)
                    let whole = wholeVectors(live)
                    let to = packed.floats + unit * panelSize + block.lowerBound * elements * whole
                    if live < whole { to.update(repeating: 0, count: block.count * elements * whole) }
                    let from =
                        weight.floats + group * job.depth * job.lanes * elements + panel * panelLanes * job.laneStride
                    for channel in block {
                        loops.transposed(
                            from + channel * job.depthStride, job.laneStride, elements, live,
                            to + (channel - block.lowerBound) * whole, block.count * whole, false)
                    }
                }
            }
        }
    }

    /// The gradient of the weight. False, and nothing is added to `out`, where it is not finite and zeros around the input
    /// might have a part in that.
    package func gatheredWeightGradient(
        _ x: TensorView, outputGradient: TensorView, _ geometry: ConvolutionGeometry, out: TensorView, accumulates: Bool
    ) throws -> Bool {
        let (image, output) = (spatialSizes(x), spatialSizes(outputGradient))
        let (images, groups, elements) = (x.shape[0], geometry.groups, geometry.kernelCount)
        let (sources, targets) = (image.reduce(1, *), output.reduce(1, *))
        let (channels, outputs) = (x.shape[1] / groups, outputGradient.shape[1] / groups)
        // The side that fills vectors better lies along them.
        let lanesAreOutputs = wholeVectors(outputs) * channels < wholeVectors(channels) * outputs
        let (rows, lanes) = lanesAreOutputs ? (channels, outputs) : (outputs, channels)
        let (rowPositions, lanePositions) =
            lanesAreOutputs ? (sources, targets) : (targets, sources)
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
        let plan = plans.plan(
            .init(
                method: .gatheredWeight, geometry: geometry, image: image, output: output,
                counts: [tile, rowsPerBlock, panelLanes, lanesAreOutputs ? 1 : 0])
        ) {
            GatheredWeightPlan(
                ConvolutionTaps(geometry, image: image, output: output), images: tile,
                sourceWidth: lanesAreOutputs ? rowsPerBlock : panelLanes,
                targetWidth: lanesAreOutputs ? panelLanes : rowsPerBlock, targetFirst: !lanesAreOutputs)
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
                    for (element, met) in plan.elements.enumerated() {
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
        guard areFinite(partials), plan.allTargetsMeet || areFinite(outputGradient) else {
            return false
        }
        addParts(0..<imageParts, of: partials, to: out.floats, accumulates: accumulates)
        withExtendedLifetime((scratch, partials)) {}
        return true
    }
}

/// Targets that are sums over runs of channels: a convolution, or the gradient of its input.
private struct Gathering {
    var geometry: ConvolutionGeometry
    var image: [Int]
    var output: [Int]
    var isGradient: Bool
    var images: Int
    /// Channels of the source in a group, and of the target.
    var depth: Int
    var lanes: Int
    /// How far apart the weights of neighbouring channels of either lie.
    var depthStride: Int
    var laneStride: Int

    var taps: ConvolutionTaps {
        isGradient
            ? ConvolutionTaps(gradientOf: geometry, image: image, output: output)
            : ConvolutionTaps(geometry, image: image, output: output)
    }

    /// Positions of an image of the source, and of the target.
    var sourceCount: Int { (isGradient ? output : image).reduce(1, *) }
    var targetCount: Int { (isGradient ? image : output).reduce(1, *) }

    /// Ranges of the source's channels; a panel of one keeps to half of a second-level cache.
    func blocks(lanes: Int) -> [Range<Int>] {
        let most = max(16, 131072 / (geometry.kernelCount * lanes))
        let count = (depth + most - 1) / most
        let length = ((depth + count - 1) / count + 15) / 16 * 16
        return stride(from: 0, to: depth, by: length).map { $0..<min($0 + length, depth) }
    }

    /// Images for a fifth of a second-level cache, or for rows enough that a panel is worth its way from memory; but no thread
    /// without one.
    func imagesPerTile(threads: Int, lanes: Int) -> Int {
        let wanted = max(49152 / (sourceCount * depth + targetCount * lanes), (127 + targetCount) / targetCount)
        return max(1, min((images + threads - 1) / threads, wanted))
    }
}
