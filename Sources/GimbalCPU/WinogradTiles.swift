import GimbalBackend

/// Up to three neighbouring elements of a kernel on one axis, and the products that they cost for two outputs.
private struct WinogradSide {
    /// Where a tile's first input lies on the kernel.
    let first: Int
    /// Elements of the kernel in the places of three; nil for zeros.
    let elements: [Int?]
    /// Points whose weights are not zeros.
    let points: Range<Int>

    private init(three first: Int) {
        self.init(first: first, elements: [first, first + 1, first + 2], points: 0..<4)
    }

    private init(first: Int, elements: [Int?], points: Range<Int>) {
        (self.first, self.elements, self.points) = (first, elements, points)
    }

    /// All of a kernel: three elements have 4 points, two have 3, and one, as the middle of three, has 2. First inputs lie an even
    /// number apart where that costs nothing.
    static func all(_ kernel: Int) -> [WinogradSide] {
        switch (kernel, kernel % 3) {
        case (2, _): return [WinogradSide(first: 0, elements: [0, 1, nil], points: 0..<3)]
        case (_, 0): return stride(from: 0, to: kernel, by: 3).map(WinogradSide.init(three:))
        case (_, 1):
            let place = min(kernel - 1, 3)
            let single = WinogradSide(first: place - 1, elements: [nil, place, nil], points: 1..<3)
            return stride(from: 0, to: place, by: 3).map(WinogradSide.init(three:)) + [single]
                + stride(from: place + 1, to: kernel, by: 3).map(WinogradSide.init(three:))
        default:
            let last = WinogradSide(first: kernel - 3, elements: [nil, kernel - 2, kernel - 1], points: 1..<4)
            return stride(from: 0, to: kernel - 2, by: 3).map(WinogradSide.init(three:)) + [last]
        }
    }

    /// An axis on which a kernel has one element, and tiles one output.
    static let single = WinogradSide(first: 0, elements: [0], points: 0..<1)
}

/// Nine elements of a kernel that are one of 3 x 3, or three that are one of 3 x 1.
struct WinogradPiece {
    /// Places in the kernel, row-major; nil for zeros.
    let elements: [Int?]
    /// Points whose weights are not zeros.
    let points: [Int]
    /// Of the inputs of `WinogradKernel`, and of how many tiles further on, which lie two elements apart.
    let input: Int
    let further: (rows: Int, columns: Int)
}

/// A kernel in pieces, as few products as cover it.
struct WinogradKernel {
    /// Whether it has one row or one column, so that tiles are lines.
    let areLines: Bool
    let pieces: [WinogradPiece]
    /// Where the first input of a tile lies on the kernel: pieces that lie an even number of elements apart meet the inputs of the same
    /// tiles, some tiles apart, at most `furthest`.
    let inputs: [(row: Int, column: Int)]
    let furthest: (rows: Int, columns: Int)
    /// For each point the pieces that have it.
    let users: [[Int]]
    /// For each piece and point which matrix of weights is theirs: they lie point by point, those of a point in the order of its users.
    let matrices: [[Int?]]
    let matrixCount: Int

    init(_ kernel: [Int]) {
        areLines = kernel.contains(1)
        let sides = kernel.map { $0 == 1 ? [.single] : WinogradSide.all($0) }
        let origins = sides.map { sides in
            [0, 1].compactMap { parity in sides.map(\.first).filter { abs($0) % 2 == parity }.min() }
        }
        inputs = origins[0].flatMap { row in origins[1].map { (row, $0) } }
        func placed(_ side: WinogradSide, _ axis: Int) -> (origin: Int, further: Int) {
            let origin = origins[axis].firstIndex { abs($0 - side.first) % 2 == 0 }!
            return (origin, (side.first - origins[axis][origin]) / 2)
        }
        let pointsAcross = areLines ? 1 : 4
        let pieces = sides[0].flatMap { rows in
            sides[1].map { columns in
                let (row, column) = (placed(rows, 0), placed(columns, 1))
                return WinogradPiece(
                    elements: rows.elements.flatMap { a in
                        columns.elements.map { b in a.flatMap { a in b.map { a * kernel[1] + $0 } } }
                    },
                    points: rows.points.flatMap { i in columns.points.map { i * pointsAcross + $0 } },
                    input: row.origin * origins[1].count + column.origin, further: (row.further, column.further))
            }
        }
        self.pieces = pieces
        users = (0..<(areLines ? 4 : 16)).map { point in
            pieces.indices.filter { pieces[$0].points.contains(point) }
        }
        var matrices = [[Int?]](repeating: users.map { _ in nil }, count: pieces.count)
        let pairs = users.enumerated().flatMap { point, users in users.map { ($0, point) } }
        for (matrix, (piece, point)) in pairs.enumerated() { matrices[piece][point] = matrix }
        (self.matrices, matrixCount) = (matrices, pairs.count)
        furthest = (pieces.map(\.further.rows).max()!, pieces.map(\.further.columns).max()!)
    }

    /// Products of so many outputs along an axis, a tile's last one outside among them.
    static func products(_ kernel: Int, outputs: Int, dilation: Int) -> Int {
        if kernel == 1 { return outputs }
        return WinogradSide.all(kernel).reduce(0) { $0 + $1.points.count } * WinogradTiles.count(outputs, dilation)
    }
}

/// How images are cut into tiles of 2 x 2 outputs, or of two where the kernel has one row or one column, and those into bands that are
/// worked on at once. Outputs of a tile lie a dilation apart.
///
/// Of each image a band's rows lie [position][channel], behind a position that stands for all that is outside.
struct WinogradTiles {
    let source: (rows: Int, columns: Int)
    let target: (rows: Int, columns: Int)
    /// Of the kernel, and of the outputs of a tile.
    let kernelRows: Int
    let tile: (rows: Int, columns: Int)
    let padding: (rows: Int, columns: Int)
    let dilation: (rows: Int, columns: Int)
    let kernel: WinogradKernel
    /// Tiles of a row.
    let columns: Int
    /// Images at once, and ranges of rows of tiles; the first is the longest. There is one where there are several images.
    let images: Int
    let bands: [Range<Int>]

    /// - Parameters:
    ///   - kernel: rows and columns, as are padding and dilation.
    ///   - tilesAtOnce: about so many.
    ///   - images: at most so many at once.
    init(
        source: TensorView, target: TensorView, kernel: [Int], padding: [Int], dilation: [Int], tilesAtOnce: Int,
        images: Int
    ) {
        func sizes(_ view: TensorView) -> (Int, Int) { (view.shape[2], view.shape.rank > 3 ? view.shape[3] : 1) }
        kernelRows = kernel[0]
        tile = (kernel[0] == 1 ? 1 : 2, kernel[1] == 1 ? 1 : 2)
        self.source = sizes(source)
        self.target = sizes(target)
        self.padding = (padding[0], padding[1])
        self.dilation = (kernel[0] == 1 ? 1 : dilation[0], kernel[1] == 1 ? 1 : dilation[1])
        self.kernel = WinogradKernel(kernel)
        let rows = tile.rows == 1 ? self.target.rows : Self.count(self.target.rows, dilation[0])
        columns = tile.columns == 1 ? self.target.columns : Self.count(self.target.columns, dilation[1])
        self.images = max(1, min(images, tilesAtOnce / (rows * columns)))
        let parts = (rows * columns + 2 * tilesAtOnce - 1) / (2 * tilesAtOnce)
        // Whole tiles: what lies a dilation apart is in the same band.
        let length = Self.whole((rows + parts - 1) / parts, self.dilation.rows)
        bands = stride(from: 0, to: rows, by: length).map { $0..<min($0 + length, rows) }
    }

    /// Tiles that hold so many outputs of an axis: `dilation` tiles for every 2 · dilation of them.
    static func count(_ outputs: Int, _ dilation: Int) -> Int {
        outputs / (2 * dilation) * dilation + min(outputs % (2 * dilation), dilation)
    }

    private static func whole(_ tiles: Int, _ dilation: Int) -> Int { (tiles + dilation - 1) / dilation * dilation }

    /// The first output of a tile on an axis.
    private static func start(_ tile: Int, _ outputs: Int, _ dilation: Int) -> Int {
        tile / dilation * outputs * dilation + tile % dilation
    }

    var areLines: Bool { kernel.areLines }

    /// Products for each of which a tile has one number of every channel.
    var points: Int { areLines ? 4 : 16 }

    /// Tiles that are worked on at once, at most.
    var mostTiles: Int { images * bands[0].count * columns }

    /// Tiles whose inputs are transformed, on both axes: those of outputs, and as many as pieces of the kernel reach further.
    func inputTiles(_ band: Range<Int>) -> (rows: Int, columns: Int) {
        (band.count + kernel.furthest.rows * dilation.rows, columns + kernel.furthest.columns * dilation.columns)
    }

    var mostInputTiles: Int { images * inputTiles(bands[0]).rows * inputTiles(bands[0]).columns }

    /// How many input tiles a piece lies behind the first.
    func inputTiles(before piece: WinogradPiece) -> Int {
        piece.further.rows * dilation.rows * inputTiles(bands[0]).columns + piece.further.columns * dilation.columns
    }

    /// For each tile the input tile of the first piece. Bands that are shorter than the first, and fewer images, have the first of these.
    var places: [(tile: Int, input: Int)] {
        let (rows, across) = inputTiles(bands[0])
        return (0..<mostTiles).map { tile in
            let (row, column) = (tile / columns, tile % columns)
            let image = row / bands[0].count
            return (tile, (image * rows + row % bands[0].count) * across + column)
        }
    }

    /// Positions of a whole image.
    var sourceSize: Int { source.rows * source.columns }
    var targetSize: Int { target.rows * target.columns }

    /// Rows of the source that a band meets.
    func sourceRows(_ band: Range<Int>) -> Range<Int> {
        let first = min(max(tile.rows * band.lowerBound - padding.rows, 0), source.rows)
        let end =
            tile.rows * Self.whole(band.upperBound, dilation.rows) + (kernelRows - 1) * dilation.rows - padding.rows
        return first..<max(first, min(end, source.rows))
    }

    func targetRows(_ band: Range<Int>) -> Range<Int> {
        tile.rows * band.lowerBound..<min(tile.rows * Self.whole(band.upperBound, dilation.rows), target.rows)
    }

    /// Positions of an image in a band, and the one outside.
    var sourcePositions: Int { (bands.map { sourceRows($0).count }.max() ?? 0) * source.columns + 1 }
    var targetPositions: Int { (bands.map { targetRows($0).count }.max() ?? 0) * target.columns + 1 }

    /// For each input tile, where its 4 x 4 inputs lie.
    func sourcePlaces(_ band: Range<Int>, _ input: (row: Int, column: Int), width: Int) -> [Int32] {
        let (rows, across) = inputTiles(band)
        return places(
            band.lowerBound..<band.lowerBound + rows, across: across, side: 4, rows: sourceRows(band),
            columns: source.columns, positions: sourcePositions,
            first: (input.row * dilation.rows - padding.rows, input.column * dilation.columns - padding.columns), width)
    }

    /// For each tile, where its 2 x 2 outputs lie.
    func targetPlaces(_ band: Range<Int>, width: Int) -> [Int32] {
        places(
            band, across: columns, side: 2, rows: targetRows(band), columns: target.columns,
            positions: targetPositions, first: (0, 0), width)
    }

    private func places(
        _ tileRows: Range<Int>, across tileColumns: Int, side: Int, rows: Range<Int>, columns: Int, positions: Int,
        first: (row: Int, column: Int), _ width: Int
    ) -> [Int32] {
        let (down, across) = (tile.rows == 1 ? 1 : side, tile.columns == 1 ? 1 : side)
        var result: [Int32] = []
        result.reserveCapacity(images * tileRows.count * tileColumns * down * across)
        for image in 0..<images {
            for tileRow in tileRows {
                for tileColumn in 0..<tileColumns {
                    let firstRow = Self.start(tileRow, tile.rows, dilation.rows) + first.row
                    let firstColumn = Self.start(tileColumn, tile.columns, dilation.columns) + first.column
                    for i in 0..<down {
                        for j in 0..<across {
                            let (row, column) = (firstRow + i * dilation.rows, firstColumn + j * dilation.columns)
                            let isInside = rows.contains(row) && (0..<columns).contains(column)
                            let position = isInside ? (row - rows.lowerBound) * columns + column + 1 : 0
                            result.append(Int32((image * positions + position) * width))
                        }
                    }
                }
            }
        }
        return result
    }
}

/// Where the tiles of a convolution, or of a gradient of one, find what they sum and put what that comes to.
final class WinogradPlan: ConvolutionPlan {
    struct Band {
        /// Rows of tiles, and the rows of the source and the target that they meet.
        var tiles: Range<Int>
        var source: Range<Int>
        var target: Range<Int>
        /// Input tiles of an image, and for each of the inputs where the 4 x 4 of each lie.
        var inputTiles: Int
        var sourcePlaces: [[Int32]]
        /// Where the 2 x 2 of each tile lie.
        var targetPlaces: [Int32]
    }

    let bands: [Band]
    /// For each tile, where the channels of the two operands of its products lie.
    let pairs: [Int32]

    /// - Parameters:
    ///   - widths: of a position of the source, and of the target.
    ///   - inputFirst: whether of two operands the inputs come first.
    init(_ tiles: WinogradTiles, widths: (source: Int, target: Int), inputFirst: Bool) {
        bands = tiles.bands.map { band in
            let (rows, columns) = tiles.inputTiles(band)
            return Band(
                tiles: band, source: tiles.sourceRows(band), target: tiles.targetRows(band),
                inputTiles: rows * columns,
                sourcePlaces: tiles.kernel.inputs.map { tiles.sourcePlaces(band, $0, width: widths.source) },
                targetPlaces: tiles.targetPlaces(band, width: widths.target))
        }
        pairs = tiles.places.flatMap { tile, input in
            let (input, other) = (Int32(input * widths.source), Int32(tile * widths.target))
            return inputFirst ? [input, other] : [other, input]
        }
    }

    var placeCount: Int {
        bands.reduce(pairs.count) { $0 + $1.targetPlaces.count + $1.sourcePlaces.reduce(0) { $0 + $1.count } }
    }
}
