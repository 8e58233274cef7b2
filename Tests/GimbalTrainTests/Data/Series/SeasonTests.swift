import Foundation
import GimbalTestSupport
import GimbalTrain
import Testing

@Suite("The season of a series")
struct SeasonTests {
    private func season(_ values: [Double]) throws -> (season: Int?, window: Int) {
        var found: (Int?, Int)?
        try withSeries(["sales"] + values.map { "\($0)" }) { path in
            let series = try #require(try DataSource.series(path: path).parts().record.series)
            found = (series.season, series.window)
        }
        return try #require(found)
    }

    /// Numbers of mean 0 and deviation 1, the same every time.
    private func noise(_ count: Int, seed: UInt64) -> [Double] {
        var random = Philox(seed: seed, stream: .split)
        return (0..<count).map { _ in
            (0..<12).reduce(-6) { sum, _ in sum + Double(random.next()) / Double(UInt32.max) }
        }
    }

    @Test(
        "Is found whatever its length, with a trend and noise or without",
        arguments: [4, 7, 12, 24, 30, 52, 60, 168, 365],
        [0, 0.02, 0.3])
    func found(period: Int, deviation: Double) throws {
        let count = max(8 * period, 200)
        let noise = noise(count, seed: UInt64(period))
        for trend in [0, 5.0] {
            let values = (0..<count).map {
                sin(2 * .pi * Double($0) / Double(period)) + trend * Double($0) / Double(count) + deviation * noise[$0]
            }
            let found = try season(values)
            // Noise moves the summit of a long wave a little.
            let near = deviation == 0 ? 0 : period / 30
            #expect(abs((found.season ?? 0) - period) <= near, "\(found)")
            #expect(found.window <= 400 && found.window >= min(found.season ?? 0, 200))
        }
    }

    @Test("Is none where there is none")
    func none() throws {
        let noise = noise(400, seed: 3)
        #expect(try season(noise).season == nil)
        #expect(try season((0..<400).map { Double($0) }).season == nil)
        #expect(try season((0..<400).map { Double($0 * $0) }).season == nil)
        #expect(try season((0..<400).map { exp(-Double($0) / 80) + 0.01 * noise[$0] }).season == nil)
    }

    @Test("Is the shorter of two")
    func week() throws {
        let values = (0..<1500).map { row in
            (row % 7 < 5 ? 1.0 : 0) + 3 * sin(2 * .pi * Double(row) / 365)
        }
        #expect(try season(values).season == 7)
    }
}
