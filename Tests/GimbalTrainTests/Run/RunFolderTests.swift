import Foundation
import Gimbal
import GimbalTestSupport
import GimbalTrain
import Testing

@Suite("Folders of runs")
struct RunFolderTests {
    @Test("Numbers that are not finite are written as words, and read again")
    func words() throws {
        let text = String(
            decoding: try CheckpointManifest.encoder.encode([Double.infinity, -.infinity]), as: UTF8.self)
        #expect(text.filter { !$0.isWhitespace } == #"["inf","-inf"]"#)
        let read = try CheckpointManifest.decoder.decode([Double].self, from: Data(#"["inf", "-inf", "nan"]"#.utf8))
        #expect(read[0] == .infinity && read[1] == -.infinity && read[2].isNaN)
    }

    private let files = FileManager.default

    private func reason(_ body: () throws -> Void) -> String {
        let error = #expect(throws: GimbalError.self) { try body() }
        return error.map { "\($0)" } ?? ""
    }

    @Test("A result whose confusion is no matrix of its classes is refused")
    func confusedResult() throws {
        var report = ClassificationReport(ConfusionMatrix(classCount: 2), classNames: ["a", "b"])
        try withTemporaryFolder { folder in
            func read() throws -> RunResult? {
                let classes = String(decoding: try CheckpointManifest.encoder.encode(report), as: UTF8.self)
                let weights = "{\"kind\":\"last\",\"step\":1,\"isValidatedByAverage\":false}"
                try AtomicFile.write(
                    "{\"formatVersion\":1,\"date\":\"2026-01-01T00:00:00Z\",\"steps\":1,\"weights\":\(weights),"
                        + "\"model\":\"\",\"figures\":{},\"classes\":\(classes)}", to: folder + "/result.json")
                return try RunResult(folder: folder)
            }
            let found = try read()
            #expect(found?.classes == report)
            let wrongs: [[[Int]]] = [
                [[1, 0], [0, 1], [1, 1]], [[1, 0], [0]], [[.max, 1], [0, 1]], [[-1, 0], [0, 1]],
            ]
            for wrong in wrongs {
                report.confusion = wrong
                #expect(reason { _ = try read() }.contains("confusion"))
            }
        }
    }

    @Test("One run at a time has a folder, and the refusal names the process")
    func locked() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/run"
            do {
                let first = try RunFolder(path: path)
                #expect(reason { _ = try RunFolder(path: path) }.contains("process \(getpid()) on "))
                _ = first.path
            }
            _ = try RunFolder(path: path)
        }
    }

    @Test("A checkpoint that is no longer kept is whole under its name until it is gone")
    func removal() throws {
        try withTemporaryFolder { path in
            let folder = try RunFolder(path: path)
            for step in 1...3 {
                try AtomicFile.writeFolder(at: folder.checkpointPath(step: step)) {
                    try AtomicFile.write("{}", to: $0 + "/manifest.json")
                }
            }
            let watch = inotify_init()
            defer { close(watch) }
            let (moved, deleted) = (UInt32(IN_MOVE_SELF), UInt32(IN_DELETE))
            #expect(inotify_add_watch(watch, folder.checkpointPath(step: 1), moved | deleted) >= 0)
            try folder.removeOldCheckpoints()
            // What happened to it first.
            var event = [UInt32](repeating: 0, count: 256)
            #expect(read(watch, &event, 1024) > 0 && event[1] == moved)
            #expect(try files.contentsOfDirectory(atPath: path + "/checkpoints").count == 2)
        }
    }

    @Test("What a run did not make is neither removed nor replaced")
    func foreignFiles() throws {
        try withTemporaryFolder { path in
            let kept = [
                "thesis.partial-draft.txt", "notes", "notes.partial-2019-old", "metrics.csv.partial-mine!",
                "metrics.csv.partial-0a", "film.partial-cut/x", "checkpoints/step-000000001.partial-v2/x",
                "checkpoints/step-000000001.partial-V2/x", "checkpoints/step-1.partial-1/x",
            ]
            _ = try RunFolder(path: path)
            for name in kept {
                try files.createDirectory(
                    atPath: URL(filePath: path + "/" + name).deletingLastPathComponent().path(),
                    withIntermediateDirectories: true)
                try Data(name.utf8).write(to: URL(filePath: path + "/" + name))
            }
            // What a save makes: a file of the run's, and a checkpoint.
            try Data().write(to: URL(filePath: path + "/metrics.csv.partial-1y2p0ij32e8e7"))
            try files.createDirectory(
                atPath: path + "/checkpoints/step-000000002.partial-1y2p0ij32e8e7", withIntermediateDirectories: true)
            try files.createSymbolicLink(
                atPath: path + "/report.html.partial-1y2p0ij32e8e7", withDestinationPath: path + "/notes")
            _ = try RunFolder(path: path)
            for name in kept {
                let contents = files.contents(atPath: path + "/" + name).map { String(decoding: $0, as: UTF8.self) }
                #expect(contents == name, "\(name)")
            }
            #expect(!files.fileExists(atPath: path + "/metrics.csv.partial-1y2p0ij32e8e7"))
            #expect(!files.fileExists(atPath: path + "/checkpoints/step-000000002.partial-1y2p0ij32e8e7"))
            #expect((try? files.destinationOfSymbolicLink(atPath: path + "/report.html.partial-1y2p0ij32e8e7")) != nil)
        }
    }

    @Test("A folder moved aside comes back unless its successor is there")
    func oldFolders() throws {
        try withTemporaryFolder { path in
            _ = try RunFolder(path: path)
            for name in [
                "step-000000001.partial-1y2p0ij32e8e7-old", "step-000000002.partial-1y2p0ij32e8e7-old",
                "step-000000002",
            ] {
                try files.createDirectory(
                    atPath: path + "/checkpoints/" + name, withIntermediateDirectories: true)
                try Data(name.utf8).write(to: URL(filePath: path + "/checkpoints/" + name + "/x"))
            }
            _ = try RunFolder(path: path)
            func contents(_ name: String) -> String? {
                files.contents(atPath: path + "/checkpoints/" + name + "/x").map { String(decoding: $0, as: UTF8.self) }
            }
            #expect(contents("step-000000001") == "step-000000001.partial-1y2p0ij32e8e7-old")
            #expect(contents("step-000000002") == "step-000000002")
            #expect(contents("step-000000002.partial-1y2p0ij32e8e7-old") == nil)
        }
    }

    @Test(
        "A folder that holds files under a run's names, but is none, is refused",
        arguments: [
            "metrics.csv", "report.html", "result.json", "checkpoints",
        ])
    func foreignFolder(name: String) throws {
        try withTemporaryFolder { path in
            try Data("mine".utf8).write(to: URL(filePath: path + "/" + name))
            #expect(reason { _ = try RunFolder(path: path) }.contains("it holds \(name), but is no run's folder"))
            #expect(files.contents(atPath: path + "/" + name) == Data("mine".utf8))
            #expect(try files.contentsOfDirectory(atPath: path) == [name])
        }
    }

    @Test("Where the checkpoint that is read is being removed, the newer one is read")
    func removedWhileRead() throws {
        try withTemporaryFolder { path in
            let first = path + "/checkpoints/step-000000001"
            try files.createDirectory(atPath: first, withIntermediateDirectories: true)
            var read: [String] = []
            let found = try RunFolder.withNewestCheckpoint(at: path) { checkpoint in
                read.append(checkpoint)
                if read.count == 1 {
                    try files.moveItem(atPath: first, toPath: path + "/checkpoints/step-000000002")
                }
                guard files.fileExists(atPath: checkpoint) else {
                    throw GimbalError.fileSystem(operation: "read", path: checkpoint, reason: "removed")
                }
                return checkpoint
            }
            #expect(read == [first, path + "/checkpoints/step-000000002"] && found == read.last)
            // What cannot be read and is not replaced is not tried again.
            var tries = 0
            #expect(throws: GimbalError.self) {
                try RunFolder.withNewestCheckpoint(at: path) { checkpoint in
                    tries += 1
                    throw GimbalError.fileSystem(operation: "read", path: checkpoint, reason: "damaged")
                }
            }
            #expect(tries == 1)
        }
    }

    @Test("In place of a damaged checkpoint the one before it is read, once told of; what may pass is no damage")
    func damagedCheckpoint() throws {
        try withTemporaryFolder { path in
            for step in 1...3 {
                try files.createDirectory(
                    atPath: path + "/checkpoints/step-00000000\(step)", withIntermediateDirectories: true)
            }
            let newest = path + "/checkpoints/step-000000003"
            let warnings = Lock<[String]>([])
            func read(_ failure: GimbalError, of damaged: Set<String> = [newest]) throws -> String {
                try Warnings.received(by: { warning in warnings.withLock { $0.append(warning) } }) {
                    try RunFolder.withNewestCheckpoint(at: path) {
                        if damaged.contains($0) { throw failure }
                        return $0
                    }
                }
            }
            let passing = GimbalError.fileSystem(operation: "read", path: newest, reason: "Too many open files")
            #expect(throws: passing) { try read(passing) }
            let elsewhere = GimbalError.invalidFile(path: path + "/metrics.csv", reason: "is damaged")
            #expect(throws: elsewhere) { try read(elsewhere) }
            let damage = GimbalError.invalidFile(path: newest + "/model.safetensors", reason: "is cut off")
            let older = path + "/checkpoints/step-000000002"
            #expect(throws: damage) { try read(damage, of: [newest, older]) }
            #expect(warnings.withLock { $0 } == [])
            for _ in 0..<2 { #expect(try read(damage) == older) }
            #expect(warnings.withLock { $0 } == ["\(damage); the checkpoint before it is used, \(older)"])
            let missing = GimbalError.fileSystem(
                operation: "open", path: newest + "/optimizer.safetensors", reason: "No such file or directory")
            #expect(try read(missing) == older)
        }
    }

    /// As a folder that may not be entered, which this user's may be.
    private func makeUnreachable(_ path: String) throws {
        try? files.removeItem(atPath: path)
        try files.createSymbolicLink(atPath: path, withDestinationPath: path)
    }

    @Test("Checkpoints that cannot be seen are not taken for none")
    func unreachable() throws {
        try withTemporaryFolder { path in
            let older = path + "/checkpoints/step-000000001"
            try files.createDirectory(atPath: older, withIntermediateDirectories: true)
            try makeUnreachable(path + "/checkpoints/step-000000002")
            let reason = String(cString: strerror(ELOOP))
            #expect(throws: GimbalError.self) {
                try RunFolder.withNewestCheckpoint(at: path) { try Checkpoint(path: $0) }
            }
            #expect(self.reason { _ = try RunRecord(path: path) }.hasSuffix(reason))
            #expect(throws: GimbalError.self) { try ModelWeights.intactFile(in: path) }

            try makeUnreachable(path + "/checkpoints")
            #expect(self.reason { _ = try RunFolder.newestCheckpoint(at: path) }.hasSuffix(reason))
            #expect(self.reason { _ = try RunFolder(path: path) }.hasSuffix(reason))
            #expect(self.reason { _ = try RunRecord(path: path) }.hasSuffix(reason))
            #expect(throws: GimbalError.self) { try RunSummary(folder: path) }
        }
    }

    @Test(
        "A pipe in place of a file of a run is refused, and not waited for", .timeLimit(.minutes(1)),
        arguments: [
            "metrics.csv", "health.csv", "findings.jsonl", "result.json", "run.json", "error.txt", "report.html",
        ])
    func pipes(name: String) throws {
        try withTemporaryFolder { path in
            do { _ = try RunFolder(path: path) }
            try Data("step\n1\n".utf8).write(to: URL(filePath: path + "/metrics.csv"))
            unlink("\(path)/\(name)")
            #expect(mkfifo("\(path)/\(name)", 0o600) == 0)
            #expect(reason { _ = try RunFolder(path: path) }.contains("\(name)"))
            // The page is written only.
            if name == "report.html" { return #expect(!Page.isOwn("\(path)/\(name)")) }
            #expect(reason { _ = try RunSummary(folder: path) }.contains("not a regular file"))
        }
    }

    @Test(
        "A link in place of a file of a run is refused: a run writes to its own folder alone",
        arguments: [
            "metrics.csv", "health.csv", "findings.jsonl", "result.json", "run.json", "error.txt", "report.html",
            "checkpoints",
        ])
    func links(name: String) throws {
        try withTemporaryFolder { folder in
            let (path, target) = (folder + "/run", folder + "/thesis.txt")
            do { _ = try RunFolder(path: path) }
            try Data("thesis".utf8).write(to: URL(filePath: target))
            for target in [target, folder + "/none"] {
                try? files.removeItem(atPath: "\(path)/\(name)")
                try files.createSymbolicLink(atPath: "\(path)/\(name)", withDestinationPath: target)
                let reason = reason { _ = try RunFolder(path: path) }
                #expect(reason.contains("\(path)/\(name): ") && reason.contains("link"), "\(reason)")
            }
            // The folder itself may lie elsewhere.
            try files.removeItem(atPath: "\(path)/\(name)")
            try files.createSymbolicLink(atPath: folder + "/here", withDestinationPath: path)
            _ = try RunFolder(path: folder + "/here")
        }
    }

    @Test("In a folder that was no run's, nobody's files are tidied up")
    func partialsOfOthers() throws {
        try withTemporaryFolder { path in
            let names = ["metrics.csv.partial-1z", "metrics.csv.partial-1a2b3c4d5e6f7"]
            for name in names { try Data(name.utf8).write(to: URL(filePath: path + "/" + name)) }
            do { _ = try RunFolder(path: path) }
            for name in names { #expect(files.fileExists(atPath: path + "/" + name)) }
            // Once it is one, what a save may have left goes, and what none can have made stays.
            do { _ = try RunFolder(path: path) }
            #expect(names.map { files.fileExists(atPath: path + "/" + $0) } == [true, false])
        }
    }

    @Test("A run that is going on can be told of at any time")
    func summaryOfARunGoingOn() throws {
        try withTemporaryFolder { path in
            let saved = try CheckpointTests().save(in: path)
            try files.moveItem(atPath: saved, toPath: path + "/kept")
            let folder = path + "/checkpoints/"
            @Sendable func save(_ step: Int) throws {
                try FileManager.default.copyItem(atPath: path + "/kept", toPath: path + "/next")
                try FileManager.default.moveItem(atPath: path + "/next", toPath: folder + "step-00000\(1000 + step)")
            }
            try save(0)
            let end = DispatchSemaphore(value: 0)
            Thread.detachNewThread {
                for step in 1...300 {
                    do { try save(step) } catch { Issue.record("\(error)") }
                    try? FileManager.default.removeItem(atPath: folder + "step-00000\(999 + step)")
                }
                end.signal()
            }
            var count = 0
            while end.wait(timeout: .now()) == .timedOut {
                let run = try RunSummary(folder: path)
                #expect(run.facts.data == "digits" && run.weights?.step == 1)
                count += 1
            }
            #expect(count > 0)
        }
    }

    @Test("A file in its place is named, and a lock that is a link is not followed")
    func inTheWay() throws {
        try withTemporaryFolder { path in
            try Data("mine".utf8).write(to: URL(filePath: path + "/a"))
            #expect(reason { _ = try RunFolder(path: path + "/a") }.hasSuffix("a file is in its place"))
            try files.createDirectory(atPath: path + "/b", withIntermediateDirectories: false)
            try files.createSymbolicLink(atPath: path + "/b/run.lock", withDestinationPath: path + "/a")
            #expect(reason { _ = try RunFolder(path: path + "/b") }.contains("run.lock"))
            #expect(files.contents(atPath: path + "/a") == Data("mine".utf8))
        }
    }

    @Test("A checkpoint into which somebody has put a file of their own is kept, and so is a folder that is none")
    func filesAmongCheckpoints() throws {
        try withTemporaryFolder { path in
            let folder = try RunFolder(path: path)
            let saved = try CheckpointTests().save(in: path + "/other")
            let names = (1...6).map { folder.checkpointPath(step: $0) }
            for name in names { try files.copyItem(atPath: saved, toPath: name) }
            try Data("mine".utf8).write(to: URL(filePath: names[0] + "/notes.txt"))
            // As an older version leaves it, with and without a file of somebody's.
            for name in names[1...2] { try files.removeItem(atPath: name + "/checksums.sfv") }
            try files.createDirectory(atPath: names[2] + "/mine", withIntermediateDirectories: false)
            for name in try files.contentsOfDirectory(atPath: names[3]) {
                try files.removeItem(atPath: names[3] + "/" + name)
            }
            try Data("mine".utf8).write(to: URL(filePath: names[3] + "/thesis.safetensors2"))
            try folder.removeOldCheckpoints()
            #expect(names.map { files.fileExists(atPath: $0) } == [true, false, true, true, true, true])
            #expect(files.contents(atPath: names[0] + "/notes.txt") == Data("mine".utf8))
        }
    }

    @Test("Only the oldest of the run's own checkpoints are removed")
    func oldCheckpoints() throws {
        try withTemporaryFolder { path in
            let folder = try RunFolder(path: path)
            let names = [
                "step-000000001", "step-000000002", "step-000000003", "step-1", "step-mine", "step-000000004x",
            ]
            for name in names {
                try files.createDirectory(
                    atPath: path + "/checkpoints/" + name, withIntermediateDirectories: false)
            }
            try files.createSymbolicLink(
                atPath: path + "/checkpoints/step-000000000", withDestinationPath: path + "/checkpoints/step-mine")
            try folder.removeOldCheckpoints()
            #expect(
                try files.contentsOfDirectory(atPath: path + "/checkpoints").sorted()
                    == (names.dropFirst() + ["step-000000000"]).sorted())
            #expect(try RunFolder.newestCheckpoint(at: path) == path + "/checkpoints/step-000000003")
        }
    }
}
