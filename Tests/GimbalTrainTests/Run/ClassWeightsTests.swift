import Foundation
import Gimbal
import GimbalTrain
import Testing

@Suite("Class weights")
struct ClassWeightsTests {
    private static let data = Dataset(
        name: "uneven", inputShape: [2], inputs: .floats((0..<80).map { Float($0 * 7 % 13) / 6 - 1 }),
        targets: .classes((0..<40).map { $0 % 10 == 0 ? 2 : $0 % 2 == 0 ? 1 : 0 }, names: ["a", "b", "c"]))

    private func run(_ weights: ClassWeights?, _ change: (inout TrainingSettings) -> Void = { _ in }) throws
        -> RecipeRun
    {
        var training = TrainingSettings()
        (training.epochs, training.batchSize, training.classWeights) = (1, 40, weights)
        change(&training)
        var model = ModelSettings(for: Self.data)
        (model.layers, model.normalization) = (0, .none)
        return try Recipe(model: model, training: training).makeRun(
            train: Self.data, validation: Self.data, device: .cpu)
    }

    @Test("Balanced weights are scikit-learn's, and stand in the recipe")
    func balanced() throws {
        // compute_class_weight("balanced", classes=[0, 1, 2], y=[0] * 20 + [1] * 16 + [2] * 4)
        let expected = [2.0 / 3, 5.0 / 6, 10.0 / 3]
        let weights = try #require(try run(.balanced).recipe.training.classWeights)
        #expect(weights.isBalanced && weights.weights.map(\.name) == ["a", "b", "c"])
        for (weight, value) in zip(weights.weights, expected) { #expect(abs(weight.weight - value) < 1e-15) }
        let coded = try JSONDecoder().decode(ClassWeights.self, from: JSONEncoder().encode(weights))
        #expect(coded == weights)
    }

    @Test(
        "Weights that are no numbers in float32, or whose sums are none, are refused",
        arguments: [1e39, 1e7, 1e-308, -1, .nan])
    func range(weight: Double) throws {
        let error = #expect(throws: GimbalError.self) { try run(ClassWeights([("a", weight)])) }
        #expect("\(error!)".contains("must be 0 or lie from 1e-06 to"), "\(error!)")
        _ = try run(ClassWeights([("a", 0), ("b", 1e6), ("c", 1e-6)]))
    }

    @Test(
        "The loss that is trained and the loss that is measured are weighted means over all examples",
        arguments: [0, 0.1])
    func loss(smoothing: Double) throws {
        let run = try run(ClassWeights([("c", 5), ("a", 0.5)])) { $0.labelSmoothing = smoothing }
        let batch = Self.data.batch(on: .cpu)
        let weight = Tensor([0.5, 1, 5] as [Float], device: .cpu)
        let expected = Double(
            try crossEntropy(run.model(batch.inputs), batch.targets, weight: weight, labelSmoothing: smoothing).item())
        #expect(abs(try run.evaluate(on: Self.data).loss! - expected) < 1e-6)
        // However it is cut into batches.
        #expect(abs(try run.recipe.evaluate(run.model, on: Self.data, batchSize: 7).loss! - expected) < 1e-6)
        try run.trainer.run()
        #expect(abs(run.trainer.trainLoss! - expected) < 1e-6)
        #expect(try abs(self.run(nil).evaluate(on: Self.data).loss! - expected) > 1e-3)
    }

    @Test("Batches that share a step count by the weights of their examples: as one batch of all")
    func accumulation() throws {
        func weights(batchSize: Int, accumulation: Int) throws -> [Double] {
            let run = try run(ClassWeights([("c", 5), ("a", 0.5)])) {
                ($0.batchSize, $0.accumulation, $0.optimizer, $0.learningRate) = (batchSize, accumulation, .sgd, 0.5)
                ($0.clipNorm, $0.weights) = (nil, .last)
            }
            try run.trainer.run()
            return try run.model.parameters.flatMap { try $0.value.doubles() }
        }
        let whole = try weights(batchSize: 40, accumulation: 1)
        for (batchSize, accumulation) in [(8, 5), (6, 7), (1, 40)] {
            let parts = try weights(batchSize: batchSize, accumulation: accumulation)
            for (part, value) in zip(parts, whole) { #expect(abs(part - value) < 1e-5, "\(batchSize)") }
        }
    }

    @Test("What cannot be used is refused by name")
    func refused() throws {
        for (weights, words) in [
            (ClassWeights([("d", 1)]), "there is no class 'd'; the classes are a, b, c"),
            (ClassWeights([("a", -1)]), "must be 0 or lie from 1e-06 to 1000000.0, not -1.0 for 'a'"),
            (ClassWeights([("a", 1), ("a", 2)]), "has a class twice"),
            (ClassWeights([("a", 0), ("b", 0), ("c", 0)]), "are 0 for every class"),
        ] {
            let error = #expect(throws: GimbalError.self) { try run(weights) }
            #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
        }
        let numbers = Dataset(
            name: "numbers", inputShape: [1], inputs: .floats([1, 2, 3]), targets: .values([1, 2, 3], width: 1))
        var training = TrainingSettings()
        training.classWeights = .balanced
        let error = #expect(throws: GimbalError.self) {
            try Recipe(model: ModelSettings(for: numbers), training: training).makeRun(train: numbers)
        }
        #expect(error?.description.contains("is for classification") == true)
    }
}
