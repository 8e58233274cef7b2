import Foundation

/// Steps after which a series resembles itself: the lag of the first peak of the autocorrelation of its changes that is
/// nearly as high as the highest, where that is worth the name; nil where it has none.
///
/// - Parameter values: at least some seasons of them.
func season(of values: [Double]) -> Int? {
    // A trend would make every lag alike.
    let changes = zip(values.dropFirst(), values).map { $0 - $1 }
    let mean = changes.reduce(0, +) / Double(max(changes.count, 1))
    let centred = changes.map { $0 - mean }
    let power = centred.reduce(0) { $0 + $1 * $1 }
    let longest = min(centred.count / 3, 1000)
    guard longest > 3, power > 0 else { return nil }
    let correlations = (0...longest).map { lag in
        zip(centred.dropFirst(lag), centred).reduce(0) { $0 + $1.0 * $1.1 } / power
    }
    let peaks = (2..<longest).filter { lag in
        correlations[lag] > correlations[lag - 1] && correlations[lag] >= correlations[lag + 1]
    }
    // Noise comes to 2 / √n in one lag of twenty; among many lags, the highest is larger.
    let least = max(0.2, 4 / Double(centred.count).squareRoot())
    // Two seasons are as alike as one.
    let highest = peaks.map { correlations[$0] }.max() ?? 0
    return peaks.first { correlations[$0] > max(least, 0.8 * highest) }
}
