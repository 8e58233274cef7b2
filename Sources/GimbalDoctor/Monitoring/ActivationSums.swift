import Foundation
import GimbalNN

/// What a look has seen of an activation, as sums over the rows of a batch: those of several ranks add up to those of all.
struct ActivationSums {
    /// What of it is no number.
    struct Place: Codable {
        /// The same on all ranks, and no other's in the same look.
        var key: String
        var name: String
        /// The operation.
        var function: String
        var hasGradient: Bool
        /// Units that are looked at one by one; 0 of none.
        var unitCount: Int
    }

    private let place: Place
    /// Those of the output, of its gradient, of flat elements and what they are counted among, and of each unit the number of
    /// ranks on which a sample switched it on.
    private var sums: [Double]

    private static let flat = 2 * HealthRow.sumCount
    private static let units = flat + 2

    /// - Parameters:
    ///   - output: `Statistic` columns.
    ///   - gradient: the same of the gradient, which is left out where the place has none.
    ///   - gradientScale: what the gradient is to be multiplied by.
    ///   - flatness: see `ActivationKind.flatness`.
    ///   - count: elements of the output.
    init(
        _ place: Place, output: ArraySlice<Double>, gradient: ArraySlice<Double>, gradientScale: Double,
        flatness: [Double]?, count: Int
    ) {
        self.place = place
        let gradients = HealthRow.sums(of: gradient, count: place.hasGradient ? count : 0, scale: gradientScale)
        sums = HealthRow.sums(of: output, count: count) + gradients
        guard let flatness else {
            sums += [0, 0]
            return
        }
        sums += place.unitCount > 0 ? [0, 0] + flatness.map { 1 - $0 } : [flatness[0] * Double(count), Double(count)]
    }

    private init(_ place: Place, _ sums: [Double]) { (self.place, self.sums) = (place, sums) }

    /// Takes out what does not count.
    mutating func clear() { sums = sums.map { _ in 0 } }

    /// That of the activation, and that of its gradient where there is one.
    var rows: [HealthRow] {
        var activation = HealthRow(.activation, place.name, sums: sums[..<HealthRow.sumCount])
        activation.function = place.function
        let units = sums[Self.units...]
        var share: Double?
        if !units.isEmpty {
            share = Double(units.count { $0 == 0 }) / Double(units.count)
        } else if sums[Self.flat + 1] > 0 {
            share = sums[Self.flat] / sums[Self.flat + 1]
        }
        let isRectifier = ActivationKind(rawValue: place.function)?.isRectifier ?? false
        if isRectifier { activation.deadShare = share } else { activation.saturatedShare = share }
        guard place.hasGradient else { return [activation] }
        return [
            activation,
            HealthRow(.activationGradient, place.name, sums: sums[HealthRow.sumCount..<Self.flat]),
        ]
    }

    /// Adds up what the ranks have seen, at the places that the first has looked at.
    /// - Parameter looks: of each look, its places.
    /// - Throws: `GimbalError.exchange`.
    static func joined(_ looks: [[ActivationSums]], over exchange: any GradientExchange) throws -> [[ActivationSums]] {
        // What a rank computes may depend on its rows, and whether it is looked at on its memory.
        let own = exchange.rank == 0 ? [UInt8](try JSONEncoder().encode(looks.map { $0.map(\.place) })) : []
        let places = try JSONDecoder().decode([[Place]].self, from: Data(try exchange.broadcast(own, from: 0)))
        var all: [Double] = []
        for (number, places) in places.enumerated() {
            let seen = Dictionary(
                (number < looks.count ? looks[number] : []).map { ($0.place.key, $0) },
                uniquingKeysWith: { one, _ in one })
            for place in places {
                let count = Self.units + place.unitCount
                let sums = seen[place.key]?.sums ?? []
                all += sums.count == count ? sums : [Double](repeating: 0, count: count)
            }
        }
        guard !all.isEmpty else { return places.map { _ in [] } }
        try all.withUnsafeMutableBufferPointer { try exchange.allReduce($0, .sum) }
        var left = all[...]
        return places.map { places in
            places.map { place in
                let count = Self.units + place.unitCount
                defer { left = left.dropFirst(count) }
                return ActivationSums(place, Array(left.prefix(count)))
            }
        }
    }
}

extension HealthRow {
    /// Numbers of `sums(of:count:scale:)`.
    static let sumCount = 7

    /// What adds up over the parts of a tensor: elements, those that are not finite, zeros, and of the finite ones the sum, the
    /// squares, the squares about the mean of the part, and those of that mean.
    /// - Parameters:
    ///   - statistics: `Statistic` columns.
    ///   - count: elements of the part.
    ///   - scale: what they are to be multiplied by.
    static func sums(of statistics: ArraySlice<Double>, count: Int, scale: Double = 1) -> [Double] {
        func value(_ column: Statistic) -> Double { statistics[statistics.startIndex + column.rawValue] }
        guard count > 0 else { return [Double](repeating: 0, count: sumCount) }
        let nonFinite = value(.nanCount) + value(.infinityCount)
        let finite = Double(count) - nonFinite
        let (mean, deviation, norm) =
            (scale * value(.mean), scale * value(.standardDeviation), scale * value(.norm))
        return [
            Double(count), nonFinite, value(.zeroCount), finite * mean, norm * norm, finite * deviation * deviation,
            finite * mean * mean,
        ]
    }

    /// - Parameter sums: of all parts of the tensor: see `sums(of:count:scale:)`.
    init(_ kind: Kind, _ name: String, sums: ArraySlice<Double>) {
        let sums = Array(sums)
        let finite = sums[0] - sums[1]
        self.init(kind, name, rootMeanSquare: finite > 0 ? (sums[4] / finite).squareRoot() : 0, count: Int(finite))
        mean = finite > 0 ? sums[3] / finite : 0
        // Means are of float32: where they differ by less than they are rounded by, they are one.
        let squares = finite > 0 ? sums[6] / finite : 0
        let between = squares - mean * mean
        standardDeviation = finite > 0 ? (sums[5] / finite + (between > 1e-14 * squares ? between : 0)).squareRoot() : 0
        zeroShare = sums[0] > 0 ? sums[2] / sums[0] : 0
        nonFiniteCount = Int(sums[1])
    }
}
