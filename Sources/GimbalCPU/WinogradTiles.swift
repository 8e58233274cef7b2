import GimbalBackend

/// Up to three neighbouring elements of a kernel on one axis, and the products that they cost for two outputs.
struct WinogradSide {
    /// Where a tile's first input lies on the kernel.
    let first: Int
    /// Elements of the kernel in the places of three; nil for zeros.
    let elements: [Int?]
    /// Points whose weights are not zeros.
    let points: Range<Int>

    /// All of a kernel: three elements have 4 points, two have 3, and one, as the middle of three, has 2.
    static func all(_ kernel: Int) -> [WinogradSide] {
        stride(from: 0, to: kernel, by: 3).map { first in
            switch kernel - first {
            case 1: WinogradSide(first: first - 1, elements: [nil, first, nil], points: 1..<3)
            case 2: WinogradSide(first: first, elements: [first, first + 1, nil], points: 0..<3)
            default: WinogradSide(first: first, elements: [first, first + 1, first + 2], points: 0..<4)
            }
        }
    }

    /// Products of two outputs.
    static func products(_ kernel: Int) -> Int { all(kernel).reduce(0) { $0 + $1.points.count } }

    /// The columns of a kernel that has one.
    fileprivate static let single = WinogradSide(first: 0, elements: [0], points: 0..<1)
}

/// Nine elements of a kernel that are one of 3 x 3, or three that are one of 3 x 1.
struct WinogradPiece {
    /// Where a tile's first input lies on the kernel.
    let row: Int
    let column: Int
    /// Places in the kernel, row-major; nil for zeros.
    let elements: [Int?]
    /// Points whose weights are not zeros.
    let points: [Int]

    /// All of a kernel, which has one column where tiles are lines.
    static func all(_ kernel: [Int], areLines: Bool) -> [WinogradPiece] {
        WinogradSide.all(kernel[0]).flatMap { rows in
            (areLines ? [.single] : WinogradSide.all(kernel[1])).map { columns in
                WinogradPiece(
                    row: rows.first, column: columns.first,
                    elements: rows.elements.flatMap { a in
                        columns.elements.map { b in a.flatMap { a in b.map { a * kernel[1] + $0 } } }
                    },
                    points: rows.points.flatMap { i in columns.points.map { i * (areLines ? 1 : 4) + $0 } })
            }
        }
    }
}

/// How images are cut into tiles of 2 x 2 outputs, or of 2 x 1 where the kernel has one column, and those into bands that are worked
/// on at once. Outputs of a tile lie a dilation apart.
///
/// Of each image a band's rows lie [position][channel], behind a position that stands for all that is outside.
struct WinogradTiles {
    let source: (rows: Int, columns: Int)
    let target: (rows: Int, columns: Int)
    let kernelRows: Int
    let padding: (rows: Int, columns: Int)
    let dilation: (rows: Int, columns: Int)
    let areLines: Bool
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
        self.source = sizes(source)
        self.target = sizes(target)
        self.padding = (padding[0], padding[1])
        self.dilation = (dilation[0], dilation[1])
        areLines = kernel[1] == 1
        let rows = Self.count(self.target.rows, dilation[0])
        columns = areLines ? self.target.columns : Self.count(self.target.columns, dilation[1])
        self.images = max(1, min(images, tilesAtOnce / (rows * columns)))
        let parts = (rows * columns + 2 * tilesAtOnce - 1) / (2 * tilesAtOnce)
        // Whole tiles: what lies a dilation apart is in the same band.
        let length = Self.whole((rows + parts - 1) / parts, dilation[0])
        bands = stride(from: 0, to: rows, by: length).map { $0..<min($0 + length, rows) }
    }

    /// Tiles that hold so many outputs of an axis: `dilation` tiles for every 2 · dilation of them.
    static func count(_ outputs: Int, _ dilation: Int) -> Int {
        outputs / (2 * dilation) * dilation + min(outputs % (2 * dilation), dilation)
    }

    private static func whole(_ tiles: Int, _ dilation: Int) -> Int { (tiles + dilation - 1) / dilation * dilation }

    /// The first output of a tile on an axis.
    private static func start(_ tile: Int, _ dilation: Int) -> Int { tile / dilation * 2 * dilation + tile % dilation }

    /// Products for each of which a tile has one number of every channel.
    var points: Int { areLines ? 4 : 16 }

    /// Tiles that are worked on at once, at most.
    var mostTiles: Int { images * bands[0].count * columns }

    /// Positions of a whole image.
    var sourceSize: Int { source.rows * source.columns }
    var targetSize: Int { target.rows * target.columns }

    /// Rows of the source that a band meets.
    func sourceRows(_ band: Range<Int>) -> Range<Int> {
        let first = min(max(2 * band.lowerBound - padding.rows, 0), source.rows)
        let end = 2 * Self.whole(band.upperBound, dilation.rows) + (kernelRows - 1) * dilation.rows - padding.rows
        return first..<max(first, min(end, source.rows))
    }

    func targetRows(_ band: Range<Int>) -> Range<Int> {
        2 * band.lowerBound..<min(2 * Self.whole(band.upperBound, dilation.rows), target.rows)
    }

    /// Positions of an image in a band, and the one outside.
    var sourcePositions: Int { (bands.map { sourceRows($0).count }.max() ?? 0) * source.columns + 1 }
    var targetPositions: Int { (bands.map { targetRows($0).count }.max() ?? 0) * target.columns + 1 }

    /// For each tile, where the 4 x 4 inputs lie that a piece of the kernel meets.
    func sourcePlaces(_ band: Range<Int>, _ piece: WinogradPiece, width: Int) -> [Int32] {
        places(
            band, side: 4, rows: sourceRows(band), columns: source.columns, positions: sourcePositions,
            first: (piece.row * dilation.rows - padding.rows, piece.column * dilation.columns - padding.columns), width)
    }

    /// For each tile, where its 2 x 2 outputs lie.
    func targetPlaces(_ band: Range<Int>, width: Int) -> [Int32] {
        places(
            band, side: 2, rows: targetRows(band), columns: target.columns, positions: targetPositions, first: (0, 0),
            width)
    }

    private func places(
        _ band: Range<Int>, side: Int, rows: Range<Int>, columns: Int, positions: Int,
        first: (row: Int, column: Int), _ width: Int
    ) -> [Int32] {
        let across = areLines ? 1 : side
        var result: [Int32] = []
        result.reserveCapacity(images * band.count * self.columns * side * across)
        for image in 0..<images {
            for tileRow in band {
                for tileColumn in 0..<self.columns {
                    let firstRow = Self.start(tileRow, dilation.rows) + first.row
                    let firstColumn =
                        (areLines ? tileColumn : Self.start(tileColumn, dilation.columns)) + first.column
                    for i in 0..<side {
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
        /// For each piece of the kernel, where the 4 x 4 of each tile lie.
        var sourcePlaces: [[Int32]]
        /// Where the 2 x 2 of each tile lie.
        var targetPlaces: [Int32]
    }

    let bands: [Band]
    /// For each tile, where the channels of two operands of its products lie.
    let pairs: [Int32]

    /// - Parameters:
    ///   - widths: of a position of the source, and of the target.
    ///   - pairWidths: of a tile of the operands.
    init(
        _ tiles: WinogradTiles, _ pieces: [WinogradPiece], widths: (source: Int, target: Int), pairWidths: (Int, Int)
    ) {
        bands = tiles.bands.map { band in
            Band(
                tiles: band, source: tiles.sourceRows(band), target: tiles.targetRows(band),
                sourcePlaces: pieces.map { tiles.sourcePlaces(band, $0, width: widths.source) },
                targetPlaces: tiles.targetPlaces(band, width: widths.target))
        }
        pairs = (0..<tiles.mostTiles).flatMap { [Int32($0 * pairWidths.0), Int32($0 * pairWidths.1)] }
    }

    var placeCount: Int {
        bands.reduce(pairs.count) { $0 + $1.targetPlaces.count + $1.sourcePlaces.reduce(0) { $0 + $1.count } }
    }
}
