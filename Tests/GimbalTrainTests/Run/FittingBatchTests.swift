import Gimbal
import GimbalCPU
import GimbalTestSupport
import GimbalTrain
import Testing

/// A step that finds no memory says with which batch it would.
@Suite struct FittingBatchTests {
    private static let digits = Dataset.digits().flattened

    /// A training of two steps with so many samples in a batch.
    private func trainer(batchSize: Int, hidden: Int, _ backend: CPUBackend) -> Trainer<Batch> {
        let device = Device(backend: backend)
        return withDevice(device) {
            var settings = ModelSettings(for: Self.digits)
            settings.hidden = hidden
            let model = settings.makeModel(device: device)
            let loader = DataLoader(Self.digits, batchSize: batchSize, prefetchCount: 0)
            let trainer = Trainer(model, optimizer: Adam(model.parameters), data: loader) { batch in
                crossEntropy(model(batch.inputs), batch.targets)
            }
            trainer.maxSteps = 2
            trainer.doctor = nil
            return trainer
        }
    }

    private func peak(batchSize: Int, hidden: Int) throws -> Int {
        let backend = CPUBackend(threads: 1)
        try trainer(batchSize: batchSize, hidden: hidden, backend).run()
        return backend.memoryUsage.peak
    }

    @Test("The batch that is said to fit does, and four times it does not", arguments: [3, 5, 9])
    func found(divisor: Int) throws {
        let (batch, hidden) = (1024, 32)
        let limit = try peak(batchSize: batch, hidden: hidden) / divisor
        let backend = CPUBackend(threads: 1, memoryLimitBytes: limit)
        let large = trainer(batchSize: batch, hidden: hidden, backend)
        let weights = try large.model.parameters.map { try $0.value.floats() }
        let error = #expect(throws: GimbalError.self) { try large.run() }
        guard case .outOfMemory(_, _, _, _, let fitting?) = error else {
            Issue.record("\(error.map { "\($0)" } ?? "no error")")
            return
        }
        #expect((1..<batch).contains(fitting))
        #expect(error?.description.contains("; a batch of \(fitting) fits") == true)
        #expect(try large.model.parameters.map { try $0.value.floats() } == weights)
        let small = trainer(batchSize: fitting, hidden: hidden, CPUBackend(threads: 1, memoryLimitBytes: limit))
        #expect(try small.run() == .finished)
        // Twice as much may have room: what is tried holds moments and gradients at once.
        let larger = trainer(
            batchSize: 4 * fitting, hidden: hidden, CPUBackend(threads: 1, memoryLimitBytes: limit))
        #expect(throws: GimbalError.self) { try larger.run() }
    }

    @Test("Where no batch fits, that is said")
    func none() throws {
        // Weights and their gradients are nearly all of it.
        let limit = try peak(batchSize: 2, hidden: 512) * 3 / 4
        let trainer = trainer(batchSize: 4, hidden: 512, CPUBackend(threads: 1, memoryLimitBytes: limit))
        let error = #expect(throws: GimbalError.self) { try trainer.run() }
        #expect(error?.description.contains("no batch of two or more fits") == true, "\(error.map { "\($0)" } ?? "")")
    }
}
