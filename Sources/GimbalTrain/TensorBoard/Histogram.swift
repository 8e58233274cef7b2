import Foundation

/// How values are spread: their number in each of equally wide bins between the least and the largest.
struct Histogram: Sendable, Equatable {
    /// The most bins.
    private static let binLimit = 48

    /// The ends of each bin, one more than there are bins; empty where no value is finite.
    let edges: [Double]
    /// The number of values in each bin.
    let counts: [Double]
    private let sum: Double
    private let sumOfSquares: Double

    /// The spread of `values`; those that are NaN or infinite are left out.
    init(_ values: [Double]) {
        let finite = values.filter(\.isFinite)
        sum = finite.reduce(0, +)
        sumOfSquares = finite.reduce(0) { $0 + $1 * $1 }
        guard let least = finite.min(), let largest = finite.max() else {
            (edges, counts) = ([], [])
            return
        }
        let width = (largest - least) / Double(Self.binLimit)
        // All alike, or so close that bins could not be told apart.
        guard width.isFinite, least + width > least, largest - width < largest else {
            (edges, counts) = ([least, largest], [Double(finite.count)])
            return
        }
        var counts = [Double](repeating: 0, count: Self.binLimit)
        for value in finite { counts[min(Int((value - least) / width), Self.binLimit - 1)] += 1 }
        self.counts = counts
        edges = (0..<Self.binLimit).map { least + Double($0) * width } + [largest]
    }

    var message: TensorBoardHistogram {
        .with {
            ($0.min, $0.max) = (edges.first ?? 0, edges.last ?? 0)
            ($0.num, $0.sum, $0.sumSquares) = (counts.reduce(0, +), sum, sumOfSquares)
            ($0.bucketLimit, $0.bucket) = (Array(edges.dropFirst()), counts)
        }
    }

    init(_ message: TensorBoardHistogram) {
        edges = message.bucketLimit.isEmpty ? [] : [message.min] + message.bucketLimit
        (counts, sum, sumOfSquares) = (message.bucket, message.sum, message.sumSquares)
    }
}
