import GimbalNN
import GimbalTestSupport
import Testing

/// Weights of one model in another: renamed, in part, with a new head.
@Suite struct PartialLoadingTests {
    private final class Net: Module, Layer {
        let body = Linear(4, 3)
        let fc: Linear
        init(classes: Int) { fc = Linear(3, classes) }
        func forward(_ input: Tensor) -> Tensor { fc(body(input).relu()) }
    }

    private final class Wrapped: Module {
        let backbone: Net
        init(_ net: Net) { backbone = net }
    }

    private func withFile(of module: Module, _ body: (String) throws -> Void) throws {
        try withTemporaryFolder { folder in
            try withDevice(.cpu) {
                try module.save(to: folder + "/model.safetensors")
                try body(folder + "/model.safetensors")
            }
        }
    }

    @Test func aNewHeadOnATrainedBackbone() throws {
        let trained = Net(classes: 10)
        try withFile(of: trained) { path in
            let model = Net(classes: 2)
            let head = try model.fc.weight.value.floats()
            let report = try model.load(from: path, forgiving: ["fc.*"])
            #expect(report.loaded == ["body.weight", "body.bias"])
            #expect(
                report.misshaped == [
                    "fc.weight ([10, 3] in the file, [2, 3] in the model)",
                    "fc.bias ([10] in the file, [2] in the model)",
                ])
            #expect(report.missing.isEmpty && report.unexpected.isEmpty && report.renamed.isEmpty)
            let (kept, loaded) = (try model.fc.weight.value.floats(), try model.body.weight.value.floats())
            let expected = try trained.body.weight.value.floats()
            #expect(kept == head && loaded == expected)
            #expect(report.description.contains("2 of 4 tensors loaded"))
            #expect(report.description.contains("of another shape (2):\n    fc.weight"))
        }
    }

    /// A tensor that turns out to be damaged when it is read, whichever it is.
    @Test func aFailureWhileReadingLeavesTheModelAsItWas() throws {
        try withTemporaryFolder { folder in
            try withDevice(.cpu) {
                let model = BatchNorm1d(2)
                let path = folder + "/model.safetensors"
                try SafeTensors.write(
                    ["weight", "bias", "running_mean", "running_var"].map {
                        .init(name: $0, shape: [2], floats: [7, 7])
                    }
                        + [.init(name: "num_batches_tracked", shape: [], floats: [.nan])], to: path)
                let error = #expect(throws: GimbalError.self) { try model.load(from: path) }
                #expect("\(String(describing: error))".contains("'num_batches_tracked' is no whole number"))
                for tensor in model.stateDictionary().names.compactMap({ model.stateDictionary()[$0] }) {
                    let values = try tensor.floats()
                    #expect(!values.contains(7))
                }
            }
        }
    }

    @Test func anotherShapeIsAnErrorEvenInPart() throws {
        try withFile(of: Net(classes: 10)) { path in
            let model = Net(classes: 2)
            let before = try model.parameters.map { try $0.value.floats() }
            for (isStrict, forgiving) in [(false, []), (true, []), (false, ["fc.weight"])] as [(Bool, [NamePattern])] {
                do {
                    try model.load(from: path, isStrict: isStrict, forgiving: forgiving)
                    Issue.record("the head fits another model only")
                } catch GimbalError.weightMismatch(_, let missing, let unexpected, let misshaped) {
                    #expect(missing.isEmpty && unexpected.isEmpty)
                    #expect(misshaped.count == (forgiving.isEmpty ? 2 : 1))
                }
            }
            let after = try model.parameters.map { try $0.value.floats() }
            #expect(after == before)
        }
    }

    @Test func namesAreMappedByPatterns() throws {
        let trained = Net(classes: 2)
        try withFile(of: Wrapped(trained)) { path in
            let model = Net(classes: 2)
            let report = try model.load(from: path, mapping: ["backbone.*": "*"])
            #expect(report.loaded == ["body.weight", "body.bias", "fc.weight", "fc.bias"])
            #expect(report.renamed.contains { $0.inFile == "backbone.body.bias" && $0.inModel == "body.bias" })
            #expect(report.renamed.count == 4)
            let (loaded, expected) = (try model.fc.bias!.value.floats(), try trained.fc.bias!.value.floats())
            #expect(loaded == expected)
            // And back again, the other way round.
            try model.save(to: path)
            let wrapped = Wrapped(Net(classes: 2))
            let back = try wrapped.load(from: path, mapping: .adding(prefix: "backbone."))
            #expect(back.loaded.count == 4)
        }
    }

    @Test func aPartIsLoadedAndTheRestAccountedFor() throws {
        try withFile(of: Net(classes: 2)) { path in
            let model = Sequential { Linear(4, 3) }
            #expect(throws: GimbalError.self) { try model.load(from: path, mapping: ["body.weight": "0.weight"]) }
            let report = try model.load(
                from: path, mapping: ["body.weight": "0.weight", "fc.b*": nil], isStrict: false)
            #expect(report.loaded == ["0.weight"] && report.missing == ["0.bias"])
            #expect(report.unexpected.sorted() == ["body.bias", "fc.weight"] && report.leftOut == ["fc.bias"])
        }
    }

    @Test func twoTensorsOfOneNameAreAnError() throws {
        try withFile(of: Net(classes: 2)) { path in
            #expect(throws: GimbalError.self) {
                try Net(classes: 2).load(from: path, mapping: ["*.weight": "weight"], isStrict: false)
            }
        }
    }

    @Test func theFirstRuleThatMatchesDecides() {
        let map: NameMap = ["module.*.?": "*-?", "module.*": "*", "*.gamma": "*.weight", "drop": nil]
        #expect(map.name(for: "module.layer.1") == "layer-1")
        #expect(map.name(for: "module.fc.weight") == "fc.weight")
        #expect(map.name(for: "norm.gamma") == "norm.weight")
        #expect(map.name(for: "drop") == nil)
        #expect(map.name(for: "other") == "other")
        #expect(NameMap.identity.name(for: "x") == "x")
        #expect(NameMap.removing(prefix: "module.").name(for: "xmodule.y") == "xmodule.y")
    }
}
