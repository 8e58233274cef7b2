import Foundation

/// Steps after which a series resembles itself; nil where it does not, or goes through fewer than four seasons.
///
/// Of the lags at which the autocorrelation peaks, the shortest that is nearly as high as the highest. For each lag, the
/// series is looked at less its moving mean over as many rows, which takes away trends and slower swings, and leaves a season
/// of that length as it is. A season is more than a likeness of neighbours: rows half a season apart are less alike, and
/// those two and three seasons apart are alike again.
///
/// - Parameter values: at least some seasons of them; of very many, the newest are looked at.
func season(of values: [Double]) -> Int? {
    let newest = values.suffix(20_000)
    let longest = min(newest.count / 4, 1000)
    let size = newest.reduce(0) { max($0, abs($1)) }
    guard longest > 3, size > 0 else { return nil }
    let scaled = newest.map { $0 / size }
    let mean = scaled.reduce(0, +) / Double(scaled.count)
    let centred = scaled.map { $0 - mean }
    // Noise comes to 2 / √n in one lag of twenty; among many lags, the highest is larger.
    let least = max(0.25, 4 / Double(centred.count).squareRoot())
    let likenesses = (0...longest + 1).map { $0 < 2 ? SeasonLikeness() : SeasonLikeness(of: centred, after: $0) }
    let peaks = (2...longest).filter { lag in
        let (likeness, next) = (likenesses[lag], likenesses[lag + 1])
        return likeness.isSeasonal(least) && (lag == 2 || likeness.whole > likenesses[lag - 1].whole)
            && likeness.whole >= next.whole
    }
    // Two seasons are as alike as one.
    let highest = peaks.map { likenesses[$0].whole }.max() ?? 0
    guard let first = peaks.first(where: { likenesses[$0].whole > max(least, 0.7 * highest) }) else { return nil }
    // Noise makes a peak ragged: its summit lies where several seasons agree.
    let summit = (max(2, 4 * first / 5)...min(longest, max(first, 5 * first / 4))).filter {
        likenesses[$0].whole > likenesses[$0].half + 0.2
    }
    func height(_ lag: Int) -> Double { likenesses[lag].whole + likenesses[lag].multiples }
    return summit.max { height($0) < height($1) }
}

/// How alike the rows of a series are that lie some rows apart, less its moving mean over so many rows.
private struct SeasonLikeness {
    /// The correlation of rows so far apart.
    var whole = 0.0
    /// That of rows half as far apart.
    var half = 0.0
    /// The least of those two and three times as far apart, where the series is long enough.
    var multiples = 0.0
    /// The largest of those one and a half and two and a half times as far apart.
    var oddHalves = 0.0

    init() {}

    init(of values: [Double], after lag: Int) {
        let rest = Self.lessMovingMean(values, over: lag)
        let power = rest.reduce(0) { $0 + $1 * $1 }
        // Rounding alone.
        guard power > 1e-9 * values.reduce(0, { $0 + $1 * $1 }) else { return }
        func correlation(_ lag: Int) -> Double {
            guard lag < rest.count else { return 0 }
            var sum = 0.0
            for place in lag..<rest.count { sum += rest[place] * rest[place - lag] }
            return sum / power * Double(rest.count) / Double(rest.count - lag)
        }
        func aroundHalf(_ seasons: Int) -> Double {
            max(correlation(seasons * lag - lag / 2), correlation(seasons * lag - (lag - lag / 2)))
        }
        whole = correlation(lag)
        half = aroundHalf(1)
        (multiples, oddHalves) = (correlation(2 * lag), correlation(2 * lag - lag / 2))
        if rest.count - 3 * lag >= lag / 2 {
            multiples = min(multiples, correlation(3 * lag))
            oddHalves = max(oddHalves, correlation(3 * lag - lag / 2))
        }
    }

    func isSeasonal(_ least: Double) -> Bool {
        whole > half + 0.2 && multiples > oddHalves + 0.2 && multiples > 0.5 * max(whole, least)
    }

    /// The values that have enough neighbours, each less the mean over `width` rows around it: where that is even, those at
    /// both ends count half.
    private static func lessMovingMean(_ values: [Double], over width: Int) -> [Double] {
        let reach = width / 2
        guard values.count > 2 * reach else { return [] }
        var sum = values[0...2 * reach].reduce(0, +)
        return (reach..<values.count - reach).map { place in
            let (first, last) = (place - reach, place + reach)
            if first > 0 { sum += values[last] - values[first - 1] }
            let ends = width % 2 == 0 ? (values[first] + values[last]) / 2 : 0
            return values[place] - (sum - ends) / Double(width)
        }
    }
}
