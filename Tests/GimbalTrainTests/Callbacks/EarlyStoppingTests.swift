import Foundation
import GimbalTestSupport
import GimbalTrain
import Testing

@Suite struct EarlyStoppingTests {
    private func epochs(_ stopping: EarlyStopping, _ values: [Double]) -> Int? {
        values.firstIndex { stopping.update($0) }
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
    }

    @Test func theWarmUpDoesNotCount() {
        let stopping = EarlyStopping(patience: 2, warmupEpochs: 3)
        #expect(epochs(stopping, [0, 1, 2, 9, 8, 9, 9]) == 6)
        #expect(stopping.state.best == 8 && stopping.state.bestEpoch == 4)
    }

    @Test func aSavedStateGoesOn() throws {
        let values = [5, 4, 4.5, 3, 3.5, 3.2, 3.1, 2]
        for stop in 0..<6 {
            let first = EarlyStopping(patience: 3)
            #expect(epochs(first, [Double](values[..<stop])) == nil)
            let second = EarlyStopping(patience: 3)
            second.state = try JSONDecoder().decode(
                EarlyStopping.State.self, from: JSONEncoder().encode(first.state))
            let end = epochs(second, [Double](values[stop...])) ?? values.count
            #expect(end == 6 - stop)
            Ledger.record(
                .regularization("EarlyStopping"), .property, on: "host", error: Double(abs(end - (6 - stop))),
                tolerance: 0)
        }
    }

    @Test func theBestWeightsComeBackBuffersIncluded() throws {
        try withDevice(Device(backend: ReferenceBackend())) {
            let model = Sequential {
                Linear(2, 3)
                BatchNorm1d(3)
            }
            let stopping = EarlyStopping(patience: 2, restoresBest: true)
            func change() { _ = model(Tensor([1, 2, 3, 5], [2, 2])) }
            func values() throws -> [[Double]] {
                let norm = try #require(model.layers[1] as? BatchNorm1d)
                return try [model.parameters[0].value, try #require(norm.runningMean).value].map { try $0.doubles() }
            }
            change()
            #expect(!stopping.update(1, model: model))
            let best = try values()
            model.parameters[0].assign(Tensor.zeros([3, 2]))
            change()
            #expect(!stopping.update(2, model: model))
            #expect(try values() != best)
            try stopping.restoreBest(model)
            #expect(try values() == best)
            let other = Sequential { Linear(2, 4) }
            #expect(throws: GimbalError.self) { try stopping.restoreBest(other) }
        }
    }
}
