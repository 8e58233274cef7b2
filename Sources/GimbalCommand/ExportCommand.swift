import ArgumentParser
import Foundation
import GimbalONNX
import GimbalTrain

struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Writes a trained model as an ONNX file, which onnxruntime and others run.",
        discussion: """
            The file computes what the model does, in float32, for batches of any size. It gives logits, of which a softmax \
            makes the probabilities of the classes, or numbers; its metadata say which, what the classes are called, and \
            how the inputs have to be prepared: what Gimbal does to data before the model sees it is no part of the graph. \
            Weights keep their names.

            EXAMPLES:
              gimbal export --checkpoint runs/churn churn.onnx
              gimbal export --checkpoint runs/a/checkpoints/step-000000200 a.onnx --weights last
            """)

    @Option(
        help: ArgumentHelp("A checkpoint, or the folder of a run, whose newest is taken.", valueName: "dir"),
        completion: .directory)
    var checkpoint: String
    @Argument(help: ArgumentHelp("The file to write.", valueName: "out.onnx"), completion: .file())
    var target: String
    @Option(
        help:
            "Which of the run's weights to write: the best by validation loss, the moving average, or the last. (default: as in training)"
    )
    var weights: WeightChoice?
    @Flag(help: "Replace OUT.ONNX where it is there, and is what gimbal export writes.")
    var force = false
    @Flag(help: "Print one JSON object on standard output, and nothing else there.")
    var json = false

    func run() throws { try SettingFlags.translating(export) }

    private func export() throws {
        if !force { try requireNothing(at: target) }
        if let fold = try CrossValidation.runs(in: checkpoint).first {
            throw GimbalError.invalidSetting(
                name: "--checkpoint",
                reason: "\(checkpoint) holds the folds of a cross-validation: name one of them, such as \(fold)")
        }
        let run = try SavedRun(checkpoint, weights: weights, device: .cpu)
        try requireOutput(target, "OUT.ONNX", inputs: run.record.recipe.data.files, kind: .model)
        let settings = run.record.recipe.model
        let use = ModelUse(run.record.recipe)
        // Other numbers in each sample; what they are makes no difference to the graph.
        let (shape, generator) = (Shape([3] + settings.sampleShape.sizes), RandomGenerator(seed: 0))
        let sample =
            settings.task == .tokens
            ? Tensor.integers(in: 0..<settings.outputs, shape, generator: generator, device: .cpu)
            : Tensor.normal(shape, generator: generator, device: .cpu)
        let model = try ONNXModel(of: run.model, sample: sample, metadata: try use.metadata())
        try model.write(to: target)
        if json {
            try printJSON(
                Report(checkpoint: run.checkpoint.path, target: target, operatorSet: ONNXModel.operatorSet, use))
        } else {
            try printLine("\(shown(target, limit: 200)): \(use.description)")
        }
    }

    private struct Report: Encodable {
        var checkpoint: String
        var target: String
        var operatorSet: Int
        var use: ModelUse

        init(checkpoint: String, target: String, operatorSet: Int, _ use: ModelUse) {
            (self.checkpoint, self.target, self.operatorSet, self.use) = (checkpoint, target, operatorSet, use)
        }
    }
}
