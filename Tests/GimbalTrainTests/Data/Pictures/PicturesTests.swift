import Foundation
import Gimbal
import GimbalTestSupport
import GimbalTrain
import Testing

@Suite("Folders of pictures")
struct PicturesTests {
    /// A folder with a folder for each class: pictures of `cats` are dark above, those of `dogs` below.
    private func withPets(
        count: Int = 20, height: Int = 6, width: Int = 8, channels: Int = 3, _ body: (String) throws -> Void
    ) throws {
        try withTemporaryFolder { folder in
            for (number, name) in ["cats", "dogs"].enumerated() {
                for index in 0..<count {
                    let pixels = (0..<height * width * channels).map { place in
                        let isDark = (place / (width * channels) < height / 2) == (number == 0)
                        return UInt8((isDark ? 40 : 180) + (place * 7 + index * 13) % 30)
                    }
                    let path = "\(folder)/\(name)/\(index % 2 == 0 ? "" : "more/")\(index).png"
                    try Self.write(
                        try PNG.encoded(pixels, width: width, height: height, channels: channels), to: path)
                }
            }
            try body(folder)
        }
    }

    private static func write(_ bytes: [UInt8], to path: String) throws {
        let url = URL(filePath: path)
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(bytes).write(to: url)
    }

    private func parts(
        _ path: String, _ plan: SplitPlan = SplitPlan(), _ change: (inout PictureOptions) -> Void = { _ in }
    ) throws -> DataParts {
        var options = PictureOptions()
        change(&options)
        return try DataSource.pictures(path: path, options: options).parts(plan)
    }

    @Test("A folder for each class becomes parts that share no picture, with the sides and channels of the files")
    func divides() throws {
        try withPets { folder in
            let parts = try parts(folder)
            #expect(parts.train.classNames == ["cats", "dogs"])
            #expect(parts.train.inputShape == [3, 6, 8])
            #expect(parts.record.kind == .pictures && parts.record.pictures?.size.description == "6 × 8")
            // A fifth of 20 of each, then a tenth of the 16 that are left.
            #expect(try parts.test.classCounts() == [4, 4])
            #expect(try parts.validation?.classCounts().reduce(0, +) == 3)
            #expect(parts.train.count == 29)
            #expect(try self.parts(folder).record == parts.record)
        }
    }

    @Test("Inputs have mean 0 and deviation 1 over the training part, ImageNet's or none as is chosen")
    func normalizes() throws {
        try withPets { folder in
            let train = try parts(folder).train
            let inputs = try floats(train)
            let plane = 6 * 8
            for channel in 0..<3 {
                let values = inputs.indices.filter { $0 / plane % 3 == channel }.map { Double(inputs[$0]) }
                let mean = values.reduce(0, +) / Double(values.count)
                let variance = values.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / Double(values.count)
                #expect(abs(mean) < 1e-5 && abs(variance - 1) < 1e-4, "\(mean) \(variance)")
            }
            let plain = try floats(try parts(folder) { $0.normalization = .none }.train)
            #expect(plain.allSatisfy { (0...1).contains($0) } && plain.contains { $0 > 0.6 })
            let imageNet = try floats(try parts(folder) { $0.normalization = .imageNet }.train)
            #expect(
                zip(imageNet, plain).enumerated().allSatisfy { place, pair in
                    let channel = place / plane % 3
                    let expected = (pair.1 - [0.485, 0.456, 0.406][channel]) / [0.229, 0.224, 0.225][channel]
                    return abs(pair.0 - expected) < 1e-5
                })
        }
    }

    private func floats(_ data: any SupervisedData) throws -> [Float] {
        guard case .floats(let floats) = try data.examples(limit: 1000).inputs else { return [] }
        return floats
    }

    @Test("Batches hold every picture once an epoch, in an order of the epoch's own, whatever the number of threads")
    func streams() throws {
        try withPets { folder in
            let pictures = try #require(try parts(folder).train as? Pictures)
            func order(epoch: Int, workers: Int, from first: Int = 0) throws -> [HostBatch] {
                let stream = PictureStream(pictures, batchSize: 4, seed: 3, workers: workers)
                let iterator = stream.iterator(epoch: epoch, from: first, on: .cpu)
                var batches: [HostBatch] = []
                while let batch = try iterator.next() {
                    batches.append(
                        HostBatch.of(try batch.batch.inputs.floats(), batch.samples))
                }
                return batches
            }
            let one = try order(epoch: 0, workers: 1)
            #expect(one.map(\.count).reduce(0, +) == pictures.count)
            #expect(try order(epoch: 0, workers: 4) == one)
            #expect(try order(epoch: 1, workers: 1) != one)
            #expect(try order(epoch: 0, workers: 2, from: 3) == Array(one[3...]))
        }
    }

    private struct HostBatch: Equatable {
        var inputs: [Float]
        var count: Int
        static func of(_ inputs: [Float], _ count: Int) -> HostBatch { HostBatch(inputs: inputs, count: count) }
    }

    @Test("A net learns them, predicts single files, and a checkpoint knows how pictures are read")
    func trains() throws {
        try withPets { folder in
            let parts = try parts(folder)
            var training = TrainingSettings(for: .mlp)
            training.epochs = 8
            training.batchSize = 8
            let recipe = Recipe(model: ModelSettings(for: parts.train), training: training, data: parts.record)
            let run = try recipe.makeRun(
                train: parts.train, validation: parts.validation, device: .cpu,
                folder: RunFolder(path: folder + "-run"))
            defer { try? FileManager.default.removeItem(atPath: folder + "-run") }
            try run.trainer.run()
            #expect(try run.evaluate(on: parts.test).accuracy == 1)

            let predictor = try Predictor(folder + "-run", device: .cpu)
            let predictions = try predictor.predictions(of: .pictures(path: folder + "/dogs/more/1.png"))
            #expect(try predictions.next()?.first?.best?.name == "dogs")
            let all = try predictor.predictions(of: .pictures(path: folder))
            var names: [String: String] = [:]
            while let batch = try all.next() { for row in batch { names[row.ids[0].text] = row.best?.name } }
            #expect(names.count == 40 && names.allSatisfy { $0.key.hasPrefix($0.value) })
            let (again, notes) = try DataSource.pictures(path: folder).evaluationData(of: recipe.data)
            #expect(again.count == parts.test.count && notes.isEmpty)
        }
    }

    @Test(
        "A picture that is cut begins at the middle, halves rounded to even numbers",
        arguments: [(5, 0), (6, 1), (7, 2), (8, 2), (9, 2), (10, 3), (11, 4)])
    func cutsAtTheMiddle(length: Int, first: Int) throws {
        try withTemporaryFolder { folder in
            for isHigh in [true, false] {
                let (height, width) = isHigh ? (length, 4) : (4, length)
                let pixels = (0..<height * width).map { UInt8(10 * (isHigh ? $0 / width : $0 % width)) }
                try Self.write(
                    try PNG.encoded(pixels, width: width, height: height, channels: 1), to: folder + "/a.png")
                let record = PictureRecord(size: PictureSize(height: 4, width: 4), channels: 1, fit: .crop)
                let cut = try record.pixels(ofFile: folder + "/a.png")
                #expect(cut == (0..<16).map { UInt8(10 * (first + (isHigh ? $0 / 4 : $0 % 4))) }, "\(isHigh)")
            }
        }
    }

    @Test("Of 40,000 pictures that are brought to another size no memory is left over")
    func leavesNoMemory() async {
        await #expect(processExitsWith: .success) {
            let path = FileManager.default.temporaryDirectory.path + "/gimbal-pixel-\(getpid()).png"
            let pixel =
                "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
            try #require(Data(base64Encoded: pixel)).write(to: URL(filePath: path))
            defer { try? FileManager.default.removeItem(atPath: path) }
            let record = PictureRecord(size: PictureSize(height: 64, width: 64), channels: 1, fit: .stretch)
            func load(_ count: Int) throws { for _ in 0..<count { _ = try record.pixels(ofFile: path) } }
            func pages() throws -> Int {
                let text = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
                return try #require(Int(text.split(separator: " ")[1]))
            }
            try load(2000)
            let before = try pages()
            try load(40_000)
            #expect(try (pages() - before) * Int(sysconf(Int32(_SC_PAGESIZE))) < 1 << 20)
        }
    }

    @Test("A file that cannot be read is named, or left out by choice")
    func damaged() throws {
        try withPets { folder in
            let path = folder + "/dogs/0.png"
            let whole = try [UInt8](Data(contentsOf: URL(filePath: path)))
            try Self.write(Array(whole.dropLast(40)), to: path)
            let error = #expect(throws: GimbalError.self) {
                let parts = try parts(folder)
                for part in [parts.train, parts.validation!, parts.test] { _ = try part.examples(limit: 100) }
            }
            guard case .invalidFile(path, let reason) = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(reason == "the file ends in the middle of the picture")
            let skipped = try parts(folder) { $0.damaged = .skip }
            #expect(skipped.record.counts.values.reduce(0, +) == 39)
            #expect(skipped.notes.contains { $0.contains("left out") && $0.contains("dogs/0.png") })
            // What was said when a run began holds when it goes on.
            let again = try DataSource.pictures(path: folder).parts(continuing: skipped.record)
            #expect(again.record == skipped.record && again.train.count == skipped.train.count)
        }
    }

    @Test("What is no folder of classes is told so", arguments: ["none", "stray", "one", "gif"])
    func refuses(kind: String) throws {
        try withPets(count: 2) { folder in
            let picture = try [UInt8](Data(contentsOf: URL(filePath: folder + "/cats/0.png")))
            var expected = ""
            var path = folder
            switch kind {
            case "none":
                path = folder + "/nothing"
                try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
                expected = "holds no PNG or JPEG file"
            case "stray":
                try Self.write(picture, to: folder + "/here.png")
                expected = "here.png lies beside the folders of the classes"
            case "one":
                try FileManager.default.removeItem(atPath: folder + "/dogs")
                expected = "every picture is of the class 'cats'"
            default:
                path = folder + "/other"
                try Self.write(Array("GIF89a".utf8), to: path + "/a/1.gif")
                expected = "holds no PNG or JPEG file, but 1 .gif, which are not read"
            }
            let error = #expect(throws: GimbalError.self) { try parts(path) }
            #expect("\(String(describing: error))".contains(expected), "\(String(describing: error))")
        }
    }

    @Test(
        "A file that is something else than its name says is told for what it is",
        arguments: [
            (Array("GIF89a".utf8), "a GIF file"), (Array("BM6".utf8) + [0, 0, 0, 0], "a BMP file"),
            (Array("RIFF".utf8) + [9, 0, 0, 0] + Array("WEBP".utf8), "a WebP file"),
            (Array("II*".utf8) + [0, 8], "a TIFF file"), (Array("MM".utf8) + [0, 0x2A], "a TIFF file"),
            ([0, 0, 0, 24] + Array("ftypavif".utf8), "a HEIF or AVIF file"), ([], "it is empty"),
            (Array("hello".utf8), "neither a PNG nor a JPEG file"),
        ] as [([UInt8], String)])
    func foreignContents(bytes: [UInt8], words: String) throws {
        try withTemporaryFolder { folder in
            try Self.write(bytes, to: folder + "/a.png")
            let record = PictureRecord(size: PictureSize(height: 4, width: 4), channels: 1, fit: .crop)
            let error = #expect(throws: GimbalError.self) { try record.pixels(ofFile: folder + "/a.png") }
            #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
        }
    }

    @Test("Folders called train, val and test are the parts")
    func namedParts() throws {
        try withPets(count: 3) { folder in
            let manager = FileManager.default
            let root = folder + "/all"
            for part in ["train", "val", "test"] {
                try manager.createDirectory(atPath: root + "/\(part)", withIntermediateDirectories: true)
                for name in ["cats", "dogs"] {
                    try manager.copyItem(atPath: "\(folder)/\(name)", toPath: "\(root)/\(part)/\(name)")
                }
            }
            let parts = try parts(root)
            #expect((parts.train.count, parts.validation?.count, parts.test.count) == (6, 6, 6))
            try manager.removeItem(atPath: root + "/test")
            let two = try self.parts(root, SplitPlan(validationFraction: nil))
            #expect((two.train.count, two.validation?.count, two.test.count) == (6, nil, 6))
        }
    }

    @Test("A table of paths and classes is a list of pictures", arguments: [true, false])
    func list(hasHeader: Bool) throws {
        try withPets(count: 4) { folder in
            let rows = ["cats", "dogs"].flatMap { name in
                [0, 2].map { "\(name)/\($0).png,\(name == "cats" ? "tame" : "loud")" }
            }
            let path = folder + "/list.csv"
            try ((hasHeader ? ["file,kind"] : []) + rows).joined(separator: "\n").write(
                toFile: path, atomically: true, encoding: .utf8)
            #expect(DataSource.isPictures(path))
            let parts = try parts(path, SplitPlan(validationFraction: nil))
            #expect(parts.train.classNames == ["loud", "tame"])
            #expect(parts.train.count + parts.test.count == 4)
            try (rows + ["cats/9.png,tame"]).joined(separator: "\n").write(
                toFile: path, atomically: true, encoding: .utf8)
            let error = #expect(throws: GimbalError.self) { try self.parts(path) }
            #expect("\(String(describing: error))".contains("line 5 names"))
        }
    }

    @Test("A folder that has changed is other data to a run that goes on")
    func changed() throws {
        try withPets { folder in
            let source = DataSource.pictures(path: folder)
            let record = try source.parts().record
            #expect(try source.parts(continuing: record).record == record)
            try FileManager.default.removeItem(atPath: folder + "/dogs/0.png")
            let error = #expect(throws: GimbalError.self) { try source.parts(continuing: record) }
            #expect("\(String(describing: error))".contains("it has 39 samples, where there were 40"))
        }
    }

    @Test("A part whose pictures are of no class is left for predictions; one of which some are is refused")
    func unlabelledParts() throws {
        try withPets(count: 6) { folder in
            let root = folder + "/all"
            for name in ["cats", "dogs"] {
                try FileManager.default.createDirectory(atPath: root + "/train", withIntermediateDirectories: true)
                try FileManager.default.copyItem(atPath: "\(folder)/\(name)", toPath: "\(root)/train/\(name)")
            }
            let picture = try [UInt8](Data(contentsOf: URL(filePath: folder + "/cats/0.png")))
            for part in ["test", "val"] { try Self.write(picture, to: "\(root)/\(part)/1.png") }
            let parts = try parts(root)
            #expect(parts.train.count + (parts.validation?.count ?? 0) + parts.test.count == 12 && parts.test.count > 0)
            let notes = parts.notes.joined(separator: "; ")
            #expect(notes.contains("the 1 pictures in test are in no folder of a class"), "\(notes)")
            #expect(notes.contains("the 1 pictures in val are"), "\(notes)")
            #expect(try PictureSummary(path: root).notes == parts.notes)
            try Self.write(picture, to: root + "/extra/1.png")
            #expect(try self.parts(root).notes.contains { $0.contains("are passed over: extra") })
            for part in ["test", "val"] {
                try Self.write(picture, to: "\(root)/\(part)/cats/2.png")
                let error = #expect(throws: GimbalError.self) { try self.parts(root) }
                #expect("\(String(describing: error))".contains("1.png lies beside the folders of the classes"))
                try FileManager.default.removeItem(atPath: "\(root)/\(part)/1.png")
            }
            #expect(try self.parts(root).test.count == 1)
            // A file of flags that name a folder as well.
            var plan = SplitPlan()
            plan.testPath = folder + "/cats/more"
            let error = #expect(throws: GimbalError.self) { try self.parts(folder, plan) }
            #expect("\(String(describing: error))".contains("lies beside the folders of the classes"))
        }
    }

    @Test("Links in circles end, and give no picture twice; a class may lie elsewhere")
    func links() throws {
        try withPets(count: 4) { folder in
            func link(_ path: String, _ target: String) throws {
                try FileManager.default.createSymbolicLink(
                    atPath: "\(folder)/\(path)", withDestinationPath: target)
            }
            let whole = try parts(folder).pictureCount
            try link("cats/up", "..")
            try link("cats/dogs", "../dogs")
            try link("dogs/cats", "../cats")
            try link("dogs/self", ".")
            // Each class has both folders once, its own among them.
            let parts = try parts(folder)
            #expect(parts.pictureCount == 2 * whole && parts.train.classNames == ["cats", "dogs"])
            #expect(parts.notes.contains { $0.contains("met already are passed over: ") && $0.contains("dogs/self") })
            try withTemporaryFolder { elsewhere in
                for name in ["cats", "dogs"] {
                    try FileManager.default.createSymbolicLink(
                        atPath: "\(elsewhere)/\(name)", withDestinationPath: "\(folder)/\(name)/more")
                }
                #expect(try self.parts(elsewhere).pictureCount == 4)
            }
        }
    }

    @Test("A name that is no UTF-8, and a folder that cannot be read, are told, not passed over")
    func unreachableNames() throws {
        try withPets(count: 2) { folder in
            let made = (Array("\(folder)/caf".utf8) + [0xE9]).map { CChar(bitPattern: $0) } + [0]
            #expect(mkdir(made, 0o755) == 0)
            #expect(DataSource.isPictures(folder))
            let error = #expect(throws: GimbalError.self) { try parts(folder) }
            #expect(
                "\(String(describing: error))".contains("the name 'caf\\xe9' is not UTF-8"),
                "\(String(describing: error))")
            rmdir(made)
            guard getuid() != 0 else { return }
            chmod(folder + "/cats", 0)
            defer { chmod(folder + "/cats", 0o755) }
            let denied = #expect(throws: GimbalError.self) { try parts(folder) }
            #expect("\(String(describing: denied))".contains("cats: Permission denied"))
        }
    }

    @Test("Lines of a list that give no picture or no class are told by their numbers, or left out by choice")
    func faultyLines() throws {
        try withPets(count: 4) { folder in
            let path = folder + "/list.csv"
            let sound = ["file,kind", "cats/0.png,tame", "cats/2.png,tame", "dogs/0.png,loud", "dogs/2.png,loud"]
            let faults = [
                (",tame", "names no picture"), ("cats/0.webp,tame", "cats/0.webp, which is no PNG or JPEG file"),
                ("/etc/passwd,tame", "/etc/passwd, which is no PNG or JPEG file"),
                ("cats/0.png,", "gives cats/0.png no class"),
                ("cats/9.png,tame", "which is not there"),
            ]
            for (line, expected) in faults {
                for place in [1, 3, 5] {
                    var lines = sound
                    lines.insert(line, at: place)
                    try lines.joined(separator: "\n").write(toFile: path, atomically: true, encoding: .utf8)
                    #expect(DataSource.isPictures(path), "\(line)")
                    let error = #expect(throws: GimbalError.self) { try parts(path) }
                    let message = "\(String(describing: error))"
                    #expect(message.contains("line \(place + 1) ") && message.contains(expected), "\(message)")
                    let left = try parts(path) { $0.damaged = .skip }
                    #expect(left.pictureCount == 4 && left.train.classNames == ["loud", "tame"])
                    #expect(left.notes.contains { $0.hasPrefix("of list.csv are left out 1: line \(place + 1) ") })
                }
            }
        }
    }

    @Test("The same pictures in another place are tested as those of the run, others as a whole")
    func copies() throws {
        try withPets { folder in
            let record = try DataSource.pictures(path: folder).parts().record
            try withTemporaryFolder { other in
                try FileManager.default.copyItem(atPath: folder, toPath: other + "/copy")
                let copy = DataSource.pictures(path: other + "/copy")
                let same = try copy.evaluationData(of: record)
                #expect(same.samples.count == 8 && same.notes.contains { $0.contains("in another place") })
                try FileManager.default.removeItem(atPath: other + "/copy/dogs/0.png")
                let changed = try copy.evaluationData(of: record)
                #expect(
                    changed.samples.count == 39 && changed.notes.contains { $0.contains("what it may have of that") })
            }
        }
    }
}

extension DataParts {
    /// Pictures of all parts.
    fileprivate var pictureCount: Int { train.count + (validation?.count ?? 0) + test.count }
}
