import GimbalBackend

/// Nine elements of a kernel that are one of 3 x 3.
struct WinogradPiece {
    /// Of its first element.
    let row: Int
    let column: Int
    /// Places in the kernel, row-major; nil beyond it.
    let elements: [Int?]

    /// As few as cover a kernel.
    static func all(_ kernel: [Int]) -> [WinogradPiece] {
        stride(from: 0, to: kernel[0], by: 3).flatMap { row in
            stride(from: 0, to: kernel[1], by: 3).map { column in
                let elements = (0..<9).map { place -> Int? in
                    let (a, b) = (row + place / 3, column + place % 3)
                    return a < kernel[0] && b < kernel[1] ? a * kernel[1] + b : nil
                }
                return WinogradPiece(row: row, column: column, elements: elements)
            }
        }
    }
}

/// How images are cut into tiles of 2 x 2 outputs, and those into bands that are worked on at once.
///
/// Of each image a band's rows lie [position][channel], behind a position that stands for all that is outside.
struct WinogradTiles {
    let source: (rows: Int, columns: Int)
    let target: (rows: Int, columns: Int)
    let kernelRows: Int
    let padding: (rows: Int, columns: Int)
    /// Tiles of a row.
    let columns: Int
    /// Images at once, and ranges of rows of tiles; the first is the longest. There is one where there are several images.
    let images: Int
    let bands: [Range<Int>]

    init(source: TensorView, target: TensorView, kernel: [Int], padding: [Int], tilesAtOnce: Int, images: Int) {
        kernelRows = kernel[0]
        self.source = (source.shape[2], source.shape[3])
        self.target = (target.shape[2], target.shape[3])
        self.padding = (padding[0], padding[1])
        let (rows, columns) = ((target.shape[2] + 1) / 2, (target.shape[3] + 1) / 2)
        self.columns = columns
        self.images = max(1, min(images, tilesAtOnce / (rows * columns)))
        let parts = (rows * columns + 2 * tilesAtOnce - 1) / (2 * tilesAtOnce)
        let length = (rows + parts - 1) / parts
        bands = stride(from: 0, to: rows, by: length).map { $0..<min($0 + length, rows) }
    }

    /// Tiles that are worked on at once, at most.
    var mostTiles: Int { images * bands[0].count * columns }

    /// Positions of a whole image.
    var sourceSize: Int { source.rows * source.columns }
    var targetSize: Int { target.rows * target.columns }

    /// Rows of the source that a band meets.
    func sourceRows(_ band: Range<Int>) -> Range<Int> {
        let first = min(max(2 * band.lowerBound - padding.rows, 0), source.rows)
        return first..<max(first, min(2 * band.upperBound + kernelRows - 1 - padding.rows, source.rows))
    }

    func targetRows(_ band: Range<Int>) -> Range<Int> { 2 * band.lowerBound..<min(2 * band.upperBound, target.rows) }

    /// Positions of an image in a band, and the one outside.
    var sourcePositions: Int { (bands.map { sourceRows($0).count }.max() ?? 0) * source.columns + 1 }
    var targetPositions: Int { (bands.map { targetRows($0).count }.max() ?? 0) * target.columns + 1 }

    /// For each tile, where the 4 x 4 inputs lie that a piece of the kernel meets.
    func sourcePlaces(_ band: Range<Int>, _ piece: WinogradPiece, width: Int) -> [Int32] {
        places(
            band, side: 4, rows: sourceRows(band), columns: source.columns, positions: sourcePositions,
            padding: (padding.rows - piece.row, padding.columns - piece.column), width)
    }

    /// For each tile, where its 2 x 2 outputs lie.
    func targetPlaces(_ band: Range<Int>, width: Int) -> [Int32] {
        places(
            band, side: 2, rows: targetRows(band), columns: target.columns, positions: targetPositions, padding: (0, 0),
            width)
    }

    private func places(
        _ band: Range<Int>, side: Int, rows: Range<Int>, columns: Int, positions: Int,
        padding: (rows: Int, columns: Int), _ width: Int
    ) -> [Int32] {
        var result: [Int32] = []
        result.reserveCapacity(images * band.count * self.columns * side * side)
        for image in 0..<images {
            for tileRow in band {
                for tileColumn in 0..<self.columns {
                    for i in 0..<side {
                        for j in 0..<side {
                            let row = 2 * tileRow + i - padding.rows
                            let column = 2 * tileColumn + j - padding.columns
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
