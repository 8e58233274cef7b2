import Foundation
import GimbalTestSupport
import GimbalTrain
import Testing

/// One seed, two devices: the seed net's losses agree step by step.
@Suite(.serialized) struct DeviceAgreementTests {
    /// Collects the loss of each step.
    private final class Losses: TrainingCallback {
        var values: [Double] = []
        func didReport(_ report: StepReport) { values.append(report.loss) }
    }

    private func losses(_ data: (train: Dataset, test: Dataset), learningRate: Double, on device: Device) throws
        -> [Double]
    {
        var settings = TrainingSettings()
        settings.learningRate = learningRate
        settings.clipNorm = 1
        settings.maxSteps = 100
        let model = ModelSettings(inputs: data.train.featureCount, outputs: 10)
        let trainer = try Recipe(model: model, training: settings).makeRun(train: data.train, device: device).trainer
        trainer.reportInterval = 1
        let losses = Losses()
        trainer.callbacks = [losses]
        try trainer.run()
        #expect(losses.values.count == 100)
        return losses.values
    }

    private func expectAgreement(
        _ data: (train: Dataset, test: Dataset), learningRate: Double, on subject: BackendUnderTest
    ) throws {
        let expected = try losses(data, learningRate: learningRate, on: .cpu)
        let actual = try losses(data, learningRate: learningRate, on: Device(backend: subject.backend))
        for (step, (cpu, other)) in zip(expected, actual).enumerated() {
            #expect(abs(cpu - other) <= 1e-3 * cpu, "step \(step): \(cpu) on the CPU, \(other) on \(subject)")
        }
        #expect(expected[99] < expected[0] * 0.8, "it learns")
    }

    @Test(arguments: BackendUnderTest.openCL) func digits(on subject: BackendUnderTest) throws {
        try expectAgreement(Dataset.digits().split(trainFraction: 0.8, seed: 0), learningRate: 0.1, on: subject)
    }

    @Test(arguments: BackendUnderTest.openCL) func mnist(on subject: BackendUnderTest) throws {
        let folder = packagePath("../shared/data/mnist")
        guard FileManager.default.fileExists(atPath: folder) else {
            print("skipped: MNIST on two devices, as \(folder) is not there")
            return
        }
        try expectAgreement(try Dataset.mnist(folder: folder), learningRate: 0.01, on: subject)
    }
}
