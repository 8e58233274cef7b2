import Foundation
import GimbalTestSupport
import GimbalTrain
import Testing

/// A checkpoint whose bytes are not those that were saved is not used.
@Suite struct ChecksumTests {
    /// A run of one step with an average and a norm to clip by, which has every file that a checkpoint may have.
    private func withCheckpoint(_ body: (_ path: String, _ trainer: Trainer<Batch>) throws -> Void) throws {
        try withTemporaryFolder { path in
            let folder = try RunFolder(path: path)
            let digits = Dataset.digits().prefix(64)
            var model = ModelSettings(for: digits)
            model.hidden = 8
            var training = TrainingSettings()
            training.maxSteps = 1
            training.averageDecay = 0.9
            training.clipPercentile = 90
            let run = try Recipe(model: model, training: training).makeRun(train: digits, device: .cpu, folder: folder)
            try run.trainer.run()
            try body(try #require(try folder.checkpoints.last), run.trainer)
        }
    }

    private func read(_ path: String, _ trainer: Trainer<Batch>) throws {
        let checkpoint = try Checkpoint(path: path)
        try checkpoint.requireFiles()
        _ = try RunRecord(of: checkpoint)
        try trainer.resume(from: checkpoint)
    }

    @Test("Every byte of every file counts")
    func everyFile() throws {
        try withCheckpoint { path, trainer in
            try read(path, trainer)
            let names = try FileManager.default.contentsOfDirectory(atPath: path)
            #expect(names.count >= 5)
            for name in names where name != "checksums.sfv" {
                let file = URL(filePath: "\(path)/\(name)")
                let whole = try Data(contentsOf: file)
                for place in [whole.count / 3, whole.count / 2, whole.count - 2] {
                    var bytes = whole
                    bytes[place] ^= 4
                    try bytes.write(to: file)
                    let error = #expect(throws: GimbalError.self, "byte \(place) of \(name)") {
                        try read(path, trainer)
                    }
                    #expect(error?.description.hasPrefix(file.path) == true, "\(error?.description ?? "")")
                }
                try whole.write(to: file)
            }
            try read(path, trainer)
        }
    }

    @Test("Checksums that are damaged themselves do not pass for none")
    func damaged() throws {
        try withCheckpoint { path, trainer in
            let sums = URL(filePath: path + "/checksums.sfv")
            let lines = try String(contentsOf: sums, encoding: .utf8).split(separator: "\n").map { $0 + "\n" }
            var damaged = lines.indices.map { place in
                Data(lines.enumerated().filter { $0.offset != place }.map(\.element).joined().utf8)
            }
            damaged += [Data(), Data((0..<200).map { UInt8(truncatingIfNeeded: $0 &* 151 &+ 7) })]
            for bytes in damaged {
                try bytes.write(to: sums)
                let error = #expect(throws: GimbalError.self) { try read(path, trainer) }
                #expect(error?.description.contains("checksums.sfv: damaged: it has no checksum of ") == true)
            }
            try Data(lines.joined().utf8).write(to: sums)
            truncate(sums.path, 1 << 32)
            let error = #expect(throws: GimbalError.self) { try read(path, trainer) }
            #expect(error?.description.contains("larger than any file that a run writes there") == true)
        }
    }

    @Test("Checkpoints without checksums, of an earlier Gimbal, are read; what is in them is found by other programs")
    func without() throws {
        try withCheckpoint { path, trainer in
            let sums = path + "/checksums.sfv"
            let lines = try String(contentsOfFile: sums, encoding: .utf8).split(separator: "\n")
            let weights = try [UInt8](Data(contentsOf: URL(filePath: path + "/model.safetensors")))
            // The definition of the polynomial, bit by bit.
            var sum = UInt32.max
            for byte in weights {
                sum ^= UInt32(byte)
                for _ in 0..<8 { sum = sum & 1 == 1 ? sum >> 1 ^ 0xEDB8_8320 : sum >> 1 }
            }
            let digits = String(~sum, radix: 16, uppercase: true)
            let line = "model.safetensors " + String(repeating: "0", count: 8 - digits.count) + digits
            #expect(lines.contains { $0 == line }, "\(line) is not in \(lines)")
            try FileManager.default.removeItem(atPath: sums)
            try read(path, trainer)
        }
    }
}
