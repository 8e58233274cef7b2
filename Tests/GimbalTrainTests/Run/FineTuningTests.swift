import Foundation
import Gimbal
import GimbalTestSupport
import GimbalTrain
import Testing

@Suite("Beginning from trained weights")
struct FineTuningTests {
    private static let digits = Dataset.digits().split(trainFraction: 0.8)
    private static var small: ModelSettings {
        var model = ModelSettings(for: digits.train)
        (model.hidden, model.layers) = (16, 2)
        return model
    }

    /// A run of a few steps; with 0, as it begins.
    private func run(
        _ tuning: FineTuning?, model: ModelSettings = small, steps: Int = 3, data: Dataset = digits.train
    ) throws -> RecipeRun {
        var training = TrainingSettings(for: model.kind)
        (training.epochs, training.maxSteps, training.fineTuning) = (1, max(steps, 1), tuning)
        let run = try Recipe(model: model, training: training).makeRun(train: data, device: .cpu)
        if steps > 0 { try run.trainer.run() }
        return run
    }

    private func weights(_ run: RecipeRun) throws -> [String: [Float]] {
        let state = run.model.stateDictionary()
        return try state.names.reduce(into: [:]) { result, name in result[name] = try state[name]?.floats() }
    }

    private func withWeights(_ rename: (String) -> String = { $0 }, _ body: (String, [String: [Float]]) throws -> Void)
        throws
    {
        try withTemporaryFolder { folder in
            let first = try run(nil)
            let path = folder + "/model.safetensors"
            try first.model.save(to: path)
            let file = try WeightFile(path: path)
            let items = file.entries.map { entry in
                SafeTensors.Item(name: rename(entry.name), type: entry.type, shape: entry.shape) {
                    try file.bytes(of: entry)
                }
            }
            let renamed = folder + "/renamed.safetensors"
            try WeightFile.write(items, as: .safeTensors, to: renamed)
            try body(renamed, try weights(first))
        }
    }

    @Test(
        "Weights of a file are what training begins with, whatever stands before their names",
        arguments: ["", "module.", "a.b."])
    func loads(prefix: String) throws {
        try withWeights({ prefix + $0 }) { path, expected in
            let begun = try run(FineTuning(pretrained: path), steps: 0)
            #expect(begun.pretraining?.missing == [])
            #expect(try weights(begun) == expected)
        }
    }

    @Test("The layer that gives the outputs begins anew for other classes; any other layer of another shape is refused")
    func newHead() throws {
        try withWeights { path, expected in
            let three = Self.digits.train.subset { $0 < 3 }
            guard case .classes(let classes, _) = three.targets else { return }
            let data = Dataset(
                name: "three", inputShape: three.inputShape, inputs: three.inputs,
                targets: .classes(classes, names: ["0", "1", "2"]))
            var model = Self.small
            model.outputs = 3
            let begun = try run(FineTuning(pretrained: path), model: model, steps: 0, data: data)
            let report = try #require(begun.pretraining)
            #expect(report.misshaped.count == 2 && report.misshaped.allSatisfy { $0.hasPrefix("6.") })
            #expect(try weights(begun)["0.weight"] == expected["0.weight"])

            model.hidden = 24
            #expect(throws: GimbalError.self) { try run(FineTuning(pretrained: path), model: model, data: data) }
        }
    }

    @Test("The head's rows are those of the classes with the same names; without any, it begins anew")
    func classesByName() throws {
        try withTemporaryFolder { folder in
            func begun(_ names: [String], from source: String? = nil) throws -> RecipeRun {
                let three = Self.digits.train.subset { $0 < 3 }
                guard case .classes(let classes, _) = three.targets else { fatalError("digits are classes") }
                let data = Dataset(
                    name: "three", inputShape: three.inputShape, inputs: three.inputs,
                    targets: .classes(classes, names: names))
                var model = Self.small
                model.outputs = 3
                var training = TrainingSettings(for: model.kind)
                (training.epochs, training.maxSteps) = (1, 1)
                training.fineTuning = source.map { FineTuning(pretrained: $0) }
                return try Recipe(model: model, training: training).makeRun(
                    train: data, device: .cpu, folder: source == nil ? RunFolder(path: folder + "/run") : nil)
            }
            let first = try begun(["a", "b", "c"])
            try first.trainer.run()
            let trained = try weights(first)
            let old = try #require(trained["6.bias"])

            let same = try begun(["a", "b", "c"], from: folder + "/run")
            #expect(try weights(same)["6.bias"] == old && same.pretrainingNotes.isEmpty)

            let turned = try begun(["c", "a", "b"], from: folder + "/run")
            #expect(try weights(turned)["6.bias"] == [old[2], old[0], old[1]] && turned.partlyPretrained.isEmpty)
            #expect(
                turned.pretrainingNotes.count == 1 && turned.pretrainingNotes[0].contains("3 of 3 are taken by name"))

            let mixed = try begun(["x", "c", "y"], from: folder + "/run")
            let bias = try #require(try weights(mixed)["6.bias"])
            #expect(bias[1] == old[2] && bias[0] != old[0] && bias[2] != old[2])
            #expect(Set(mixed.partlyPretrained) == ["6.weight", "6.bias"])

            let other = try begun(["x", "y", "z"], from: folder + "/run")
            #expect(Set(other.pretraining?.missing ?? []) == ["6.weight", "6.bias"] && other.partlyPretrained.isEmpty)
            #expect(try weights(other)["0.weight"] == trained["0.weight"])
        }
    }

    @Test("Rows of embedding and head are those of the same tokens, whatever their numbers")
    func tokensByName() throws {
        try withTemporaryFolder { folder in
            func begun(_ text: String, from source: String? = nil) throws -> RecipeRun {
                let path = folder + "/text.txt"
                try String(repeating: text, count: 60).write(toFile: path, atomically: true, encoding: .utf8)
                var options = TextOptions()
                options.length = 8
                let parts = try DataSource.text(path: path, options: options).parts()
                var model = ModelSettings(kind: .lstmLM, for: parts.train)
                (model.hidden, model.layers) = (8, 1)
                var training = TrainingSettings(for: .lstmLM)
                (training.epochs, training.maxSteps) = (1, 1)
                training.fineTuning = source.map { FineTuning(pretrained: $0) }
                return try Recipe(model: model, training: training, data: parts.record).makeRun(
                    train: parts.train, device: .cpu, folder: source == nil ? RunFolder(path: folder + "/run") : nil)
            }
            let first = try begun("abcd")
            try first.trainer.run()
            let old = try weights(first)
            // As many tokens as before, and then one more: b, c and d are known, and have other numbers.
            for text in ["bcde", "bcdef"] {
                let run = try begun(text, from: folder + "/run")
                let new = try weights(run)
                for (name, width) in [("tokens", 8), ("head.weight", 8), ("head.bias", 1)] {
                    let (before, after) = (try #require(old[name]), try #require(new[name]))
                    #expect(Array(after[..<(3 * width)]) == Array(before[width...]), "\(name) of \(text)")
                    #expect(after[(3 * width)...].allSatisfy { !before.contains($0) })
                }
                #expect(Set(run.partlyPretrained) == ["tokens", "head.weight", "head.bias"])
                #expect(run.pretraining?.loaded.contains("tokens") == false)
                #expect(new["recurrent.weight_hh_l0"] == old["recurrent.weight_hh_l0"])
            }
        }
    }

    @Test("Columns in another order are told")
    func columnsByName() throws {
        try withTemporaryFolder { folder in
            func begun(_ head: String, from source: String? = nil) throws -> RecipeRun {
                let path = folder + "/table.csv"
                let rows = (0..<60).map {
                    "\(Double($0) / 7),\(Double($0 * $0 % 11) / 3),\($0 % 2 == 0 ? "yes" : "no")"
                }
                try ([head] + rows).joined(separator: "\n").write(toFile: path, atomically: true, encoding: .utf8)
                let parts = try DataSource.table(path: path).parts()
                var training = TrainingSettings()
                (training.epochs, training.maxSteps) = (1, 1)
                training.fineTuning = source.map { FineTuning(pretrained: $0) }
                return try Recipe(model: ModelSettings(for: parts.train), training: training, data: parts.record)
                    .makeRun(
                        train: parts.train, device: .cpu, folder: source == nil ? RunFolder(path: folder + "/run") : nil
                    )
            }
            try begun("height,weight,class").trainer.run()
            #expect(try begun("height,weight,class", from: folder + "/run").pretrainingNotes.isEmpty)
            let turned = try begun("weight,height,class", from: folder + "/run")
            #expect(
                turned.pretrainingNotes.count == 1
                    && turned.pretrainingNotes[0].contains("see weight where they saw height"))
        }
    }

    @Test("Frozen layers keep every bit, their batch normalisation its estimates; others move")
    func freezes() throws {
        try withWeights { path, expected in
            let trained = try weights(try run(FineTuning(pretrained: path, frozen: ["0.*", "1.*"])))
            for (name, values) in trained {
                let isFrozen = name.hasPrefix("0.") || name.hasPrefix("1.")
                #expect((values == expected[name]) == isFrozen, "\(name)")
            }
        }
        #expect(throws: GimbalError.self) { try run(FineTuning(frozen: ["*"])) }
        #expect(throws: GimbalError.self) { try run(FineTuning(frozen: ["nothing.*"])) }
    }

    @Test("A layer's rate is the optimizer's times its factor")
    func rates() throws {
        func moved(_ tuning: FineTuning?) throws -> [String: Float] {
            let (before, after) = (try weights(try run(tuning, steps: 0)), try weights(try run(tuning, steps: 1)))
            return before.mapValues { $0 }.reduce(into: [:]) { result, entry in
                result[entry.key] = zip(entry.value, after[entry.key]!).map { abs($0 - $1) }.max() ?? 0
            }
        }
        let plain = try moved(nil)
        let rated = try moved(FineTuning(layerRates: [.init("0.*", 0.25), .init("6.*", 0)]))
        #expect(abs(rated["0.weight"]! / plain["0.weight"]! - 0.25) < 1e-3)
        #expect(rated["6.weight"] == 0 && rated["3.weight"] == plain["3.weight"])
        #expect(throws: GimbalError.self) { try moved(FineTuning(layerRates: [.init("x.*", 1)])) }
    }

    @Test("Renaming and leaving out by pattern")
    func renames() throws {
        try withWeights({ $0.replacingOccurrences(of: "0.weight", with: "first.w") }) { path, expected in
            let unfit = #expect(throws: GimbalError.self) { try run(FineTuning(pretrained: path)) }
            #expect(unfit?.description.contains("does not fit the model: missing: 0.weight") == true)
            #expect(unfit?.description.contains("`renames`") == true)
            let idle = #expect(throws: GimbalError.self) {
                try run(FineTuning(pretrained: path, renames: [.init("second.*", "0.*")]))
            }
            #expect(idle?.description.contains("no tensor fits 'second.*'") == true)
            let tuning = FineTuning(pretrained: path, renames: [.init("first.w", "0.weight"), .init("6.*", nil)])
            let begun = try run(tuning, steps: 0)
            #expect(try weights(begun)["0.weight"] == expected["0.weight"])
            #expect(begun.pretraining?.leftOut.sorted() == ["6.bias", "6.weight"])
        }
    }

    @Test(
        "The large residual nets take grey and coloured pictures and carry torchvision's names",
        arguments: [
            ModelSettings.Kind.resnet18, .resnet34, .resnet50,
        ])
    func largeResNets(kind: ModelSettings.Kind) throws {
        var model = ModelSettings(kind: kind, inputShape: [3, 40, 48], outputs: 5)
        model.hidden = 4
        try model.validate()
        let net = model.makeModel(device: .cpu)
        let outputs = net.evaluating { net(.zeros([2, 3, 40, 48], device: .cpu)) }
        #expect(outputs.shape == [2, 5])
        #expect(net.namedParameters.contains { $0.name == "layer4.0.downsample.0.weight" })
    }
}
