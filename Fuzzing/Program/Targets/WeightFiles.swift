import Gimbal
import GimbalTrain

extension Target {
    static let weightFiles = [
        Target("safetensors") { input in
            let file = try SafeTensors(path: input.path)
            var values: [[UInt8]] = []
            for entry in file.entries where entry.type.isRead {
                values.append(try file.elements(of: entry))
                _ = try file.floats(of: entry)
                _ = try file.doubles(of: entry)
                _ = try? file.integers(of: entry)
            }
            try writeAgain(file, values)
        },
        Target("npy") { input in
            let array = try NumPyArray(contents: input.array, path: "input")
            if array.doubles.count != array.shape.elementCount { fail("\(array.shape) of \(array.doubles.count)") }
            let again = try NumPyArray(contents: array.contents(), path: "again")
            if again != array { fail("the array is written as another") }
        },
        Target("npz") { try readAll(WeightFile(path: $0.path)) },
        // The archive is put around the pickle, whose checksum would else be wrong at once.
        Target("pickle") { input in
            let archive = StoredArchive([
                ("a/data.pkl", input.array), ("a/data/0", (0..<64).map { $0 & 1 }), ("a/data/1", [1, 0, 0, 0]),
            ])
            try readAll(WeightFile(path: archive.bytes.withUnsafeBytes { Folder.write($0, to: "input") }))
        },
        // Whatever it is: the first bytes tell. Those of a small model come among the seeds.
        Target("weights") { input in
            let model = Linear(3, 2, device: .cpu)
            let path = input.path
            try? readAll(WeightFile(path: path))
            try model.load(from: path)
        },
        Target("optimizer") { input in
            let model = Linear(2, 1, device: .cpu)
            try SGD(model.parameters, learningRate: 0.1, momentum: 0.9).load(from: input.path)
        },
    ]

    private static func readAll(_ file: WeightFile) throws {
        for (name, entry) in file.namedEntries {
            guard entry.type.isRead else { continue }
            let bytes = try file.bytes(of: entry)
            guard bytes.count == entry.shape.elementCount * entry.type.byteCount else {
                fail("\(name), \(entry.type) \(entry.shape), has \(bytes.count) bytes")
            }
        }
    }

    /// What was read is what is read of what is written of it.
    private static func writeAgain(_ file: SafeTensors, _ values: [[UInt8]]) throws {
        let read = file.entries.filter(\.type.isRead)
        let items = zip(read, values).map { entry, bytes in
            SafeTensors.Item(name: entry.name, type: entry.type, shape: entry.shape) { bytes }
        }
        let path = Folder.path + "/written"
        try SafeTensors.write(items, metadata: file.metadata, to: path)
        let again = try SafeTensors(path: path)
        guard again.metadata == file.metadata, again.entries.count == read.count else {
            fail("\(read.count) tensors are written as \(again.entries.count), \(file.metadata) as \(again.metadata)")
        }
        for (entry, bytes) in zip(read, values) {
            guard let found = again[entry.name], found.type == entry.type, found.shape == entry.shape,
                try again.bytes(of: found) == bytes
            else { fail("\(entry.name) is written as another") }
        }
    }
}
