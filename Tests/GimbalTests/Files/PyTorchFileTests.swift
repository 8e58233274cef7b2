import Foundation
import Gimbal
import GimbalTestSupport
import Testing

/// Fixtures are what torch.save wrote: Fixtures/make_pytorch_fixtures.py.
@Suite("Files of PyTorch")
struct PyTorchFileTests {
    private func fixture(_ name: String) -> String {
        packagePath("Tests/GimbalTests/Files/Fixtures/PyTorch/\(name).pt")
    }

    @Test(
        "A state dictionary is read, every type and layout of it",
        arguments: ["every-type", "every-type-legacy", "protocol-4"])
    func everyType(name: String) throws {
        let file = try PyTorchFile(path: fixture(name))
        func floats(_ name: String) throws -> [Float] {
            let entry = try #require(file[name])
            let bytes = try file.bytes(of: entry)
            return bytes.withUnsafeBytes { entry.type.floats($0) }
        }
        let values: [Float] = [-1.5, 0, 2, 0.25, 100, -3]
        for (name, type) in [
            ("f32", SafeTensors.ElementType.float32), ("f16", .float16), ("bf16", .bfloat16), ("f64", .float64),
        ] {
            #expect(file[name]?.type == type && file[name]?.shape == [2, 3], "\(name)")
            #expect(try floats(name) == values, "\(name)")
        }
        #expect(try floats("i64") == [-1_099_511_627_776, 7])
        #expect(try floats("i32") == [-7, 2_147_483_648])
        #expect(try floats("i16") == [-7, 300])
        #expect(try floats("i8") == [-7, 100])
        #expect(try floats("u8") == [0, 128, 255])
        #expect(try floats("bool") == [1, 0, 1])
        #expect(file["scalar"]?.shape == [])
        #expect(try floats("scalar") == [3.5])
        #expect(file["empty"]?.shape == [0, 4])
        #expect(try floats("empty") == [])
        #expect(try floats("größe \"x\"\n") == [1])
        #expect(file["transposed"]?.shape == [6, 4])
        #expect(try floats("transposed") == (0..<24).map { Float($0 % 4 * 6 + $0 / 4) })
        #expect(try floats("strided") == [6, 9, 18, 21])
        #expect(try floats("repeated") == [5, 5, 5, 5, 5, 5])
        #expect(try floats("middle") == [10, 11, 12, 13])
        #expect(file.entries.map(\.name).prefix(3) == ["f32", "f16", "bf16"])
        #expect(file["absent"] == nil)
    }

    @Test(
        "Of a checkpoint, tensors have the names on the way to them, and the rest is told",
        arguments: ["checkpoint", "checkpoint-legacy"])
    func checkpoint(name: String) throws {
        let file = try PyTorchFile(path: fixture(name))
        let names = file.entries.map(\.name)
        #expect(
            names.filter { $0.hasPrefix("model_state_dict.") } == [
                "model_state_dict.fc1.weight", "model_state_dict.fc1.bias", "model_state_dict.norm.weight",
                "model_state_dict.norm.bias", "model_state_dict.norm.running_mean",
                "model_state_dict.norm.running_var", "model_state_dict.norm.num_batches_tracked",
            ])
        #expect(names.contains("parameters.0") && names.contains("optimizer.state.0.exp_avg"))
        let values = Dictionary(uniqueKeysWithValues: file.values.map { ($0.name, $0.value) })
        #expect(values["epoch"] == "3")
        #expect(values["args.lr"] == "0.1" && values["args.name"] == "run")
        #expect(values["size"] == "[2, 3]")
        #expect(values["history.1.loss"] == "0.25")
        #expect(values["best"] != nil && values["path"] != nil)
        #expect(!values.keys.contains { $0.contains("_metadata") })
        let first = try file.bytes(of: #require(file["model_state_dict.fc1.weight"]))
        #expect(try file.bytes(of: #require(file["parameters.0"])) == first)
    }

    @Test("Types that Gimbal does not read are no hindrance to the others")
    func youngTypes() throws {
        let file = try PyTorchFile(path: fixture("young"))
        #expect(file["u16"]?.type == .uint16 && file["u32"]?.type == .uint32)
        #expect(try file.bytes(of: #require(file["u16"])) == [1, 0, 255, 255])
        #expect(try file.bytes(of: #require(file["plain"])).count == 8)
        for name in ["float8", "complex"] {
            let entry = try #require(file[name])
            #expect(!entry.type.isRead, "\(name)")
            expectInvalid("which Gimbal does not read") { _ = try file.bytes(of: entry) }
        }
    }

    @Test("Tensors of kinds that are not read are told, and the others read")
    func oddKinds() throws {
        let file = try WeightFile(path: fixture("odd"))
        #expect(file.entries.filter(\.type.isRead).map(\.name) == ["", "plain"])
        #expect(try file.bytes(of: #require(file[""])) == file.bytes(of: #require(file["plain"])))
        #expect(Set(file.unreadable.map(\.name)) == ["negated", "sparse", "meta", "quantized"])
        #expect(file.notes.map(\.name) == ["complex", "set"])
    }

    @Test("Keys that are no texts are spelled as Python does, and an array of NumPy is told")
    func keys() throws {
        let file = try WeightFile(path: fixture("keys"))
        #expect(file.entries.map(\.name) == ["(0, 1)", "(2,)", "b'a'", "b'b'"])
        #expect(file.unreadable.map(\.name) == ["array"])
        #expect(file.unreadable.first?.reason.contains("an array of NumPy") == true)
    }

    @Test("A storage that unpacks to more than its description says is refused before it is unpacked")
    func bomb() { expectInvalid("takes 16 bytes by its description") { _ = try PyTorchFile(path: fixture("bomb")) } }

    @Test("A lone tensor is read under a name")
    func loneTensor() throws {
        let file = try PyTorchFile(path: fixture("tensor"))
        #expect(file.entries.map(\.name) == ["tensor"] && file.entries[0].shape == [2, 3])
    }

    @Test("What would run code is refused, and nothing is run", arguments: ["evil", "evil-legacy", "model"])
    func code(name: String) throws {
        let trace = "/tmp/gimbal-was-here"
        let was = FileManager.default.fileExists(atPath: trace)
        let error = expectInvalid("state dictionary") { _ = try PyTorchFile(path: fixture(name)) }
        #expect(error.contains(name == "model" ? "__main__.Module" : "posix.system"))
        #expect(FileManager.default.fileExists(atPath: trace) == was)
    }

    @Test("A program of TorchScript is told as what it is")
    func script() { expectInvalid("TorchScript") { _ = try PyTorchFile(path: fixture("script")) } }

    @Test("What was written is read again, each type of it")
    func writes() throws {
        try withTemporaryFolder { folder in
            let source = try WeightFile(path: fixture("every-type"))
            let path = folder + "/copy.pt"
            try WeightFile.write(source.items, as: .pyTorch, to: path)
            let copy = try WeightFile(path: path)
            #expect(copy.entries == source.entries && copy.format == .pyTorch)
            for entry in source.entries {
                #expect(try copy.bytes(of: entry) == source.bytes(of: entry), "\(entry.name)")
            }
            // Members begin where a cache line does.
            let contents = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
            let first = try source.bytes(of: #require(source["f32"]))
            let place = try #require((0..<contents.count - first.count).first { contents[$0...].starts(with: first) })
            #expect(place % 64 == 0)
            let young = SafeTensors.Item(name: "u", type: .uint32, shape: [2]) { [1, 0, 0, 0, 2, 0, 0, 0] }
            try WeightFile.write([young], as: .pyTorch, to: path)
            #expect(try WeightFile(path: path).entries.map(\.type) == [.uint32])
        }
    }

    @Test("Every format is told by its bytes, whatever its name")
    func formats() throws {
        try withTemporaryFolder { folder in
            let items = try WeightFile(path: fixture("checkpoint")).items
            for format in [WeightFile.Format.safeTensors, .pyTorch, .npz] {
                let path = folder + "/weights"
                try WeightFile.write(items, as: format, to: path)
                let file = try WeightFile(path: path)
                #expect(file.format == format)
                #expect(Set(file.entries.map(\.name)) == Set(items.map(\.name)))
            }
            #expect(throws: GimbalError.self) { try WeightFile.write(items, as: .npy, to: folder + "/x") }
            #expect(!FileManager.default.fileExists(atPath: folder + "/x"))
        }
    }

    @Test("Damage of every kind is told, and crashes nothing", arguments: ["every-type", "checkpoint-legacy", "young"])
    func mutations(name: String) throws {
        let original = try [UInt8](Data(contentsOf: URL(fileURLWithPath: fixture(name))))
        try withTemporaryFolder { folder in
            let path = folder + "/mutated.pt"
            try forEachMutation(of: original) { bytes in
                try Data(bytes).write(to: URL(fileURLWithPath: path))
                do {
                    let file = try WeightFile(path: path)
                    for entry in file.entries where entry.shape.elementCount < 1 << 20 {
                        _ = try? file.bytes(of: entry)
                    }
                } catch is GimbalError {}
            }
        }
    }

    // MARK: Pickles that nobody wrote

    /// A file of the old format with a description of one's own.
    /// - Parameter storages: what follows it: a pickled list of their names, and each one's elements.
    private func withPickle(
        _ code: [UInt8], storages: [UInt8] = Array("].".utf8), _ body: (String) throws -> Void
    ) throws {
        let magic: [UInt8] = [0x80, 2, 0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, 0x2E]
        let version: [UInt8] = [0x80, 2, UInt8(ascii: "M"), 0xE9, 3, UInt8(ascii: ".")]
        let system = Array("}.".utf8)
        try withTemporaryFolder { folder in
            let path = folder + "/own.pt"
            let file = magic + version + system + code + storages
            try Data(file).write(to: URL(fileURLWithPath: path))
            try body(path)
        }
    }

    @Test("A million lists within each other are no hindrance")
    func depth() throws {
        let deep = [UInt8](repeating: UInt8(ascii: "]"), count: 1_000_000)
        let closed = deep + [UInt8](repeating: UInt8(ascii: "a"), count: 999_999) + [UInt8(ascii: ".")]
        try withPickle(closed) { path in expectInvalid("hold each other") { _ = try PyTorchFile(path: path) } }
        let tuples = [UInt8(ascii: ")")] + [UInt8](repeating: 0x85, count: 1_000_000) + [UInt8(ascii: ".")]
        try withPickle(tuples) { path in expectInvalid("hold each other") { _ = try PyTorchFile(path: path) } }
    }

    @Test("A list within itself, and one many times over, end")
    func cycles() throws {
        // memo 0 = []; append memo 0 to it.
        let cycle = Array("]".utf8) + [UInt8(ascii: "q"), 0, UInt8(ascii: "h"), 0] + Array("a.".utf8)
        try withPickle(cycle) { path in expectInvalid("hold each other") { _ = try PyTorchFile(path: path) } }
        // Each level holds the one before twice.
        var laughs: [UInt8] = Array("]".utf8)
        for _ in 0..<60 { laughs += [UInt8(ascii: "2"), 0x86] }
        laughs += Array(".".utf8)
        try withPickle(laughs) { path in expectInvalid("hold each other") { _ = try PyTorchFile(path: path) } }
    }

    @Test("An instruction that there is not is named, with its place")
    func unknownInstruction() throws {
        try withPickle(Array("N".utf8) + [1] + Array(".".utf8)) { path in
            expectInvalid("no instruction 1 at byte 24") { _ = try PyTorchFile(path: path) }
        }
    }

    @Test("A tensor whose rows together reach beyond its storage is refused before it is read", arguments: [4, 5, 6])
    func beyondStorage(elements: UInt8) throws {
        // [2, 3] of a storage in which each row, and the distance between them, has room by itself.
        func text(_ text: String) -> [UInt8] { [0x8C, UInt8(text.utf8.count)] + Array(text.utf8) }
        let storage =
            Array("(".utf8) + text("storage") + Array("ctorch\nFloatStorage\n".utf8) + text("0") + text("cpu")
            + [UInt8(ascii: "K"), elements] + Array("NtQ".utf8)
        let shape = Array("K".utf8) + [2] + Array("K".utf8) + [3, 0x86]
        let strides = Array("K".utf8) + [3] + Array("K".utf8) + [1, 0x86]
        let tensor =
            Array("ctorch._utils\n_rebuild_tensor_v2\n(".utf8) + storage + Array("K".utf8) + [0] + shape + strides
            + [0x89] + Array("ccollections\nOrderedDict\n)RtR.".utf8)
        let contents = [elements] + [UInt8](repeating: 0, count: 7 + 4 * Int(elements))
        let storages = Array("]".utf8) + text("0") + Array("a.".utf8) + contents
        try withPickle(tensor, storages: storages) { path in
            if elements == 6 {
                let file = try PyTorchFile(path: path)
                #expect(try file.bytes(of: #require(file["tensor"])) == [UInt8](repeating: 0, count: 24))
            } else {
                expectInvalid("tensor 'tensor', [2, 3], exceeds its storage") { _ = try PyTorchFile(path: path) }
            }
        }
    }

    @Test("A text that claims more than there is does not take memory")
    func claims() throws {
        let text: [UInt8] = [0x8D, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]
        try withPickle(text) { path in expectInvalid("does not end") { _ = try PyTorchFile(path: path) } }
    }

    @discardableResult
    private func expectInvalid(
        _ words: String, sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
    ) -> String {
        let error = #expect(throws: GimbalError.self, sourceLocation: sourceLocation) { try body() }
        let text = error.map { "\($0)" } ?? ""
        #expect(text.contains(words), "\(text)", sourceLocation: sourceLocation)
        return text
    }
}
