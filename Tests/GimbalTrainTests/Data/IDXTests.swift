import Foundation
import Gimbal
import GimbalTestSupport
import GimbalTrain
import Testing

@Suite("IDX files")
struct IDXTests {
    /// Three images of 2 × 2 pixels, and their labels.
    private static let images: [UInt8] =
        [0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 2] + [0, 51, 102, 153, 204, 255, 1, 2, 3, 4, 5, 6]
    private static let labels: [UInt8] = [0, 0, 8, 1, 0, 0, 0, 3, 1, 0, 1]

    private func read(images: [UInt8] = images, labels: [UInt8] = labels) throws -> Dataset {
        try withTemporaryFolder { folder in
            try Data(images).write(to: URL(filePath: folder + "/images"))
            try Data(labels).write(to: URL(filePath: folder + "/labels"))
            return try Dataset.idx(
                images: folder + "/images", labels: folder + "/labels", name: "tiny", classNames: ["a", "b"])
        }
    }

    /// What is said of files that cannot be read.
    private func refusal(images: [UInt8] = images, labels: [UInt8] = labels) throws -> String {
        let error = #expect(throws: GimbalError.self) { try read(images: images, labels: labels) }
        guard case .invalidFile(_, let reason) = error else { return "\(String(describing: error))" }
        return reason
    }

    @Test("Images and labels become a data set", arguments: [false, true])
    func reads(compressed: Bool) throws {
        let data = try compressed ? read(images: gzip(Self.images), labels: gzip(Self.labels)) : read()
        #expect(data.count == 3 && data.inputShape == [1, 2, 2] && data.classNames == ["a", "b"])
        let batch = data.batch([1, 0])
        #expect(batch.inputs == [204, 255, 1, 2, 0, 51, 102, 153].map { Float($0) / 255 })
        #expect(batch.inputs[1] == 1)
        #expect(batch.inputShape == [2, 1, 2, 2])
        #expect(batch.targets == .classes([0, 1]))
    }

    @Test("No images are a valid file")
    func empty() throws {
        let data = try read(
            images: [0, 0, 8, 3, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 2], labels: [0, 0, 8, 1, 0, 0, 0, 0])
        #expect(data.count == 0)
    }

    @Test("What is no IDX file of bytes is told so")
    func magic() throws {
        #expect(try refusal(images: Array("P5 28 28 255 ".utf8)) == "not an IDX file")
        #expect(try refusal(images: []) == "not an IDX file")
        #expect(try refusal(images: [0, 0, 0x07, 3] + Self.images[4...]).contains("element type is 0x7"))
        // Twelve bytes, which would have to be forty-eight.
        #expect(try refusal(images: [0, 0, 0x0D, 3] + Self.images[4...]).contains("claims [3, 2, 2], 48 bytes"))
        #expect(try refusal(images: Self.labels) == "an IDX file of 1 axes, where 3 are expected")
    }

    @Test("Cut anywhere, plain or compressed, a file is refused")
    func truncated() throws {
        for length in 0..<Self.images.count {
            _ = try refusal(images: Array(Self.images[..<length]))
        }
        let compressed = gzip(Self.images)
        for length in 0..<compressed.count {
            _ = try refusal(images: Array(compressed[..<length]))
        }
        #expect(try refusal(images: Array(compressed.dropLast(20))).hasPrefix("truncated"))
        #expect(try refusal(images: Self.images.dropLast(1)).contains("truncated"))
        #expect(
            try refusal(images: gzip(Self.images.dropLast(1)))
                == "truncated: its header claims 12 bytes of data, it holds 11")
    }

    @Test("Data beyond the claimed size is refused")
    func tooLong() throws {
        #expect(try refusal(images: Self.images + [0]).contains("longer than the 12 bytes"))
        #expect(try refusal(labels: gzip(Self.labels + [0])).contains("longer than the 3 bytes"))
    }

    @Test("An absurd claimed size is refused before memory is asked for", arguments: [false, true])
    func absurdSize(compressed: Bool) throws {
        let large: [UInt8] = [0, 0, 8, 3, 0x7F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0x10, 0, 0, 0, 0x10, 1, 2, 3]
        #expect(try refusal(images: compressed ? gzip(large) : large).contains("which a file of this size cannot hold"))
        // No images, each of which would be too large for any machine.
        let empty: [UInt8] = [0, 0, 8, 3, 0, 0, 0, 0] + [UInt8](repeating: 0xFF, count: 8)
        #expect(try refusal(images: compressed ? gzip(empty) : empty).contains("absurd size"))
        let overflowing: [UInt8] = [0, 0, 8, 3] + [UInt8](repeating: 0xFF, count: 12)
        #expect(try refusal(images: compressed ? gzip(overflowing) : overflowing).contains("absurd size"))
    }

    @Test("Damaged compressed data is found by its checksum")
    func damaged() throws {
        var compressed = gzip(Self.images)
        compressed[40] ^= 1
        #expect(
            try refusal(images: compressed) == "damaged: the compressed data cannot be unpacked (incorrect data check)")
        #expect(try refusal(images: gzip(Self.images) + [7]).contains("something that is not gzip follows"))
    }

    @Test("A file of several gzip members is one stream, and zeros may follow it")
    func members() throws {
        let data = try read(
            images: gzip(Array(Self.images[..<17])) + gzip([]) + gzip(Array(Self.images[17...])) + [0, 0, 0])
        #expect(data.batch([2]).inputs == [3, 4, 5, 6].map { Float($0) / 255 })
    }

    @Test("Labels must be as many as images, and name classes")
    func labels() throws {
        #expect(try refusal(labels: [0, 0, 8, 1, 0, 0, 0, 2, 1, 0]).hasPrefix("2 labels for the 3 images of "))
        #expect(
            try refusal(labels: Self.labels.dropLast() + [9]) == "label 9 of image 2 is of none of the 2 classes: a, b")
    }

    @Test("A missing file is an error that lists the names looked for")
    func missing() throws {
        try withTemporaryFolder { folder in
            let error = #expect(throws: GimbalError.self) { try Dataset.mnist(folder: folder) }
            #expect(error?.description.contains("train-images-idx3-ubyte, train-images.idx3-ubyte, ") == true)
            #expect(error?.description.contains("train-images-idx3-ubyte.gz") == true)
        }
        let error = #expect(throws: GimbalError.self) { try Dataset.mnist(folder: "/nowhere") }
        #expect(error?.description == "cannot find images in /nowhere: there is no such folder")
    }

    @Test("MNIST's files are found under each of their names", arguments: ["-idx", ".idx"], ["", ".gz"])
    func names(separator: String, suffix: String) throws {
        try withTemporaryFolder { folder in
            for part in ["train", "t10k"] {
                let images = suffix.isEmpty ? Self.images : gzip(Self.images)
                let labels = suffix.isEmpty ? Self.labels : gzip(Self.labels)
                try Data(images).write(to: URL(filePath: "\(folder)/\(part)-images\(separator)3-ubyte\(suffix)"))
                try Data(labels).write(to: URL(filePath: "\(folder)/\(part)-labels\(separator)1-ubyte\(suffix)"))
            }
            let (train, test) = try Dataset.mnist(folder: folder)
            #expect(train.count == 3 && test.count == 3 && train.classCount == 10)
        }
    }

    @Test("Elements of every type are read, big end first")
    func types() throws {
        let numbers: [(type: UInt8, bytes: [UInt8])] = [
            (0x09, [0xFF]), (0x0B, [0xFF, 0xFF]), (0x0C, [0xFF, 0xFF, 0xFF, 0xFF]), (0x0D, [0xBF, 0x80, 0, 0]),
            (0x0E, [0xBF, 0xF0, 0, 0, 0, 0, 0, 0]),
        ]
        for (type, bytes) in numbers {
            let data = try read(
                images: [0, 0, type, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1] + bytes,
                labels: [0, 0, 0x0C, 1, 0, 0, 0, 1, 0, 0, 0, 1])
            #expect(data.batch([0]).inputs == [-1], "type \(type)")
            #expect(data.batch([0]).targets == .classes([1]))
        }
        #expect(
            try refusal(labels: [0, 0, 0x0D, 1, 0, 0, 0, 3] + [UInt8](repeating: 0, count: 12))
                == "holds fractions, where whole numbers are expected")
        #expect(try refusal(labels: [0, 0, 9, 1, 0, 0, 0, 3, 1, 0, 0xFF]).hasPrefix("label -1 of image 2"))
    }

    /// A folder with these files; a name that ends in a slash is a folder that holds the file of its own name.
    private func withFiles(_ names: [String], _ body: (String) throws -> Void) throws {
        try withTemporaryFolder { folder in
            for name in names {
                var path = folder + "/" + name
                if name.hasSuffix("/") {
                    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
                    path += name.dropLast()
                }
                try Data(name.contains("images") ? Self.images : Self.labels).write(to: URL(filePath: path))
            }
            try body(folder)
        }
    }

    private static let common = ["train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]

    @Test("A folder never hides a file, and a file in a folder of its name is found")
    func folders() throws {
        try withFiles(["train-images-idx3-ubyte/", "train-images.idx3-ubyte"] + Self.common) { folder in
            try FileManager.default.removeItem(atPath: folder + "/train-images-idx3-ubyte/train-images-idx3-ubyte")
            let train = try Dataset.mnist(folder: folder).train
            #expect(train.count == 3)
        }
        try withFiles(["train-images-idx3-ubyte/"] + Self.common) { folder in
            let train = try Dataset.mnist(folder: folder).train
            #expect(train.count == 3)
        }
    }

    /// The same as float32.
    private static func floats(_ scale: Float) -> [UInt8] {
        [0, 0, 0x0D, 3] + images[4..<16]
            + images[16...].flatMap { withUnsafeBytes(of: (Float($0) * scale).bitPattern.bigEndian, Array.init) }
    }

    @Test("Images whose numbers are of another size than those that were trained on are refused")
    func otherRange() throws {
        let trained: [(images: [UInt8], name: String)] = [
            (Self.images, "bytes"), (Self.floats(1 / 255), "0 to 1"), (Self.floats(1), "0 to 255"),
        ]
        for (place, (images, name)) in trained.enumerated() {
            try withFiles(["train-images-idx3-ubyte"] + Self.common) { folder in
                try Data(images).write(to: URL(filePath: folder + "/train-images-idx3-ubyte"))
                let record = try DataSource.images(folder: folder).parts(SplitPlan(validationFraction: nil)).record
                for (other, (tested, otherName)) in trained.enumerated() {
                    try Data(tested).write(to: URL(filePath: folder + "/t10k-images-idx3-ubyte"))
                    let evaluated = { try DataSource.images(folder: folder).evaluationData(of: record) }
                    if (place == 2) == (other == 2) {
                        #expect(try evaluated().samples.count == 3, "\(name), \(otherName)")
                    } else {
                        let error = #expect(throws: GimbalError.self, "\(name), \(otherName)") { try evaluated() }
                        #expect(error?.description.contains("where the model was trained on 0 to ") == true)
                    }
                }
            }
        }
    }

    @Test("Files of other sets are found by how their names end, and their labels are the classes")
    func otherNames() throws {
        let names = ["train-images-idx3", "train-labels-idx1", "test-images-idx3", "test-labels-idx1"]
        try withFiles(names.map { "emnist-letters-\($0)-ubyte" }) { folder in
            let (train, test) = try Dataset.idx(folder: folder, name: "letters")
            #expect(train.name == "letters" && train.classNames == ["0", "1"] && test.count == 3)
        }
        try withFiles(names.flatMap { ["a-\($0)-ubyte", "b-\($0)-ubyte"] }) { folder in
            let error = #expect(throws: GimbalError.self) { try Dataset.idx(folder: folder) }
            #expect(error?.description.contains("there are 2: ") == true)
        }
    }

    @Test("Classes are the labels that there are, and a label of the test part alone is refused")
    func labelsAsClasses() throws {
        try withFiles(["train-images-idx3-ubyte"] + Self.common) { folder in
            try Data([0, 0, 8, 1, 0, 0, 0, 3, 26, 1, 26]).write(to: URL(filePath: folder + "/train-labels-idx1-ubyte"))
            let error = #expect(throws: GimbalError.self) { try Dataset.idx(folder: folder) }
            #expect(error?.description.contains("label 0 of image 1 is of none of the 2 classes: 1, 26") == true)
            try Data([0, 0, 8, 1, 0, 0, 0, 3, 1, 1, 26]).write(to: URL(filePath: folder + "/t10k-labels-idx1-ubyte"))
            let (train, test) = try Dataset.idx(folder: folder)
            #expect(train.classNames == ["1", "26"])
            #expect(train.batch([0, 1]).targets == .classes([1, 0]))
            #expect(test.batch([2]).targets == .classes([1]))
        }
    }

    private static func isPresent(_ name: String) -> Bool {
        FileManager.default.fileExists(atPath: packagePath("../shared/data/\(name)"))
    }

    /// A folder of the tiny set, in which some files hold something else.
    private func folder(_ contents: [String: [UInt8]], _ body: (String) throws -> Void) throws {
        try withTemporaryFolder { folder in
            let usual = [
                "train-images-idx3-ubyte": Self.images, "train-labels-idx1-ubyte": Self.labels,
                "t10k-images-idx3-ubyte": Self.images, "t10k-labels-idx1-ubyte": Self.labels,
            ]
            for (name, bytes) in usual.merging(contents, uniquingKeysWith: { $1 }) {
                try Data(bytes).write(to: URL(filePath: "\(folder)/\(name)"))
            }
            try body(folder)
        }
    }

    @Test("A file that is no IDX file hides no other of the same data")
    func emptyTwins() throws {
        try folder([
            "train-images-idx3-ubyte": [], "train-images-idx3-ubyte.gz": gzip(Self.images),
            "train-labels-idx1-ubyte": [], "train-labels-idx1-ubyte.gz": gzip(Self.labels),
        ]) { folder in
            let train = try Dataset.idx(folder: folder).train
            #expect(train.count == 3)
        }
    }

    @Test("Images that cannot be trained on are refused with the file")
    func untrainable() throws {
        let none: [String: [UInt8]] = [
            "train-images-idx3-ubyte": [0, 0, 8, 3, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 2],
            "train-labels-idx1-ubyte": [0, 0, 8, 1, 0, 0, 0, 0],
        ]
        let other: [UInt8] = [0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6]
        let notANumber: [UInt8] =
            [0, 0, 0x0D, 3, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 1] + [0, 0, 0, 0, 0x7F, 0xC0, 0, 0, 0, 0, 0, 0]
        for (contents, word) in [
            (none, "train-labels-idx1-ubyte: holds no labels to train on"),
            (["t10k-images-idx3-ubyte": other], "images of [1, 1, 2], where those to train on are of [1, 2, 2]"),
            (["train-images-idx3-ubyte": notANumber], "a pixel of image 1 is no finite number"),
            (
                [
                    "train-labels-idx1-ubyte": [0, 0, 8, 1, 0, 0, 0, 3, 1, 1, 1],
                    "t10k-labels-idx1-ubyte": [0, 0, 8, 1, 0, 0, 0, 3, 1, 1, 1],
                ], "every image to train on has the class '1'"
            ),
        ] as [([String: [UInt8]], String)] {
            try folder(contents) { folder in
                let error = #expect(throws: GimbalError.self) { try DataSource.images(folder: folder).parts() }
                #expect(error?.description.contains(word) == true, "\(word): \(String(describing: error))")
            }
        }
    }

    @Test("MNIST itself", .enabled(if: isPresent("mnist"), "MNIST is not in ../shared/data/mnist"))
    func mnist() throws {
        let (train, test) = try Dataset.mnist(folder: packagePath("../shared/data/mnist"))
        #expect(train.count == 60_000 && test.count == 10_000 && train.inputShape == [1, 28, 28])
        #expect(train.batch(Array(0..<5)).targets == .classes([5, 0, 4, 1, 9]))
        // The sum of the first test image's pixels, read by other means.
        #expect(test.batch([0]).inputs.map { ($0 * 255).rounded() }.reduce(0, +) == 18_454)
    }

    @Test(
        "Fashion-MNIST itself",
        .enabled(if: isPresent("fashion-mnist"), "Fashion-MNIST is not in ../shared/data/fashion-mnist"))
    func fashionMNIST() throws {
        let test = try Dataset.fashionMNIST(folder: packagePath("../shared/data/fashion-mnist")).test
        #expect(test.count == 10_000)
        #expect(test.batch([0, 1, 2]).targets == .classes([9, 2, 1]))
        #expect(test.classNames[9] == "Ankle boot")
    }
}
