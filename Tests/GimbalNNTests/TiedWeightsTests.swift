import Foundation
import GimbalNN
import GimbalTestSupport
import Testing

/// One parameter under two names, as of a head that is the embedding too.
@Suite struct TiedWeightsTests {
    private final class Net: Module {
        let emb = Embedding(4, 3)
        let head = Linear(3, 4, hasBias: false)
        let tied: Parameter?

        init(isTied: Bool) {
            tied = isTied ? emb.weight : nil
            super.init()
        }

        override var parts: [ModulePart] {
            [.parameter("emb.weight", emb.weight), .parameter("head.weight", tied ?? head.weight)]
        }
    }

    private func state(_ values: [String: [Float]]) -> StateDictionary {
        var state = StateDictionary()
        for (name, values) in values.sorted(by: { $0.key < $1.key }) { state[name] = Tensor(values, [4, 3]) }
        return state
    }

    private let first = (0..<12).map { Float($0) }

    /// What `safetensors.torch.save_model` writes of such a model.
    @Test func aFileOfOneNameFillsTheParameter() throws {
        try withDevice(.cpu) {
            for name in ["emb.weight", "head.weight"] {
                try withTemporaryFolder { folder in
                    let path = folder + "/tied.safetensors"
                    try SafeTensors.write(
                        [SafeTensors.Item(name: name, shape: [4, 3], floats: first)],
                        metadata: ["head.weight": "emb.weight"], to: path)
                    let net = Net(isTied: true)
                    let report = try net.load(from: path)
                    #expect(report.loaded == ["emb.weight", "head.weight"] && report.missing.isEmpty)
                    #expect(try net.emb.weight.value.floats() == first)
                    // Where the two are separate, one is missing.
                    let other = name == "emb.weight" ? "head.weight" : "emb.weight"
                    #expect(
                        throws: GimbalError.weightMismatch(path: path, missing: [other], unexpected: [], misshaped: [])
                    ) { try Net(isTied: false).load(from: path) }
                    let partial = try Net(isTied: false).load(from: path, isStrict: false)
                    #expect(partial.missing == [other])
                }
            }
        }
    }

    @Test func bothNamesMustHoldTheSame() throws {
        try withDevice(.cpu) {
            let second = first.map { $0 + 1 }
            let net = Net(isTied: true)
            try net.load(state(["emb.weight": first, "head.weight": first]))
            #expect(try net.emb.weight.value.floats() == first)
            let differing = state(["emb.weight": second, "head.weight": first])
            for isStrict in [true, false] {
                do {
                    try net.load(differing, isStrict: isStrict)
                    Issue.record("one parameter took two values")
                } catch GimbalError.invalidFile(_, let reason) {
                    #expect(reason.contains("'emb.weight' and 'head.weight' differ"), "\(reason)")
                }
                #expect(try net.emb.weight.value.floats() == first)
            }
            try net.load(differing, forgiving: ["head.*"])
            #expect(try net.emb.weight.value.floats() == second)
            try net.load(differing, forgiving: ["emb.*"])
            #expect(try net.emb.weight.value.floats() == first)
        }
    }

    /// Written as `safetensors.torch.load_model` wants it: once, with the other name in the metadata.
    @Test func savingWritesOneNameAndTheOtherInTheMetadata() throws {
        try withDevice(.cpu) {
            try withTemporaryFolder { folder in
                let path = folder + "/a"
                let net = Net(isTied: true)
                try net.save(to: path, metadata: ["note": "x"])
                let file = try SafeTensors(path: path)
                #expect(file.entries.map(\.name) == ["emb.weight"])
                #expect(file.metadata == ["head.weight": "emb.weight", "note": "x"])
                let other = Net(isTied: true)
                try other.load(from: path)
                let (written, read) = (try net.emb.weight.value.floats(), try other.emb.weight.value.floats())
                #expect(written == read)
                try Net(isTied: false).save(to: path)
                let separate = try SafeTensors(path: path)
                #expect(separate.entries.count == 2 && separate.metadata.isEmpty)
            }
        }
    }

    /// A tensor that is not read: passed over with a word where that is asked for, else an error before anything changes.
    @Test func unreadKindsArePassedOverByName() throws {
        try withDevice(.cpu) {
            try withTemporaryFolder { folder in
                let path = folder + "/a"
                let header =
                    #"{"emb.weight":{"dtype":"F32","shape":[4,3],"data_offsets":[0,48]},"#
                    + #""head.weight":{"dtype":"F8_E4M3","shape":[4,3],"data_offsets":[48,60]}}"#
                let length = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) }
                let data = first.withUnsafeBytes { Array($0) } + [UInt8](repeating: 1, count: 12)
                try Data(length + Array(header.utf8) + data).write(to: URL(filePath: path))
                let net = Net(isTied: false)
                let before = try net.emb.weight.value.floats()
                do {
                    try net.load(from: path)
                    Issue.record("an F8 tensor was read")
                } catch GimbalError.invalidFile(path, let reason) {
                    #expect(reason.contains("head.weight (of type F8_E4M3, which Gimbal does not read"), "\(reason)")
                }
                #expect(try net.emb.weight.value.floats() == before)
                for (isStrict, forgiving) in [(false, []), (true, ["head.*"])] as [(Bool, [NamePattern])] {
                    let report = try net.load(from: path, isStrict: isStrict, forgiving: forgiving)
                    #expect(report.loaded == ["emb.weight"] && report.unreadable.count == 1)
                    #expect(report.description.contains("1 of 2 tensors loaded"))
                    #expect(report.description.contains("not read (1):\n    head.weight (of type F8_E4M3"))
                    #expect(try net.emb.weight.value.floats() == first)
                }
                // One name of a tied parameter suffices.
                let report = try Net(isTied: true).load(from: path, isStrict: false)
                #expect(report.loaded == ["emb.weight"])
            }
        }
    }
}
