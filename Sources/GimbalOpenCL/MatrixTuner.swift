import GimbalBackend

/// What tuning found for one class of matrix products.
public struct MatrixTuning: Sendable, CustomStringConvertible {
    package let shapeClass: MatrixShapeClass
    package let tile: MatrixTile
    /// Speed of the class's example by this tile, in 10⁹ floating-point operations per second.
    public let gigaflops: Double

    public var description: String {
        "\(shapeClass.rawValue) products: \(tile), \(Int(gigaflops)) GFLOP/s"
    }
}

extension OpenCLBackend {
    /// Times every way of cutting up a matrix product that suits this device, uses the fastest from now on, and stores
    /// them in the cache folder for later starts. Takes from seconds on a GPU to a minute on a CPU.
    ///
    /// A candidate's time counts only once its results have been found right. Stored tiles are checked again when the
    /// driver's version changes.
    /// - Parameter report: called with a line for each candidate.
    /// - Throws: `GimbalError` where the device fails outside a candidate.
    @discardableResult
    public func tuneMatrixMultiply(report: (String) -> Void = { _ in }) throws -> [MatrixTuning] {
        try tuneMatrixMultiply(candidates: MatrixTiles.candidates(for: openCLDevice), report: report)
    }

    /// Tuning over given candidates.
    @discardableResult
    package func tuneMatrixMultiply(
        candidates: [MatrixTile], report: (String) -> Void = { _ in }
    ) throws -> [MatrixTuning] {
        try synchronize()
        let correct = candidates.filter { tile in
            guard let fault = fault(of: tile) else { return true }
            report("\(tile): passed over, as \(fault)")
            return false
        }
        let results = try MatrixShapeClass.allCases.compactMap { shapeClass in
            var best: MatrixTuning?
            for tile in correct {
                let gigaflops = try speed(of: tile, on: shapeClass)
                report("\(shapeClass.rawValue): \(tile), \(Int(gigaflops)) GFLOP/s")
                if gigaflops > best?.gigaflops ?? 0 {
                    best = MatrixTuning(shapeClass: shapeClass, tile: tile, gigaflops: gigaflops)
                }
            }
            return best
        }
        let tiles = Dictionary(uniqueKeysWithValues: results.map { ($0.shapeClass, $0.tile) })
        matrixTiles.withLock { $0.use(tiles) }
        storeTiles(tiles, driver: device.driver)
        return results
    }

    /// The tile that products of a class use now.
    package func tile(for shapeClass: MatrixShapeClass) -> MatrixTile { matrixTiles.withLock { $0[shapeClass] } }

    /// Keeps tiles for later starts, as found right with a version of the driver.
    package func storeTiles(_ tiles: [MatrixShapeClass: MatrixTile], driver: String) {
        MatrixTiles.write(.init(driver: driver, tiles: tiles), device: openCLDevice, cache: cache)
    }

    /// Takes over what an earlier run tuned; after a change of the driver, only tiles that are still right.
    func useStoredTiles() {
        guard var entry = MatrixTiles.read(device: openCLDevice, cache: cache) else { return }
        if entry.driver != device.driver {
            entry.tiles = entry.tiles.filter { fault(of: $0.value) == nil }
            storeTiles(entry.tiles, driver: device.driver)
        }
        matrixTiles.withLock { $0.use(entry.tiles) }
    }

    /// What is wrong with products by this tile, compared with those of the plain kernel at sizes within, at and across tile
    /// edges and for every transposition; nil where they are right.
    package func fault(of tile: MatrixTile) -> String? {
        do {
            for (m, n, k) in [(1, 1, 1), (77, 65, 131), (128, 256, 64)] {
                let x = try numbers([m, k], seed: 1)
                let y = try numbers([k, n], seed: 2)
                let expected = try allocate([m, n])
                launch(
                    KernelKey(.gemmPlain), count: m * n, groupSize: 64,
                    [
                        .buffer(x.storage), .buffer(y.storage), .buffer(expected.storage), .int32(m), .int32(n),
                        .int32(k),
                    ])
                let wanted = try floats(expected)
                for (left, right) in [(x, y), (try transposedCopy(x), y), (x, try transposedCopy(y))] {
                    let out = try allocate([m, n])
                    fill(out, with: .nan)
                    matrixMultiply(left, right, out: out, .plain, tile: tile)
                    // Inputs lie within [-1, 1]: a sum of k products in any order errs by less than this.
                    let tolerance = Float(k) * Float.ulpOfOne * 4
                    guard zip(try floats(out), wanted).allSatisfy({ abs($0 - $1) <= tolerance }) else {
                        return "its [\(m), \(k)] x [\(k), \(n)] is wrong"
                    }
                }
            }
            return nil
        } catch {
            return "\(error)"
        }
    }

    private func speed(of tile: MatrixTile, on shapeClass: MatrixShapeClass) throws -> Double {
        let (m, n, k) = shapeClass.example(on: openCLDevice)
        let x = try numbers([m, k], seed: 3)
        let y = try numbers([n, k], seed: 4).transposed
        let out = try allocate([m, n])
        func seconds(_ repetitions: Int) throws -> Double {
            let duration = try ContinuousClock().measure {
                for _ in 0..<repetitions { matrixMultiply(x, y, out: out, .plain, tile: tile) }
                try synchronize()
            }
            return Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
        }
        _ = try seconds(1)
        // As often as fits into a few hundredths of a second, and the best of three such runs.
        let repetitions = max(1, min(200, Int(0.03 / max(try seconds(1), 1e-6))))
        let best = try (0..<3).map { _ in try seconds(repetitions) }.min()!
        return 2 * Double(m) * Double(n) * Double(k) * Double(repetitions) / best * 1e-9
    }

    private func numbers(_ shape: Shape, seed: UInt64) throws -> TensorView {
        let view = try allocate(shape)
        randomUniform(view, RandomState(seed: seed))
        unary(.init(.affine, a: 2, b: -1), view, out: view)
        return view
    }

    private func transposedCopy(_ view: TensorView) throws -> TensorView {
        let copied = try allocate(view.transposed.shape)
        copy(view.transposed, to: copied)
        return copied.transposed
    }

    private func floats(_ view: TensorView) throws -> [Float] {
        var values = [Float](repeating: 0, count: view.elementCount)
        try values.withUnsafeMutableBytes { try download(view.storage, byteOffset: view.byteOffset, into: $0) }
        return values
    }
}
