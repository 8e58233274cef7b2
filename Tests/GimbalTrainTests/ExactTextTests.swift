import GimbalTestSupport
import GimbalTrain
import Testing

/// Texts of other bytes stay apart, though Swift's == takes é as one scalar and as two for the same.
@Suite struct ExactTextTests {
    private let composed = "caf\u{E9}"
    private let decomposed = "cafe\u{301}"

    @Test func tensorsOfAFile() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/weights.safetensors"
            let names = [composed, decomposed]
            try SafeTensors.write(
                names.enumerated().map { SafeTensors.Item(name: $1, shape: [1], floats: [Float($0)]) }, to: path)
            let file = try SafeTensors(path: path)
            #expect(file.entries.count == 2)
            for (index, name) in names.enumerated() {
                let entry = try #require(file[name])
                let values = try file.floats(of: entry)
                #expect(values == [Float(index)])
                #expect(entry.name.utf8.elementsEqual(name.utf8))
            }
        }
    }

    @Test func arraysOfAnArchive() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/weights.npz"
            func array(_ value: Float) -> NumPyArray {
                NumPyArray(shape: [1], type: .float32, bytes: withUnsafeBytes(of: value) { Array($0) })
            }
            try NumPyArchive.write([(composed, array(1)), (decomposed, array(2))], to: path)
            let archive = try NumPyArchive(path: path)
            let values = [try archive.array(composed).doubles, try archive.array(decomposed).doubles]
            #expect(values == [[1], [2]])
        }
    }

    @Test func namesOfAState() throws {
        try withDevice(.cpu) {
            var state = StateDictionary()
            state[composed] = Tensor([1] as [Double])
            state[decomposed] = Tensor([2] as [Double])
            state[counter: "e\u{301}"] = 3
            #expect(state.names.count == 3 && state[counter: "\u{E9}"] == nil)
            let values = [try state[composed]?.floats(), try state[decomposed]?.floats()]
            #expect(values == [[1], [2]])
            state[composed] = nil
            #expect(state.names.count == 2 && state[decomposed] != nil)
        }
    }

    /// A model that has the one name does not take the other for it.
    @Test func namesOfAModel() throws {
        try withDevice(.cpu) {
            let model = ModuleDictionary([composed: Linear(1, 1, hasBias: false)])
            var state = StateDictionary()
            state["\(decomposed).weight"] = Tensor([2], [1, 1])
            #expect(throws: GimbalError.self) { try model.load(state) }
            state["\(composed).weight"] = Tensor([3], [1, 1])
            let report = try model.load(state, isStrict: false)
            #expect(report.loaded.count == 1 && report.unexpected.count == 1)
            let value = try model.parameters[0].value.floats()
            #expect(value == [3])
        }
    }

    @Test func patternsOfNames() {
        #expect(NamePattern("caf?").matches(composed) && !NamePattern("caf?").matches(decomposed))
        #expect(!NamePattern(composed).matches(decomposed))
        let map: NameMap = ["*\u{301}": "*"]
        #expect(map.name(for: decomposed) == "cafe")
    }

    @Test func tokens() {
        func score(_ hypothesis: String) -> Double {
            BLEU<Substring>.sentence(
                hypothesis: hypothesis.split(separator: " "), references: ["le \(composed) noir".split(separator: " ")],
                maximumOrder: 1, smoothing: .none)
        }
        #expect(score("le \(composed) noir") == 1)
        #expect(abs(score("le \(decomposed) noir") - 2.0 / 3) < 1e-12)
        let numbers = BLEU<Int>.sentence(
            hypothesis: [1, 2, 3], references: [[1, 2, 4]], maximumOrder: 1, smoothing: .none)
        #expect(abs(numbers - 2.0 / 3) < 1e-12)
    }
}
