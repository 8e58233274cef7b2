import Foundation
import GimbalTestSupport
import GimbalTrain
import Testing

@Suite struct EarlyStoppingTests {
    private func epochs(_ stopping: EarlyStopping, _ values: [Double?]) -> Int? {
        var stopping = stopping
        return values.firstIndex { stopping.update($0) }
    }

    @Test func patienceIsCountedFromTheBest() {
        #expect(epochs(EarlyStopping(patience: 2), [3, 2, 2.5, 1, 1.5, 1, 0]) == 5)
        #expect(epochs(EarlyStopping(patience: 3), [3, 2, 1, 0]) == nil)
        #expect(epochs(EarlyStopping(patience: 2, mode: .maximum), [1, 3, 2, 3]) == 3)
    }

    @Test func aSmallChangeIsNoneAndNaNIsNotBetter() {
        #expect(epochs(EarlyStopping(patience: 2, minimumChange: 0.5), [3, 2.6, 2.4, 2.2, 2]) == 4)
        #expect(epochs(EarlyStopping(patience: 2), [.nan, .nan]) == 1)
        #expect(epochs(EarlyStopping(patience: 2), [1, .nan, 0.5, .nan]) == nil)
        #expect(epochs(EarlyStopping(patience: 2), [1, nil, nil]) == 2)
    }

    @Test func theWarmUpDoesNotCount() {
        var stopping = EarlyStopping(patience: 2, warmupEpochs: 3)
        let end = [0, 1, 2, 9, 8, 9, 9].firstIndex { stopping.update($0) }
        #expect(end == 6)
        #expect(stopping.state.best == 8 && stopping.state.bestEpoch == 4)
    }

    @Test func aSavedStateGoesOn() throws {
        let values = [5, 4, 4.5, 3, 3.5, 3.2, 3.1, 2]
        for stop in 0..<6 {
            var first = EarlyStopping(patience: 3)
            let early = values[..<stop].firstIndex { first.update($0) }
            #expect(early == nil)
            let second = try JSONDecoder().decode(EarlyStopping.self, from: JSONEncoder().encode(first))
            #expect(second == first)
            let end = epochs(second, [Double](values[stop...])) ?? values.count
            #expect(end == 6 - stop)
            Ledger.record(
                .regularization("EarlyStopping"), .property, on: "host", error: Double(abs(end - (6 - stop))),
                tolerance: 0)
        }
    }

    @Test func anotherPatienceTakesUpWhatWasSeen() {
        var first = EarlyStopping(patience: 2)
        for value in [1.0, 2, 3] { _ = first.update(value) }
        #expect(first.hasRunOut)
        var second = EarlyStopping(patience: 3)
        second.state = first.state
        #expect(!second.hasRunOut)
        let hasRunOut = second.update(4)
        #expect(hasRunOut)
    }
}
