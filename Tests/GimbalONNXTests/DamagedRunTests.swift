import Foundation
import GimbalONNX
import GimbalTestSupport
import GimbalTrain
import Testing

/// Runs whose files are damaged are exported, or refused; none ends the program.
@Suite struct DamagedRunTests {
    @Test(arguments: ["manifest.json", "model.safetensors"])
    func mutations(name: String) throws {
        try withTemporaryFolder { path in
            let digits = Dataset.digits().prefix(100)
            var model = ModelSettings(for: digits)
            model.hidden = 8
            var training = TrainingSettings()
            training.maxSteps = 1
            let folder = try RunFolder(path: path)
            let run = try Recipe(model: model, training: training).makeRun(
                train: digits, device: .cpu, folder: folder)
            try run.trainer.run()
            let checkpoint = try #require(try folder.checkpoints.last)
            // Or no byte would be looked at that is another.
            try FileManager.default.removeItem(atPath: checkpoint + "/checksums.sfv")
            let file = URL(filePath: "\(checkpoint)/\(name)")
            try forEachMutation(of: [UInt8](Data(contentsOf: file)), count: 500) { bytes in
                try Data(bytes).write(to: file)
                do {
                    let saved = try SavedRun(checkpoint, device: .cpu)
                    let sample = Tensor.zeros(Shape([3] + saved.record.recipe.model.sampleShape.sizes))
                    _ = try ONNXModel(of: saved.model, sample: sample).serialized()
                } catch is GimbalError {}
            }
        }
    }
}
