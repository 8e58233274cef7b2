import Foundation
import Gimbal
import GimbalTestSupport
import GimbalTrain
import Testing

/// `.npy` and `.npz` against files by NumPy (Tests/ParityTests/Generators/numpy_files.py), and damaged in every place.
@Suite struct NumPyTests {
    private let fixtures = packagePath("Tests/ParityTests/Fixtures")
    private let values = [-2.5, 0, 1, 3, 100.25, -7]

    @Test func arraysByNumPyAreReadWhateverTheirTypeOrderAndVersion() throws {
        let archive = try NumPyArchive(path: fixtures + "/arrays.npz")
        #expect(archive.entries.count == 20)
        let cube = (0..<24).map(Double.init)
        let bytes: [Double] = [0, 1, 2, 3, 254, 255]
        for entry in archive.entries {
            let array = try archive.array(entry.name)
            #expect(array.shape == entry.shape && array.type == entry.type)
            let expected: (Shape, [Double]) =
                switch entry.name {
                case "u1": ([2, 3], bytes)
                case "b1": ([2, 3], values.map { $0 > 0 ? 1 : 0 })
                case "scalar": ([], [3.5])
                case "empty": ([0, 4], [])
                case "vector": ([5], [0, 1, 2, 3, 4])
                case let name where name.hasPrefix("fortran"): ([2, 3, 4], cube)
                case let name where name.hasPrefix("i"): ([2, 3], values.map { $0.rounded(.towardZero) })
                default: ([2, 3], values)
                }
            #expect(array.shape == expected.0 && array.doubles == expected.1, "\(entry.name)")
            let read = try array.tensor(on: .cpu).doubles()
            #expect(read == expected.1, "\(entry.name)")
        }
    }

    /// A ZIP archive of stored members, packed by `method` as its directory says.
    private func zip(_ members: [(name: String, bytes: [UInt8])], method: UInt16 = 0) -> [UInt8] {
        func little(_ value: some FixedWidthInteger) -> [UInt8] {
            withUnsafeBytes(of: value.littleEndian) { Array($0) }
        }
        func checksum(_ bytes: [UInt8]) -> UInt32 {
            var sum: UInt32 = 0xFFFF_FFFF
            for byte in bytes {
                sum ^= UInt32(byte)
                for _ in 0..<8 { sum = sum & 1 == 1 ? (sum >> 1) ^ 0xEDB8_8320 : sum >> 1 }
            }
            return ~sum
        }
        var (file, directory): ([UInt8], [UInt8]) = ([], [])
        for (name, bytes) in members {
            let size = little(UInt32(bytes.count))
            var header: [UInt8] = little(UInt16(20))
            header += little(UInt16(0))
            header += little(method)
            header += little(UInt32(0))
            header += little(checksum(bytes))
            header += size
            header += size
            header += little(UInt16(name.utf8.count))
            header += little(UInt16(0))
            directory += [0x50, 0x4B, 1, 2, 20, 0]
            directory += header
            directory += [UInt8](repeating: 0, count: 10)
            directory += little(UInt32(file.count))
            directory += Array(name.utf8)
            file += [0x50, 0x4B, 3, 4]
            file += header
            file += Array(name.utf8)
            file += bytes
        }
        var end: [UInt8] = [0x50, 0x4B, 5, 6, 0, 0, 0, 0]
        end += little(UInt16(members.count))
        end += little(UInt16(members.count))
        end += little(UInt32(directory.count))
        end += little(UInt32(file.count))
        end += [0, 0]
        return file + directory + end
    }

    /// A member that cannot be unpacked is no hindrance either, until it is asked for.
    @Test func membersPackedInOtherWaysArePassedOver() throws {
        try withTemporaryFolder { folder in
            try Data(zip([("a.npy", [1, 2, 3]), ("note.txt", [4])], method: 12))
                .write(to: URL(filePath: folder + "/a.npz"))
            let archive = try NumPyArchive(path: folder + "/a.npz")
            #expect(archive.entries.isEmpty)
            do {
                _ = try archive.array("a")
                Issue.record("it was unpacked")
            } catch GimbalError.invalidFile(_, let reason) {
                #expect(reason.contains("packed by method 12"), "\(reason)")
            }
        }
    }

    /// Texts, objects, records and complex numbers beside what is asked for.
    @Test(arguments: [
        ("'<U5'", "<U5"), ("'|O'", "|O"), ("'<c8'", "<c8"), ("'<M8[ns]'", "<M8[ns]"),
        ("[('a', '<f4'), ('b', [('c', '|S]2')])]", "[('a', '<f4'), ('b', [('c', '|S]2')])]"),
    ])
    func whatIsNotReadIsNoHindrance(descr: String, name: String) throws {
        try withTemporaryFolder { folder in
            let dictionary = "{'descr': \(descr), 'fortran_order': False, 'shape': (2,), }\n"
            var foreign: [UInt8] = [0x93]
            foreign += Array("NUMPY".utf8)
            foreign += [1, 0, UInt8(dictionary.utf8.count), 0]
            foreign += Array(dictionary.utf8)
            foreign += [UInt8](repeating: 1, count: 40)
            let weight = NumPyArray([1.5, 2] as [Float])
            try weight.write(to: folder + "/weight.npy")
            let members = [
                ("foreign.npy", foreign),
                ("weight.npy", [UInt8](try Data(contentsOf: URL(filePath: folder + "/weight.npy")))),
            ]
            try Data(zip(members)).write(to: URL(filePath: folder + "/a.npz"))
            let archive = try NumPyArchive(path: folder + "/a.npz")
            #expect(archive.entries.map(\.name) == ["foreign", "weight"])
            #expect(archive.entries[0].type == .unread(name) && archive.entries[0].shape == [2])
            let read = try archive.array("weight")
            #expect(read == weight)
            do {
                _ = try archive.array("foreign")
                Issue.record("\(name) was read")
            } catch GimbalError.invalidFile(_, let reason) {
                #expect(reason.hasPrefix("elements of type '\(name)'"), "\(reason)")
            }
            #expect(archive.unreadable.map(\.name) == ["foreign"])
        }
    }

    @Test(arguments: ["{'descr", "{", "{'descr': ", "{'descr': '", "{'descr': '<f4', 'shape': (2", ""])
    func headersThatEndTooEarlyAreErrors(dictionary: String) throws {
        try withTemporaryFolder { folder in
            var file: [UInt8] = [0x93]
            file += Array("NUMPY".utf8)
            file += [1, 0, UInt8(dictionary.utf8.count), 0]
            file += Array(dictionary.utf8)
            try Data(file).write(to: URL(filePath: folder + "/a.npy"))
            #expect(throws: GimbalError.self) { _ = try NumPyArray(path: folder + "/a.npy") }
        }
    }

    @Test func wholeNumbersOfEverySizeAreRead() throws {
        let arrays: [(SafeTensors.ElementType, [UInt8], [Double])] = [
            (.int8, [0x80, 0x7F], [-128, 127]), (.int16, [0, 0x80, 0xFF, 0x7F], [-32768, 32767]),
            (.uint16, [0, 0, 0xFF, 0xFF], [0, 65535]),
            (.uint32, [0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0x7F], [0, 2_147_483_647]),
            (.uint64, [UInt8](repeating: 0, count: 8) + [1, 0, 0, 0, 0, 0, 0, 0], [0, 1]),
        ]
        try withTemporaryFolder { folder in
            for (type, bytes, values) in arrays {
                try NumPyArray(shape: [2], type: type, bytes: bytes).write(to: folder + "/a.npy")
                let read = try NumPyArray(path: folder + "/a.npy")
                let tensor = try read.tensor(on: .cpu)
                let integers = try tensor.integers()
                #expect(read.type == type && read.doubles == values, "\(type)")
                #expect(tensor.dtype == .int32 && integers == values.map { Int32($0) }, "\(type)")
            }
            let large = NumPyArray(shape: [1], type: .uint32, bytes: [0xFF, 0xFF, 0xFF, 0xFF])
            #expect(throws: GimbalError.self) { try large.tensor(on: .cpu) }
        }
    }

    @Test func whatIsWrittenIsNumPysFileByteForByte() throws {
        try withTemporaryFolder { folder in
            let array = NumPyArray((0..<24).map(Float.init), [2, 3, 4])
            try array.write(to: folder + "/array.npy")
            let written = try Data(contentsOf: URL(filePath: folder + "/array.npy"))
            let byNumPy = try Data(contentsOf: URL(filePath: fixtures + "/array.npy"))
            #expect(written == byNumPy)
            let read = try NumPyArray(path: folder + "/array.npy")
            #expect(read == array)
        }
    }

    @Test(arguments: [false, true]) func archivesSurviveARoundTrip(compresses: Bool) throws {
        let source = try NumPyArchive(path: fixtures + "/arrays.npz")
        var arrays = try source.entries.map { (name: $0.name, array: try source.array($0.name)) }
        // Larger than zlib's buffers, both packable and not.
        arrays.append(("large", NumPyArray([Float](repeating: 1.5, count: 100_000))))
        var state: UInt32 = 1
        let noise = (0..<100_000).map { _ -> Float in
            state = state &* 1_664_525 &+ 1_013_904_223
            return Float(state)
        }
        arrays.append(("größe/noise", NumPyArray(noise, [100, 1000])))
        try withTemporaryFolder { folder in
            try NumPyArchive.write(arrays, compresses: compresses, to: folder + "/copy.npz")
            let copy = try NumPyArchive(path: folder + "/copy.npz")
            #expect(copy.entries.map(\.name) == arrays.map(\.name))
            for (name, array) in arrays {
                let read = try copy.array(name)
                #expect(read == array, "\(name)")
            }
            let first = try Data(contentsOf: URL(filePath: folder + "/copy.npz"))
            try NumPyArchive.write(arrays, compresses: compresses, to: folder + "/again.npz")
            let second = try Data(contentsOf: URL(filePath: folder + "/again.npz"))
            #expect(first == second)
            #expect((first.count < 700_000) == compresses)
            try NumPyArchive.write([], to: folder + "/empty.npz")
            let none = try NumPyArchive(path: folder + "/empty.npz").entries
            #expect(none.isEmpty)
        }
    }

    @Test(arguments: [
        ("", "it is empty"), ("\u{1}NUMPY", "not a .npy file"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", "takes 12 bytes, but 8"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 99999999999), }", "larger than any memory"),
        (
            "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 99999999999, 0), }",
            "larger than any memory"
        ),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", "a size of at most"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }", "a size of at most"),
        ("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", "elements of type '<c8'"),
        ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", "elements of type '[('a', '<f4')]'"),
        ("{'descr': '<f4', 'fortran_order': 0, 'shape': (2,), }", "True or False expected"),
        ("{'descr': '<f4', 'shape': (2,), }", "'fortran_order' is missing"),
        ("{'descr': '<f4', 'descr': '<f4', 'shape': (2,), }", "'descr' comes twice"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}", "unknown field 'x'"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x", "something follows"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (2", "')' expected"),
        ("{'descr': '|b1', 'fortran_order': False, 'shape': (8,)}", "which is no bool"),
    ])
    func aFileThatIsNotWhatItClaimsIsAnError(_ header: String, _ reason: String) throws {
        try withTemporaryFolder { folder in
            let path = folder + "/wrong.npy"
            var contents: [UInt8] = []
            if header.first == "{" {
                contents = [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.utf8.count), 0] + Array(header.utf8)
                contents += [0, 0, 128, 63, 7, 0, 0, 0]
            } else {
                contents = Array(header.utf8)
            }
            try AtomicFile.write(contents, to: path)
            expectInvalid(reason) { _ = try NumPyArray(path: path) }
        }
    }

    @Test func anArchiveCutOrChangedAnywhereIsAnErrorAndNothingWorse() throws {
        let whole = [UInt8](try Data(contentsOf: URL(filePath: fixtures + "/arrays.npz")))
        let source = try NumPyArchive(path: fixtures + "/arrays.npz")
        let values = try source.entries.map { try source.array($0.name).doubles }
        func outcome(_ bytes: [UInt8], _ path: String) throws -> [[Double]]? {
            do {
                try AtomicFile.write(bytes, to: path)
                let archive = try NumPyArchive(path: path)
                return try archive.entries.map { try archive.array($0.name).doubles }
            } catch GimbalError.invalidFile {
                return nil
            }
        }
        try withTemporaryFolder { folder in
            for length in stride(from: 0, to: whole.count, by: 97) {
                let cut = try outcome(Array(whole[..<length]), folder + "/cut.npz")
                #expect(cut == nil, "\(length)")
            }
            for place in stride(from: 0, to: whole.count, by: 13) {
                var changed = whole
                changed[place] ^= 0xFF
                // Some bytes, such as times and names, may change: then the arrays are the same, or fewer.
                if let read = try outcome(changed, folder + "/changed.npz") {
                    #expect(read == values || read.count < values.count, "byte \(place)")
                }
            }
        }
    }

    @Test func aMemberThatClaimsToUnpackToMoreThanItCanIsAnError() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/bomb.npz"
            try NumPyArchive.write([("x", NumPyArray([1, 2, 3] as [Float]))], compresses: true, to: path)
            var bytes = [UInt8](try Data(contentsOf: URL(filePath: path)))
            let entry = bytes.count - 22 - 46 - 5
            // The unpacked size in the directory.
            for place in 24..<28 { bytes[entry + place] = 0xFE }
            try AtomicFile.write(bytes, to: path)
            expectInvalid("cannot unpack") { _ = try NumPyArchive(path: path) }
        }
    }

    /// An archive whose directory gives every number in ZIP64's fields, as those beyond four gigabytes must.
    @Test func theWideFieldsOfZIP64AreRead() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/wide.npz"
            let array = NumPyArray([1, 2, 3] as [Float])
            try NumPyArchive.write([("y", array), ("x", array)], to: path)
            let bytes = [UInt8](try Data(contentsOf: URL(filePath: path)))
            func number(_ place: Int) -> UInt64 { (0..<4).reduce(0) { $0 | UInt64(bytes[place + $1]) << (8 * $1) } }
            func wide(_ value: UInt64) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }
            let start = Int(number(bytes.count - 6))
            var directory: [UInt8] = []
            for place in [start, start + 51] {
                var entry = Array(bytes[place..<place + 46])
                let numbers = [24, 20, 42].map { number(place + $0) }
                for field in [20, 24, 42] { entry.replaceSubrange(field..<field + 4, with: [255, 255, 255, 255]) }
                // An extra field of another kind comes first.
                entry[30] = 6 + 28
                directory += entry + bytes[place + 46..<place + 51] + [9, 9, 2, 0, 1, 2] + [1, 0, 24, 0]
                directory += numbers.flatMap(wide)
            }
            let end = UInt64(start + directory.count)
            var result = bytes[..<start] + directory
            result += [0x50, 0x4B, 6, 6] + wide(44) + [45, 0, 45, 0] + wide(0) + wide(2) + wide(2)
            result += wide(UInt64(directory.count)) + wide(UInt64(start))
            result += [0x50, 0x4B, 6, 7, 0, 0, 0, 0] + wide(end) + [1, 0, 0, 0]
            result += [0x50, 0x4B, 5, 6, 0, 0, 0, 0] + [UInt8](repeating: 255, count: 12) + [0, 0]
            try AtomicFile.write(Array(result), to: path)
            let archive = try NumPyArchive(path: path)
            let read = try archive.entries.map { try archive.array($0.name) }
            #expect(archive.entries.map(\.name) == ["y", "x"] && read == [array, array])
            // Numbers beyond the file.
            for place in [start + 61 + 6, start + 61 + 14, start + 61 + 22, result.count - 42 - 24] {
                var wrong = Array(result)
                wrong[place] = 0xFE
                wrong[place + 7] = 0xFE
                try AtomicFile.write(wrong, to: path)
                #expect(throws: GimbalError.self) { try NumPyArchive(path: path) }
            }
        }
    }

    @Test func weightsComeFromAnArchiveToo() throws {
        try withTemporaryFolder { folder in
            try withDevice(.cpu) {
                let path = folder + "/weights.npz"
                let saved = BatchNorm1d(3)
                _ = saved(Tensor.normal([4, 3]))
                let arrays = try saved.parameters.map { (name: "norm." + $0.name, array: try NumPyArray($0.value)) }
                let mean = try #require(saved.runningMean).value
                let variance = try #require(saved.runningVariance).value
                try NumPyArchive.write(
                    arrays + [
                        ("norm.running_mean", try NumPyArray(mean)), ("norm.running_var", try NumPyArray(variance)),
                        ("norm.num_batches_tracked", NumPyArray([7] as [Int64], [])),
                    ], to: path)
                let loaded = BatchNorm1d(3)
                let report = try loaded.load(from: NumPyArchive(path: path), mapping: .removing(prefix: "norm."))
                #expect(report.loaded.count == 5 && loaded.batchCount?.value == 7)
                let values = try #require(loaded.runningVariance).value.floats()
                let expected = try variance.floats()
                #expect(values == expected)
            }
        }
    }

    private func expectInvalid(
        _ reason: String, sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
    ) {
        do {
            try body()
            Issue.record("nothing was thrown", sourceLocation: sourceLocation)
        } catch GimbalError.invalidFile(_, let found) {
            #expect(found.contains(reason), sourceLocation: sourceLocation)
        } catch {
            Issue.record("\(error)", sourceLocation: sourceLocation)
        }
    }
}
