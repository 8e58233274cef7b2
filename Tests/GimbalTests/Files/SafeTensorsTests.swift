import Foundation
import Gimbal
import GimbalTestSupport
import Testing

@Suite("safetensors")
struct SafeTensorsTests {
    // MARK: Against the reference implementation

    @Test("A file by the reference implementation is read, every type of it")
    func readsReference() throws {
        let file = try SafeTensors(path: packagePath("Tests/GimbalTests/Files/Fixtures/every-type.safetensors"))
        #expect(file.metadata == ["format": "pt", "note": "tab\tand 🙂"])
        #expect(file.entries.count == 11)
        let values: [Float] = [-1.5, 0, 2, 0.25, 100, -3]
        for (name, type) in [
            ("f32", SafeTensors.ElementType.float32), ("f16", .float16), ("bf16", .bfloat16), ("f64", .float64),
        ] {
            let entry = try #require(file[name])
            #expect(entry.type == type && entry.shape == [2, 3], "\(name)")
            #expect(try file.floats(of: entry) == values, "\(name)")
        }
        #expect(try file.floats(of: #require(file["i64"])) == [-1_099_511_627_776, 7])
        #expect(try file.floats(of: #require(file["i32"])) == [-7, 2_147_483_648])
        #expect(try file.bytes(of: #require(file["u8"])) == [0, 128, 255])
        #expect(try file.bytes(of: #require(file["bool"])) == [1, 0, 1])
        #expect(file["scalar"]?.shape == [])
        #expect(try file.floats(of: #require(file["scalar"])) == [3.5])
        #expect(try file.floats(of: #require(file["empty"])) == [])
        #expect(file["empty"]?.shape == [0, 4])
        #expect(try file.floats(of: #require(file["größe \"x\"\n"])) == [1])
        #expect(file["absent"] == nil)
    }

    @Test("Files of other programs are told by their first bytes, with the way on")
    func foreignFiles() throws {
        try withTemporaryFolder { folder in
            for (start, words, cure) in [
                ([0x50, 0x4B, 3, 4, 0, 0, 8, 8, 0, 0], "a zip archive and not safetensors", "gimbal convert"),
                ([0x80, 2, 0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20], "a pickle and not", "torch.save"),
                ([0x93] + Array("NUMPY\u{1}\0".utf8), "an array of NumPy (.npy) and not", "numpy.savez"),
                ([0x89] + Array("HDF\r\n\u{1A}\n".utf8), "HDF5 and not", "h5py"),
                ([0x1F, 0x8B, 8, 0, 0, 0, 0, 0], "gzip and not", "gunzip"),
                (Array("a,b\n1,2\n".utf8), "text and not", "safetensors"),
                (Array("GGUF\u{3}\0\0\0".utf8), "GGUF and not", "safetensors"),
                (Array("<!DOCTYPE html>".utf8), "a page of a web site and not", "download"),
                (Array("<html><head>".utf8), "a page of a web site and not", "download"),
                (Array("version https://git-lfs.github.com/spec/v1".utf8), "Git LFS", "git lfs pull"),
                (Array(#"{"metadata":{}, "weight_map":{}}"#.utf8), "JSON and not", "files that it lists"),
            ] as [([UInt8], String, String)] {
                let path = folder + "/net.safetensors"
                let rest = words.hasPrefix("text and") ? UInt8(ascii: "3") : 7
                try Data(start + [UInt8](repeating: rest, count: 100)).write(to: URL(fileURLWithPath: path))
                let error = #expect(throws: GimbalError.self) { try SafeTensors(path: path) }
                #expect("\(String(describing: error))".contains(words))
                #expect("\(String(describing: error))".contains(cure))
            }
        }
    }

    @Test("A tensor of several names is there under each of them for other files, and free text stays")
    func severalNames() throws {
        try withTemporaryFolder { folder in
            let (path, copy) = (folder + "/tied.safetensors", folder + "/copy.npz")
            let item = SafeTensors.Item(name: "emb.weight", shape: [2], floats: [1, 2])
            try SafeTensors.write(
                [item], metadata: ["head.weight": "emb.weight", "format": "emb.weight", "note": "mine"], to: path)
            let file = try WeightFile(path: path)
            #expect(file.entries.map(\.name) == ["emb.weight"] && file.otherNames.map(\.name) == ["head.weight"])
            try WeightFile.write(file.items, as: .npz, to: copy)
            let archive = try NumPyArchive(path: copy)
            #expect(try archive.array("head.weight") == archive.array("emb.weight"))
            try WeightFile.write(file.items, as: .safeTensors, metadata: ["note": "mine"], to: path)
            #expect(try SafeTensors(path: path).metadata == ["format": "pt", "note": "mine"])
        }
    }

    @Test("A pipe is refused, not waited for")
    func pipe() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/net.safetensors"
            try #require(mkfifo(path, 0o600) == 0)
            for open in [{ _ = try SafeTensors(path: path) }, { _ = try NumPyArray(path: path) }] as [() throws -> Void]
            {
                let error = #expect(throws: GimbalError.self) { try open() }
                #expect("\(String(describing: error))".contains("not a regular file"))
            }
        }
    }

    @Test("A truth value that is neither 0 nor 1 is an error when it is read, in every way of reading")
    func truthValues() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/net.safetensors"
            try SafeTensors.write(
                [.init(name: "b", type: .bool, shape: [3]) { [0, 1, 2] }, .init(name: "w", shape: [1], floats: [5])],
                to: path)
            let file = try SafeTensors(path: path)
            let entry = try #require(file["b"])
            for read in [
                { _ = try file.floats(of: entry) }, { _ = try file.doubles(of: entry) },
                { _ = try file.integers(of: entry) },
            ] as [() throws -> Void] {
                let error = #expect(throws: GimbalError.self) { try read() }
                #expect("\(String(describing: error))".contains("element 2 of 'b' is 2, which is no bool"))
            }
            #expect(try file.floats(of: #require(file["w"])) == [5])
        }
    }

    @Test("Names from a file cannot change what a terminal shows")
    func messagesOfNames() throws {
        let name = "a\n\u{1B}[31mred\u{0}\u{85}é"
        let errors: [GimbalError] = [
            .weightMismatch(path: name, missing: [name], unexpected: [name], misshaped: [name]),
            .invalidFile(path: name, reason: name), .fileSystem(operation: "open", path: name, reason: name),
            .invalidSetting(name: name, reason: name),
        ]
        for error in errors {
            let text = "\(error)"
            #expect(text.contains(#"a\n\u{1B}[31mred\u{0}\u{85}é"#), "\(text)")
            #expect(text.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }, "\(text)")
        }
    }

    @Test("Elements of an unknown type take at least a bit each")
    func absurdShapesOfUnknownTypes() throws {
        try withTemporaryFolder { folder in
            for (shape, isValid) in [([8], true), ([9], false), ([1 << 62], false), ([0, 1 << 40], false)] {
                let path = folder + "/net.safetensors"
                let header = #"{"w":{"dtype":"Q9","shape":\#(shape),"data_offsets":[0,1]}}"#
                let start = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { [UInt8]($0) }
                try Data(start + Array(header.utf8) + [0]).write(to: URL(fileURLWithPath: path))
                #expect(((try? SafeTensors(path: path)) != nil) == isValid, "\(shape)")
            }
        }
    }

    @Test("A header of any length is read, also of one whose bytes are how a pickle begins")
    func headerThatLooksLikeAPickle() throws {
        try withTemporaryFolder { folder in
            for length in [0x280, 0x380, 0x480, 0x580] {
                let path = folder + "/net.safetensors"
                let header = #"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#
                let text = header + String(repeating: " ", count: length - header.utf8.count)
                let start = withUnsafeBytes(of: UInt64(length).littleEndian) { [UInt8]($0) }
                try Data(start + Array(text.utf8) + [0, 0, 128, 63]).write(to: URL(fileURLWithPath: path))
                let file = try SafeTensors(path: path)
                #expect(try file.floats(of: #require(file["w"])) == [1])
            }
        }
    }

    @Test("What is written again is the reference implementation's file, byte for byte in the tensors")
    func writesReference() throws {
        let source = try SafeTensors(path: packagePath("Tests/GimbalTests/Files/Fixtures/every-type.safetensors"))
        try withTemporaryFolder { folder in
            let path = folder + "/copy.safetensors"
            let items = source.entries.map { entry in
                SafeTensors.Item(name: entry.name, type: entry.type, shape: entry.shape) { try source.bytes(of: entry) }
            }
            try SafeTensors.write(items.reversed(), metadata: source.metadata, to: path)
            let copy = try SafeTensors(path: path)
            #expect(copy.metadata == source.metadata)
            for entry in source.entries {
                let copied = try #require(copy[entry.name])
                #expect(copied.type == entry.type && copied.shape == entry.shape, "\(entry.name)")
                #expect(try copy.bytes(of: copied) == source.bytes(of: entry), "\(entry.name)")
            }

            // The order items come in does not matter.
            let first = try Data(contentsOf: URL(filePath: path))
            try SafeTensors.write(items, metadata: source.metadata, to: path)
            #expect(try Data(contentsOf: URL(filePath: path)) == first)
        }
    }

    // MARK: Types

    @Test("What Gimbal does not read is no hindrance to the rest", arguments: ["F8_E4M3", "F8_E5M2", "C64", "F3_NEW"])
    func foreignTypes(name: String) throws {
        try withTemporaryFolder { folder in
            let path = folder + "/a"
            let header =
                #"{"weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"#
                + #""scale":{"dtype":"\#(name)","shape":[1],"data_offsets":[4,\#(name == "C64" ? 12 : 5)]}}"#
            let data = [0, 0, 128, 63] + [UInt8](repeating: 7, count: name == "C64" ? 8 : 1)
            try write(header, data: data, to: path)
            let file = try SafeTensors(path: path)
            #expect(file.entries.map(\.name) == ["weight", "scale"])
            #expect(try file.floats(of: #require(file["weight"])) == [1])
            let scale = try #require(file["scale"])
            #expect(scale.type == .unread(name) && scale.type.rawValue == name && scale.shape == [1])
            #expect(try file.bytes(of: scale) == Array(data.dropFirst(4)))
            do {
                _ = try file.floats(of: scale)
                Issue.record("\(name) was read")
            } catch GimbalError.invalidFile(path, let reason) {
                #expect(reason.hasPrefix("'scale' is of type \(name), which Gimbal does not read"), "\(reason)")
            }
        }
    }

    @Test("Whole numbers of every size are read")
    func wholeNumbers() throws {
        func bytes(_ values: [some FixedWidthInteger]) -> [UInt8] {
            values.flatMap { value in withUnsafeBytes(of: value.littleEndian) { Array($0) } }
        }
        let columns: [(SafeTensors.ElementType, [UInt8], [Int])] = [
            (.int8, bytes([-128, 127] as [Int8]), [-128, 127]),
            (.int16, bytes([-32768, 32767] as [Int16]), [-32768, 32767]),
            (.uint16, bytes([0, 65535] as [UInt16]), [0, 65535]),
            (.uint32, bytes([0, .max] as [UInt32]), [0, 4_294_967_295]),
            (.uint64, bytes([0, 1 << 62 + 1] as [UInt64]), [0, 1 << 62 + 1]),
            (.int64, bytes([.min, .max] as [Int64]), [.min, .max]),
            (.uint8, [0, 255], [0, 255]),
        ]
        try withTemporaryFolder { folder in
            let items = columns.map { type, bytes, _ in
                SafeTensors.Item(name: type.rawValue, type: type, shape: [2]) { bytes }
            }
            try SafeTensors.write(items, to: folder + "/a")
            let file = try SafeTensors(path: folder + "/a")
            for (type, _, values) in columns {
                let entry = try #require(file[type.rawValue])
                #expect(entry.type == type)
                #expect(try file.integers(of: entry) == values, "\(type)")
                #expect(try file.floats(of: entry) == values.map { Float($0) }, "\(type)")
                #expect(try file.doubles(of: entry) == values.map { Double($0) }, "\(type)")
            }
            try SafeTensors.write(
                [SafeTensors.Item(name: "x", type: .uint64, shape: [1]) { bytes([UInt64.max]) }], to: folder + "/b")
            let large = try SafeTensors(path: folder + "/b")
            #expect(throws: GimbalError.self) { try large.integers(of: large.entries[0]) }
        }
    }

    // MARK: Writing

    @Test("Data begins at a multiple of 8, and every tensor is aligned to its elements")
    func alignment() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/a"
            let items = SafeTensors.ElementType.allCases.map { type in
                SafeTensors.Item(name: "\(type)", type: type, shape: [3]) {
                    [UInt8](repeating: 0, count: 3 * type.byteCount)
                }
            }
            for padding in 0..<8 {
                try SafeTensors.write(items, metadata: ["x": String(repeating: "y", count: padding)], to: path)
                let file = try SafeTensors(path: path)
                #expect(file.entries[0].range.lowerBound % 8 == 0)
                for entry in file.entries { #expect(entry.range.lowerBound % entry.type.byteCount == 0, "\(entry)") }
            }
        }
    }

    @Test("NaN, infinity and negative zero keep their bits")
    func specialValues() throws {
        try withTemporaryFolder { folder in
            let values: [Float] = [
                .nan, .infinity, -.infinity, -0.0, .leastNonzeroMagnitude, Float(bitPattern: 0x7FC0_1234),
            ]
            try SafeTensors.write([.init(name: "x", shape: [6], floats: values)], to: folder + "/a")
            let file = try SafeTensors(path: folder + "/a")
            #expect(try file.floats(of: file.entries[0]).map(\.bitPattern) == values.map(\.bitPattern))
        }
    }

    @Test("No tensors at all make a valid file")
    func empty() throws {
        try withTemporaryFolder { folder in
            try SafeTensors.write([], to: folder + "/a")
            let file = try SafeTensors(path: folder + "/a")
            #expect(file.entries.isEmpty && file.metadata.isEmpty)
        }
    }

    @Test("A tensor that cannot be fetched leaves the old file")
    func failingContents() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/a"
            try SafeTensors.write([.init(name: "x", shape: [1], floats: [1])], to: path)
            let lost = GimbalError.deviceFailed(device: "d", operation: "o", reason: "r")
            #expect(throws: lost) {
                try SafeTensors.write([.init(name: "x", type: .float32, shape: [1]) { throw lost }], to: path)
            }
            let file = try SafeTensors(path: path)
            #expect(try file.floats(of: file.entries[0]) == [1])
            #expect(try names(in: folder) == ["a"])
        }
    }

    // MARK: Reading in parts

    @Test("A tensor is read in pieces")
    func pieces() throws {
        try withTemporaryFolder { folder in
            try SafeTensors.write([.init(name: "x", shape: [4], floats: [1, 2, 3, 4])], to: folder + "/a")
            let file = try SafeTensors(path: folder + "/a")
            var part: [Float] = [0, 0]
            try part.withUnsafeMutableBytes { try file.read(file.entries[0], from: 8, into: $0) }
            #expect(part == [3, 4])
        }
    }

    @Test("A file larger than memory is opened without reading it")
    func huge() throws {
        try withTemporaryFolder { folder in
            let header = #"{"x":{"dtype":"U8","shape":[1099511627776],"data_offsets":[0,1099511627776]}}"#
            let path = folder + "/huge"
            try write(header, data: [], to: path)
            // A hole in the file, which takes no place on the disk.
            guard truncate(path, off_t(8 + header.utf8.count + 1 << 40)) == 0 else { return }
            let file = try SafeTensors(path: path)
            #expect(file.entries[0].byteCount == 1 << 40)
            var last: [UInt8] = [9, 9]
            try last.withUnsafeMutableBytes { try file.read(file.entries[0], from: 1 << 40 - 2, into: $0) }
            #expect(last == [0, 0])
        }
    }

    @Test("A file that is cut after it was opened gives an error")
    func cutLater() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/a"
            try SafeTensors.write([.init(name: "x", shape: [4], floats: [1, 2, 3, 4])], to: path)
            let file = try SafeTensors(path: path)
            try #require(truncate(path, 72) == 0)
            #expect(throws: GimbalError.invalidFile(path: path, reason: "truncated: it ends at byte 72")) {
                try file.floats(of: file.entries[0])
            }
        }
    }

    // MARK: Damaged files

    private func write(_ header: String, length: UInt64? = nil, data: [UInt8], to path: String) throws {
        let length = withUnsafeBytes(of: (length ?? UInt64(header.utf8.count)).littleEndian) { Array($0) }
        try Data(length + Array(header.utf8) + data).write(to: URL(filePath: path))
    }

    /// What is said of a file with `header` and `byteCount` bytes after it.
    private func refusal(_ header: String, length: UInt64? = nil, byteCount: Int = 8) throws -> String? {
        try withTemporaryFolder { folder in
            let path = folder + "/bad"
            try write(header, length: length, data: [UInt8](repeating: 0, count: byteCount), to: path)
            do {
                _ = try SafeTensors(path: path)
                return nil
            } catch GimbalError.invalidFile(path: path, let reason) {
                return reason
            }
        }
    }

    private static let good = #""x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#

    /// A header of tensors x, y and z that take these bytes.
    private static func threeTensors(_ offsets: [Int]...) -> String {
        let entries = zip("xyz", offsets).map { name, offsets in
            #""\#(name)":{"dtype":"U8","shape":[\#(offsets[1] - offsets[0])],"data_offsets":\#(offsets)}"#
        }
        return "{\(entries.joined(separator: ","))}"
    }

    @Test("The file that the following ones are damaged from is good")
    func undamaged() throws {
        #expect(try refusal("{\(Self.good)}") == nil)
        #expect(try refusal(" { \(Self.good) }\n ") == nil)
        #expect(try refusal(Self.threeTensors([0, 3], [3, 3], [3, 8])) == nil)
    }

    @Test("Texts may be written with any escape of JSON")
    func escapes() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/a"
            try write(#"{"__metadata__":{"\u00e9":"\ud83d\ude42\"\\\/\b\f\n\r\t\u0001"}}"#, data: [], to: path)
            #expect(try SafeTensors(path: path).metadata == ["é": "🙂\"\\/\u{8}\u{C}\n\r\t\u{1}"])
        }
    }

    @Test(
        "A damaged header is refused, with a word on what is wrong",
        arguments: [
            ("{}", "8 bytes follow the last tensor"),
            ("{\(good),\(good)}", "two tensors are called 'x'"),
            (#"{"x":{"dtype":"F8_E4M3","shape":[9],"data_offsets":[0,8]}}"#, "takes 9 bytes"),
            (#"{"x":{"dtype":"F4","shape":[16],"data_offsets":[0,9]}}"#, "truncated"),
            (#"{"x":{"dtype":"F4","shape":[16],"data_offsets":[0,7]}}"#, "1 bytes follow the last tensor"),
            (#"{"x":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#, "takes 12 bytes, but its data_offsets span 8"),
            (#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#, "not a begin and an end"),
            (#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[8]}}"#, "not a begin and an end"),
            (#"{"x":{"dtype":"F32","shape":[2]}}"#, "lacks its dtype, shape or data_offsets"),
            (#"{"x":{"dtype":"F32","shape":[2],"shape":[2],"data_offsets":[0,8]}}"#, "repeated field 'shape'"),
            (#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}"#, "truncated: tensor 'x' ends"),
            (#"{"x":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, "belong to no tensor"),
            (#"{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, "4 bytes follow the last tensor"),
            (#"{\#(good),"y":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, "'y' overlaps"),
            (threeTensors([0, 4], [4, 8], [4, 8]), "'z' overlaps"),
            (threeTensors([0, 4], [4, 7], [5, 8]), "'z' overlaps"),
            (threeTensors([0, 8], [2, 4], [4, 8]), "'y' overlaps"),
            (threeTensors([0, 2], [2, 4], [5, 8]), "before tensor 'z' belong to no tensor"),
            (threeTensors([0, 9], [9, 9], [9, 9]), "truncated: tensor 'x' ends"),
            (#"{"x":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#, "must be a whole number"),
            (#"{"x":{"dtype":"F32","shape":[2.5],"data_offsets":[0,8]}}"#, "expected"),
            (#"{"x":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,8]}}"#, "no size can be"),
            (#"{"x":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#, "larger than any memory"),
            (
                #"{"x":{"dtype":"U8","shape":[9223372036854775807],"data_offsets":[0,9223372036854775807]}}"#,
                "beyond any file"
            ),
            (#"{"__metadata__":{"a":1},\#(good)}"#, "'\"' expected"),
            (#"{"__metadata__":{"a":"1","a":"2"},\#(good)}"#, "two metadata texts are called 'a'"),
            ("{\(good)", "'}' expected"),
            ("{\(good)} x", "something after the end"),
            ("[1]", "'{' expected"),
            (#"{"x"#, "without an end"),
            (#"{"\ud800":1}"#, "surrogate"),
            (#"{"\q":1}"#, "escape"),
            ("\u{0}\u{1}", "'{' expected"),
        ])
    func damaged(header: String, expected: String) throws {
        let reason = try #require(try refusal(header), "accepted: \(header)")
        #expect(reason.contains(expected), "\(reason)")
    }

    @Test("A header longer than the file, or than any header, is refused before memory is asked for")
    func absurdLength() throws {
        let header = "{\(Self.good)}"
        for length in [UInt64.max, 1 << 62, 100_000_001, UInt64(header.utf8.count) + 9] {
            let reason = try #require(try refusal(header, length: length))
            #expect(reason.contains("claims a header of \(length) bytes"), "\(reason)")
        }
    }

    @Test("Cut anywhere, a file is refused")
    func truncated() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/a"
            try SafeTensors.write([.init(name: "x", shape: [2], floats: [1, 2])], metadata: ["a": "b"], to: path)
            let whole = try Data(contentsOf: URL(filePath: path))
            for length in 0..<whole.count {
                try whole.prefix(length).write(to: URL(filePath: path))
                #expect(throws: GimbalError.self, "cut to \(length) bytes") { try SafeTensors(path: path) }
            }
        }
    }

    @Test("With any one byte changed, a file is read or refused, and nothing worse")
    func corrupted() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/a"
            try SafeTensors.write([.init(name: "x", shape: [2], floats: [1, 2])], metadata: ["a": "b"], to: path)
            let whole = try Data(contentsOf: URL(filePath: path))
            for position in whole.indices {
                for value in [0, 0xFF, 0x22, 0x5C, whole[position] ^ 1] as [UInt8] {
                    var bytes = whole
                    bytes[position] = value
                    try bytes.write(to: URL(filePath: path))
                    do {
                        let file = try SafeTensors(path: path)
                        for entry in file.entries { _ = try file.floats(of: entry) }
                    } catch is GimbalError {}
                }
            }
        }
    }

    @Test("A missing file and a folder are errors that name the path")
    func missing() throws {
        let reason = "No such file or directory"
        #expect(throws: GimbalError.fileSystem(operation: "open", path: "/nowhere/x", reason: reason)) {
            try SafeTensors(path: "/nowhere/x")
        }
        try withTemporaryFolder { folder in
            let error = #expect(throws: GimbalError.self) { try SafeTensors(path: folder) }
            #expect(error?.description.contains(folder) == true)
        }
    }
}
