import Foundation
import Gimbal
import GimbalNN
import GimbalOptim
import GimbalTestSupport
import GimbalTrain
import Testing

/// Event files, read back here; `Tests/TensorBoard` has TensorBoard itself read them.
@Suite("TensorBoard's event files")
struct TensorBoardTests {
    private func file(in folder: String) throws -> String {
        let names = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.contains("tfevents") }
        #expect(names.count == 1, "\(names)")
        return "\(folder)/\(names.first ?? "")"
    }

    @Test("The checksum is that of RFC 3720, appendix B.4")
    func checksum() {
        #expect(EventRecord.checksum([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
        #expect(EventRecord.checksum([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
        #expect(EventRecord.checksum(Array(0..<32)) == 0x46DD_794E)
    }

    @Test("What is written is read back")
    func readBack() throws {
        try withTemporaryFolder { folder in
            let writer = try EventWriter(folder: folder + "/run")
            try writer.scalar("loss/step", 0.5, step: 3)
            try writer.scalars([("a", .nan), ("b", -.infinity)], step: 4)
            try writer.histogram("weights/w", Tensor([0, 1, 2, 4, .nan] as [Float]), step: 5)
            try writer.text("note", "a | b", step: 1)
            let events = try EventFile(writer.path).scalars
            #expect(events.map(\.tag) == ["loss/step", "a", "b"] && events.map(\.step) == [3, 4, 4])
            #expect(events[0].value == 0.5 && events[1].value.isNaN && events[2].value == -.infinity)
            let histogram = try #require(try EventFile(writer.path).histograms.first)
            #expect(histogram.tag == "weights/w" && histogram.step == 5)
            #expect(histogram.counts.reduce(0, +) == 4 && histogram.counts.last == 1)
            #expect(histogram.edges.first == 0 && histogram.edges.last == 4)
        }
    }

    @Test("A histogram of which some bins have no end is left out, and the others are read")
    func endlessBins() throws {
        // Fields of bytes, by their numbers in TensorFlow's event.proto and summary.proto.
        func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] { [number << 3 | 2, UInt8(bytes.count)] + bytes }
        func numbers(_ values: [Double]) -> [UInt8] {
            values.flatMap { withUnsafeBytes(of: $0.bitPattern.littleEndian) { Array($0) } }
        }
        func event(_ tag: String, limits: [Double], counts: [Double]) -> [UInt8] {
            let histogram = field(6, numbers(limits)) + field(7, numbers(counts))
            return EventRecord.framed(field(5, field(1, field(1, Array(tag.utf8)) + field(5, histogram))))
        }
        try withTemporaryFolder { folder in
            let records = event("w", limits: [1], counts: [2, 3]) + event("v", limits: [1, 2], counts: [2, 3])
            let path = folder + "/events.out.tfevents.1.gimbal"
            try AtomicFile.write(records, to: path)
            try AtomicFile.write("step,loss\n", to: folder + "/metrics.csv")
            let histograms = try EventFile(path).histograms
            #expect(histograms.map(\.tag) == ["v"] && histograms.map(\.edges) == [[0, 1, 2]])
            #expect(Report(try RunSummary(folder: folder)).html.contains("Histograms"))
        }
    }

    @Test("A writer that goes on keeps events up to its step, once, also after a record that was cut off")
    func goingOn() throws {
        try withTemporaryFolder { folder in
            let first = try EventWriter(folder: folder)
            for step in 1...10 { try first.scalar("loss", Double(step), step: step) }
            let path = try file(in: folder)
            let whole = try Data(contentsOf: URL(fileURLWithPath: path))
            try whole.dropLast(3).write(to: URL(fileURLWithPath: path))
            try Data().write(to: URL(fileURLWithPath: folder + "/events.out.tfevents.1.other-host"))
            for _ in 0..<2 {
                let writer = try EventWriter(folder: folder, resumingAt: 9)
                try writer.scalar("loss", 10, step: 10)
                #expect(try EventFile(writer.path).scalars.map(\.step) == Array(1...10))
            }
            let names = try FileManager.default.contentsOfDirectory(atPath: folder)
            #expect(names.count == 2 && names.contains("events.out.tfevents.1.other-host"))
            #expect(try EventFile(EventWriter(folder: folder).path).scalars.isEmpty)
        }
    }

    @Test("A file that was removed meanwhile is named")
    func removed() throws {
        try withTemporaryFolder { folder in
            let writer = try EventWriter(folder: folder + "/run")
            try FileManager.default.removeItem(atPath: folder + "/run")
            let error = #expect(throws: GimbalError.self) { try writer.scalar("loss", 1, step: 1) }
            #expect("\(error!)".contains(writer.path))
            try Data().write(to: URL(fileURLWithPath: folder + "/file"))
            #expect(throws: GimbalError.self) { try EventWriter(folder: folder + "/file") }
        }
    }

    @Test("A trainer with a folder writes what it reports, and a resumed one goes on")
    func trainer() throws {
        try withTemporaryFolder { folder in
            func trainer() throws -> Trainer<Batch> {
                let model = withGenerator(RandomGenerator(seed: 1)) { Sequential { Linear(64, 10) } }
                let data = DataLoader(Dataset.digits().flattened.prefix(320), batchSize: 32)
                var settings = TrainerSettings()
                settings.epochs = 2
                let trainer = Trainer(
                    model, optimizer: SGD(model.parameters, learningRate: 0.1), data: data, settings: settings,
                    folder: try RunFolder(path: folder + "/run")
                ) { batch in crossEntropy(model(batch.inputs), batch.targets) }
                trainer.reportInterval = 1
                trainer.callbacks.append(TensorBoardLog(histogramInterval: 5))
                return trainer
            }
            var first: Trainer<Batch>? = try trainer()
            var steps = 0
            _ = try first!.run {
                steps += 1
                return steps == 13
            }
            first = nil
            let second = try trainer()
            try second.resume()
            try second.run()
            let events = try EventFile(file(in: folder + "/run"))
            #expect(events.scalars.filter { $0.tag == "loss/step" }.map(\.step) == Array(1...20))
            #expect(events.scalars.filter { $0.tag == "loss/training" }.map(\.step) == [10, 20])
            let weights = events.histograms.filter { $0.tag.hasPrefix("weights/") }
            #expect(weights.map(\.step) == [5, 5, 10, 10, 15, 15, 20, 20])
            #expect(events.histograms.count == 16)
        }
    }
}
