import Foundation
import Gimbal

/// What a run came to on its test data: written to `result.json` in its folder when it ends, and read by whatever reports
/// on the run later.
public struct RunResult: Codable, Sendable {
    /// Version of the layout of `result.json`; this version of Gimbal reads 1.
    public private(set) var formatVersion = Self.currentFormat
    /// When the run ended.
    public var date: Date
    /// Optimizer steps that the run had taken.
    public var steps: Int
    /// The weights that were tested.
    public var weights: ChosenWeights
    /// Time spent in training steps since the run began or was last gone on with; nil where it took none.
    public var seconds: Double?
    /// The model, printed.
    public var model: String
    /// Figures by name, such as `loss` and `accuracy`; what is undefined is absent.
    public var figures: Figures
    /// The scores of a classifier.
    public var classes: ClassificationReport?
    /// The scores of a regression.
    public var numbers: RegressionReport?
    /// Those of `numbers`, which are not in its own JSON.
    private var points: [RegressionPoint]?

    private static let currentFormat = 1
    /// The name of the file.
    static let fileName = "result.json"

    /// What a run that has ended came to.
    /// - Parameters:
    ///   - run: after `trainer.run()`.
    ///   - test: what its chosen weights came to on the test data.
    public init(_ run: RecipeRun, test: Evaluation) {
        let trainer = run.trainer
        // Whole seconds: what is read is what was written.
        date = Date(timeIntervalSince1970: Date().timeIntervalSince1970.rounded(.down))
        steps = trainer.progress.step
        weights = ChosenWeights(trainer.weights.kind(for: trainer.settings.weights), trainer.progress)
        seconds = trainer.trainedSamples > 0 ? trainer.trainingSeconds : nil
        model = run.summary
        figures = test.figures
        switch test.scores {
        case .classes(let confusion):
            classes = ClassificationReport(confusion, classNames: run.recipe.data.classNames)
        case .values(let scores):
            numbers = RegressionReport(scores)
            points = numbers?.points
        case .tokens: break
        }
    }

    /// Reads the result of the run in a folder; nil where none has ended there.
    /// - Throws: `GimbalError.invalidFile` for a file that is damaged, `GimbalError.fileSystem` for one that cannot be read.
    public init?(folder: String) throws {
        let path = "\(folder)/\(Self.fileName)"
        guard try isThere(path) else { return nil }
        self = try decoded(path, format: Self.currentFormat) { (result: RunResult) in
            try result.classes?.validate()
        }
        numbers?.points = points ?? []
    }

    /// Writes the result into the run's folder, whole or not at all.
    /// - Throws: `GimbalError.fileSystem`; an older result is then untouched.
    public func write(to folder: RunFolder) throws {
        let text = String(decoding: try CheckpointManifest.encoder.encode(self), as: UTF8.self)
        try AtomicFile.write(text + "\n", to: folder.resultPath)
    }
}
