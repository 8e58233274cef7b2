import CGimbalLoops
import GimbalBackend

// Convolutions of stride 1 with fewer multiplications: see winograd_loops.h. A larger kernel is a sum of several by 3 x 3, each on
// the source shifted, with zeros where it ends; what is multiplied by zeros alone is left out. A number that is not finite would spoil the whole of its tile, and so would one
// whose sums overflow: the caller looks for them.

extension CPUBackend {
    /// A convolution of contiguous float32 operands.
    package func winogradConvolution(
        _ x: TensorView, weight: TensorView, bias: TensorView?, _ geometry: ConvolutionGeometry, out: TensorView
    ) throws {
        let (channels, outputs) = (x.shape[1] / geometry.groups, out.shape[1] / geometry.groups)
        try multiplyPoints(
            from: x, to: out, weight: weight, bias: bias?.floats, geometry,
            padding: geometry.onTwoAxes.padding, isTurned: false, depth: channels, lanes: outputs, accumulates: false)
    }

    /// The gradient of its input: the convolution of the outputs' with the weight turned round.
    package func winogradInputGradient(
        _ outputGradient: TensorView, weight: TensorView, _ geometry: ConvolutionGeometry, out: TensorView,
        accumulates: Bool
    ) throws {
        let (channels, outputs) = (out.shape[1] / geometry.groups, outputGradient.shape[1] / geometry.groups)
        let (kernel, padding, dilation) = geometry.onTwoAxes
        try multiplyPoints(
            from: outputGradient, to: out, weight: weight, bias: nil, geometry,
            padding: zip(kernel, zip(padding, dilation)).map { ($0 - 1) * $1.1 - $1.0 }, isTurned: true, depth: outputs,
            lanes: channels,
            accumulates: accumulates)
    }

    private func multiplyPoints(
        from source: TensorView, to out: TensorView, weight: TensorView, bias: UnsafePointer<Float>?,
        _ geometry: ConvolutionGeometry, padding: [Int], isTurned: Bool, depth: Int, lanes: Int, accumulates: Bool
    ) throws {
        let (kernel, _, dilation) = geometry.onTwoAxes
        let (images, groups) = (source.shape[0], geometry.groups)
        let vector = loops.vector_lanes
        let depthWidth = wholeVectors(depth)
        let perTile = WinogradKernel(kernel).inputs.count * depthWidth
        let tiles = WinogradTiles(
            source: source, target: out, kernel: kernel, padding: padding, dilation: dilation,
            tilesAtOnce: max(min(64, 32768 / perTile), 8192 / perTile, 16), images: (images + threads - 1) / threads)
        let (points, areLines) = (tiles.points, tiles.areLines)
        let imageParts = (images + tiles.images - 1) / tiles.images
        let panelLanes = sharedLanes(
            lanes, most: min(loops.gathered_lanes, wholeVectors(lanes)), among: imageParts * tiles.bands.count)
        let panels = (lanes + panelLanes - 1) / panelLanes
        let panelSize = tiles.kernel.matrixCount * depth * panelLanes
        let packed = try transformed(
            weight, geometry, isTurned: isTurned, depth: depth, lanes: lanes, panelLanes: panelLanes,
            tiles: out.elementCount / (4 * groups * lanes))
        let biases = try laidOut(bias, groups: groups, lanes: lanes, panelLanes: panelLanes)
        let noBias = biases.floats + groups * panels * panelLanes

        let plan = plans.plan(
            .init(
                method: isTurned ? .winogradGradient : .winograd, geometry: geometry, image: spatialSizes(source),
                output: spatialSizes(out), counts: [tiles.images, tiles.bands[0].count, depthWidth, panelLanes])
        ) {
            WinogradPlan(tiles, widths: (depthWidth, panelLanes), inputFirst: true)
        }
        let bands = plan.bands
        let sourceImage = tiles.sourcePositions * depthWidth
        let targetImage = tiles.targetPositions * panelLanes
        // Not a power of two apart, which the caches would put into few places.
        let (inputStride, outputStride) = (
            tiles.mostInputTiles * depthWidth + 16, tiles.mostTiles * panelLanes + 16
        )
        let runs = tiles.kernel.users.enumerated().map { point, users in
            let runs = users.enumerated().map { index, user in
                let piece = tiles.kernel.pieces[user]
                let place = piece.input * points * inputStride + tiles.inputTiles(before: piece) * depthWidth
                return gimbal_run(source: Int32(place), panel: Int32(index * depth), count: Int32(depth))
            }
            // A point without pieces reads no weights.
            let first = users.first.flatMap { tiles.kernel.matrices[$0][point] } ?? 0
            return (runs, first * depth)
        }
        let counts = [
            tiles.images * sourceImage, tiles.images * targetImage,
            tiles.kernel.inputs.count * points * inputStride, points * outputStride,
        ]
        let panelParts = imageParts * bands.count >= threads ? 1 : min(threads, panels)
        let units = imageParts * bands.count * panelParts
        let workers = min(threads, units)
        let scratch = try allocate([workers, counts.reduce(0, +)], .float32)
        run(parts: workers) { worker in
            let memory = scratch.floats + worker * counts.reduce(0, +)
            let sums = memory + counts[0]
            let inputs = sums + counts[1]
            let outputs = inputs + counts[2]
            memory.update(repeating: 0, count: counts[0])
            for unit in stride(from: worker, to: units, by: workers) {
                let part = unit % panelParts
                let band = bands[unit / panelParts % bands.count]
                let first = unit / panelParts / bands.count * tiles.images
                let count = min(tiles.images, images - first)
                let tileCount = count * band.tiles.count * tiles.columns
                for group in 0..<groups {
                    for image in 0..<count {
                        loops.transposed(
                            source.floats + ((first + image) * groups + group) * depth * tiles.sourceSize + band.source
                                .lowerBound * tiles.source.columns, tiles.sourceSize,
                            band.source.count * tiles.source.columns, depth, memory + image * sourceImage + depthWidth,
                            depthWidth, false)
                    }
                    for (index, places) in band.sourcePlaces.enumerated() {
                        loops.winograd_input(
                            memory, places, count * band.inputTiles, depthWidth / vector,
                            inputs + index * points * inputStride, inputStride, areLines)
                    }
                    for panel in part * panels / panelParts..<(part + 1) * panels / panelParts {
                        let live = min(panelLanes, lanes - panel * panelLanes)
                        let width = wholeVectors(live)
                        let place = group * panels + panel
                        for (point, (runs, first)) in runs.enumerated() {
                            runs.withUnsafeBufferPointer { runs in
                                var product = gimbal_gathered_product(
                                    source: inputs + point * inputStride,
                                    panel: packed.floats + place * panelSize + first * width, lanes: width,
                                    runs: runs.baseAddress, run_count: runs.count, sums: outputs + point * outputStride,
                                    bias: noBias, accumulates: false)
                                loops.gathered_product(&product, plan.pairs, tileCount)
                            }
                        }
                        loops.winograd_output(
                            outputs, outputStride, panelLanes, band.targetPlaces, tileCount, width / vector,
                            biases.floats + place * panelLanes, sums, areLines)
                        for image in 0..<count {
                            let channel = ((first + image) * groups + group) * lanes + panel * panelLanes
                            let positions = band.target.count * tiles.target.columns
                            loops.transposed(
                                sums + image * targetImage + panelLanes, panelLanes, live, positions,
                                out.floats + channel * tiles.targetSize + band.target.lowerBound * tiles.target.columns,
                                tiles.targetSize, accumulates)
                        }
                    }
                }
            }
        }
        withExtendedLifetime((packed, biases, scratch)) {}
    }

    /// The weights of all pieces of the kernel, transformed, in panels: [group, panel][point][piece][channel][lane].
    private func transformed(
        _ weight: TensorView, _ geometry: ConvolutionGeometry, isTurned: Bool, depth: Int, lanes: Int, panelLanes: Int,
        tiles: Int
    ) throws -> TensorView {
        let (elements, groups) = (geometry.kernelCount, geometry.groups)
        let (depthStride, laneStride) = isTurned ? (lanes * elements, elements) : (elements, depth * elements)
        let kernel = WinogradKernel(geometry.onTwoAxes.kernel)
        let panels = (lanes + panelLanes - 1) / panelLanes
        let panelSize = kernel.matrixCount * depth * panelLanes
        let key =
            [LaidOut.winograd, weight.offset, isTurned ? 1 : 0, groups, depth, lanes, panelLanes] + geometry.kernel
        return try laidOut(weight, key, rows: tiles, [groups * panels, panelSize]) { packed in
            let block = 16
            let blocks = (depth + block - 1) / block
            let packers = min(threads, groups * panels * blocks)
            let taps = try allocate([packers, (elements + 9) * block * panelLanes], .float32)
            run(parts: packers) { packer in
                let all = taps.floats + packer * (elements + 9) * block * panelLanes
                let nine = all + elements * block * panelLanes
                for index in stride(from: packer, to: groups * panels * blocks, by: packers) {
                    let (place, first) = (index / blocks, index % blocks * block)
                    let (group, panel) = (place / panels, place % panels)
                    let live = min(panelLanes, lanes - panel * panelLanes)
                    let (width, channels) = (wholeVectors(live), min(block, depth - first))
                    let size = channels * width
                    let from = weight.floats + group * depth * lanes * elements + panel * panelLanes * laneStride
                    if live < width { all.update(repeating: 0, count: elements * size) }
                    for channel in 0..<channels {
                        loops.transposed(
                            from + (first + channel) * depthStride, laneStride, elements, live, all + channel * width,
                            size, false)
                    }
                    for (index, piece) in kernel.pieces.enumerated() {
                        for (place, element) in piece.elements.enumerated() {
                            if let element {
                                (nine + place * size).update(
                                    from: all + (isTurned ? elements - 1 - element : element) * size, count: size)
                            } else {
                                (nine + place * size).update(repeating: 0, count: size)
                            }
                        }
                        let places = kernel.matrices[index].map { $0.map { $0 * depth * width } ?? -1 }
                        loops.winograd_weight(
                            nine, size, packed.floats + place * panelSize + first * width, places, kernel.areLines)
                    }
                }
            }
            withExtendedLifetime(taps) {}
        }
    }

    /// The gradient of the weight.
    package func winogradWeightGradient(
        _ x: TensorView, outputGradient: TensorView, _ geometry: ConvolutionGeometry, out: TensorView, accumulates: Bool
    ) throws {
        let (images, groups) = (x.shape[0], geometry.groups)
        let (lanes, rows) = (x.shape[1] / groups, outputGradient.shape[1] / groups)
        let vector = loops.vector_lanes
        let panelLanes = min(loops.gathered_lanes, wholeVectors(lanes))
        let panels = (lanes + panelLanes - 1) / panelLanes
        let (kernel, padding, dilation) = geometry.onTwoAxes
        let pieces = WinogradKernel(kernel).pieces
        let elements = geometry.kernelCount
        let mostRows = max(vector, 96 / pieces.count)
        let rowBlocks = (rows + mostRows - 1) / mostRows
        let rowWidth = wholeVectors((rows + rowBlocks - 1) / rowBlocks)
        let tiles = WinogradTiles(
            source: x, target: outputGradient, kernel: kernel, padding: padding, dilation: dilation, tilesAtOnce: 32,
            images: images)
        let (points, areLines) = (tiles.points, tiles.areLines)
        let chunks = (images + tiles.images - 1) / tiles.images * tiles.bands.count
        // Numbers of parts by the sizes alone, so that the order of the sums does not depend on the threads.
        let parts = max(1, min(chunks, 8, (1 << 18) / out.elementCount))
        let plan = plans.plan(
            .init(
                method: .winogradWeight, geometry: geometry, image: spatialSizes(x),
                output: spatialSizes(outputGradient),
                counts: [tiles.images, tiles.bands[0].count, panelLanes, rowWidth])
        ) {
            WinogradPlan(tiles, widths: (panelLanes, rowWidth), inputFirst: false)
        }
        let bands = plan.bands
        let (leftImage, rightImage) = (tiles.targetPositions * rowWidth, tiles.sourcePositions * panelLanes)
        let (leftStride, rightStride) = (
            tiles.mostTiles * rowWidth + 16, tiles.mostInputTiles * panelLanes + 16
        )
        let sumCount = rowWidth * panelLanes
        let counts = [
            tiles.images * leftImage, tiles.images * rightImage, points * leftStride, points * rightStride,
            pieces.count * points * sumCount, (elements + 9) * sumCount,
        ]
        let partials = try allocate([parts, out.elementCount], .float32)
        let units = parts * groups * rowBlocks * panels
        let workers = min(threads, units)
        let scratch = try allocate([workers, counts.reduce(0, +)], .float32)
        run(parts: workers) { worker in
            let leftPlanes = scratch.floats + worker * counts.reduce(0, +)
            let rightPlanes = leftPlanes + counts[0]
            let left = rightPlanes + counts[1]
            let right = left + counts[2]
            let sums = right + counts[3]
            let nine = sums + counts[4]
            let all = nine + 9 * sumCount
            for unit in stride(from: worker, to: units, by: workers) {
                let (panel, block) = (unit % panels, unit / panels % rowBlocks)
                let (group, part) = (unit / panels / rowBlocks % groups, unit / panels / rowBlocks / groups)
                let (firstLane, firstRow) = (panel * panelLanes, block * rowWidth)
                let (live, rowCount) = (min(panelLanes, lanes - firstLane), min(rowWidth, rows - firstRow))
                if rowCount <= 0 { continue }
                let width = wholeVectors(live)
                let size = rowCount * width
                sums.update(repeating: 0, count: pieces.count * points * size)
                leftPlanes.update(repeating: 0, count: counts[0] + counts[1])
                for chunk in part * chunks / parts..<(part + 1) * chunks / parts {
                    let band = bands[chunk % bands.count]
                    let first = chunk / bands.count * tiles.images
                    let count = min(tiles.images, images - first)
                    for image in 0..<count {
                        let sample = (first + image) * groups + group
                        loops.transposed(
                            outputGradient.floats + (sample * rows + firstRow) * tiles.targetSize + band.target
                                .lowerBound
                                * tiles.target.columns, tiles.targetSize, band.target.count * tiles.target.columns,
                            rowCount,
                            leftPlanes + image * leftImage + rowWidth, rowWidth, false)
                        loops.transposed(
                            x.floats + (sample * lanes + firstLane) * tiles.sourceSize + band.source.lowerBound
                                * tiles.source.columns, tiles.sourceSize, band.source.count * tiles.source.columns,
                            live,
                            rightPlanes + image * rightImage + panelLanes, panelLanes, false)
                    }
                    let tileCount = count * band.tiles.count * tiles.columns
                    loops.winograd_output_gradient(
                        leftPlanes, band.targetPlaces, tileCount, rowWidth / vector, left, leftStride, areLines)
                    for (input, places) in band.sourcePlaces.enumerated() {
                        loops.winograd_input(
                            rightPlanes, places, count * band.inputTiles, panelLanes / vector, right, rightStride,
                            areLines)
                        plan.pairs.withUnsafeBufferPointer { pairs in
                            for (index, piece) in pieces.enumerated() where piece.input == input {
                                let place = tiles.inputTiles(before: piece) * panelLanes
                                for point in piece.points {
                                    var outer = gimbal_gathered_outer(
                                        left: left + point * leftStride, right: right + point * rightStride + place,
                                        places: pairs.baseAddress, count: tileCount,
                                        sums: sums + (index * points + point) * size)
                                    loops.gathered_outer(&outer, rowCount, width)
                                }
                            }
                        }
                    }
                }
                for (index, piece) in pieces.enumerated() {
                    loops.winograd_weight_gradient(sums + index * points * size, size, nine, areLines)
                    for (place, element) in piece.elements.enumerated() {
                        if let element { (all + element * size).update(from: nine + place * size, count: size) }
                    }
                }
                for row in 0..<rowCount {
                    let to = ((group * rows + firstRow + row) * lanes + firstLane) * elements
                    loops.transposed(
                        all + row * width, size, live, elements, partials.floats + part * out.elementCount + to,
                        elements, false)
                }
            }
        }
        addParts(0..<parts, of: partials, to: out.floats, accumulates: accumulates)
        withExtendedLifetime((scratch, partials)) {}
    }
}

extension ConvolutionGeometry {
    /// Rows and columns; a single axis is one of rows.
    fileprivate var onTwoAxes: (kernel: [Int], padding: [Int], dilation: [Int]) {
        axes == 1 ? (kernel + [1], padding + [0], dilation + [1]) : (kernel, padding, dilation)
    }
}
