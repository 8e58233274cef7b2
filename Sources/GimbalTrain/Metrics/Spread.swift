import Glibc

/// The mean and the deviation of numbers taken in one by one (Welford 1962), right for finite numbers of any size: all is
/// kept in units of a power of two near the largest of them, which loses no bit and leaves room for squares.
struct Spread {
    /// How many there are.
    private(set) var count = 0
    private var unit = Double.leastNormalMagnitude
    private var unitMean = 0.0
    private var unitSquares = 0.0

    @inline(__always)
    mutating func add(_ value: Double) {
        if abs(value) > unit { enlarge(to: value) }
        count += 1
        let scaled = value / unit
        let distance = scaled - unitMean
        unitMean += distance / Double(count)
        unitSquares += distance * (scaled - unitMean)
    }

    private mutating func enlarge(to value: Double) {
        // An infinite number makes mean and deviation NaN, as its distance from the mean is.
        let larger = value.isFinite ? abs(value).binade : 1
        guard larger > unit else { return }
        let scale = unit / larger
        unitMean *= scale
        unitSquares *= scale * scale
        unit = larger
    }

    var mean: Double { unitMean * unit }

    /// Of the population; 0 for no numbers, and for equal ones.
    var deviation: Double { count > 0 ? (unitSquares / Double(count)).squareRoot() * unit : 0 }

    /// The root of the mean of the squares of the numbers themselves.
    var rootMeanSquare: Double { hypot(mean, deviation) }
}
