import Foundation
import Gimbal
import GimbalOpenCL
import GimbalTrain

extension Target {
    static let runFiles = [
        Target("run") { input in
            let folder = input.folder(with: "run.json")
            let record = try RunRecord(path: folder)
            try requireSame(record)
            _ = try RunSummary(folder: folder)
            let model = record.recipe.model
            guard model.inputs <= 64, model.outputs <= 64, model.hidden <= 16, model.layers <= 4,
                (model.widths ?? []).allSatisfy({ $0 <= 64 }), (model.widths ?? []).count <= 4
            else { return }
            _ = model.makeModel(device: .cpu)
        },
        Target("manifest") { input in
            let folder = input.folder(with: "manifest.json")
            try requireSame(Checkpoint(path: folder).manifest)
            _ = try RunSummary(folder: folder)
        },
        Target("result") { input in
            let folder = input.folder(with: "result.json")
            guard let result = try RunResult(folder: folder) else { fail("no result") }
            if let classes = result.classes, classes.description.isEmpty { fail("scores of nothing") }
        },
        Target("findings") { input in
            for finding in try FindingsFile.findings(path: input.path) { _ = finding.remedies.map { "\($0)" } }
        },
        Target("events") { input in
            _ = try EventFile(input.path)
        },
        Target("plans") { input in
            let cache = CacheFolder(path: input.folder(with: plansName))
            // Few inputs have the checksum of what is in them: the others are taken for what should be.
            let bytes = cache.read(plansKey, kind: "plans") ?? input.array
            // An entry has them by the sizes that they are for, which stand between them.
            let plans = try? JSONDecoder().decode([MatrixPlan].self, from: Data(bytes))
            for plan in plans ?? [] { requireLine("\(plan)", "a plan") }
        },
        // The record up to the first NUL, and then the lines of what trials came to.
        Target("search") { input in
            let end = input.bytes.firstIndex(of: 0) ?? input.bytes.endIndex
            let record = Input(UnsafeBufferPointer(rebasing: input.bytes[..<end]))
            let trials = input.from(end + 1)
            _ = trials.folder(with: "trials.jsonl")
            let (search, results) = try SearchFolder.read(record.folder(with: "search.json"))
            try requireSame(search)
            guard search.plan.points.count <= 100 else { return }
            _ = search.plan.steps(after: results)
            _ = SearchReport(search, results).table()
        },
        // The name of a file of a run, and in the lines below it what that holds.
        Target("page") { input in
            let end = input.bytes.firstIndex(of: UInt8(ascii: "\n")) ?? 0
            guard let name = pageFiles.first(where: { input.bytes[..<end].elementsEqual($0.utf8) }) else { return }
            Folder.make(name)
            if name != "metrics.csv" {
                // Without a step: a result of other steps would be left out.
                let metrics = Array("step,epoch,loss\n".utf8)
                _ = metrics.withUnsafeBytes { Folder.write($0, to: name + "/metrics.csv") }
            }
            let html = Report(try RunSummary(folder: input.from(end + 1).folder(name, with: name))).html
            // What a file says is text on the page, whatever it is.
            if Array(html.utf8).contains(Array("<script".utf8)) { fail("the page has a script") }
        },
    ]

    private static let pageFiles = [
        "run.json", "metrics.csv", "health.csv", "findings.jsonl", "result.json", "events.out.tfevents.1.gimbal",
    ]

    private static let plansKey = "a device"
    private static let plansName = String(CacheFolder(path: "").file(plansKey, kind: "plans").dropFirst())

    /// What was read is what is read of what is written of it.
    private static func requireSame<Value: Codable>(_ value: Value) throws {
        let written = try CheckpointManifest.encoder.encode(value)
        let again = try CheckpointManifest.decoder.decode(Value.self, from: written)
        if try CheckpointManifest.encoder.encode(again) != written { fail("a \(Value.self) is written as another") }
    }
}
