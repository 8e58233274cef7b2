import Foundation

/// `metrics.csv`: a row for each reported step, and one at the end of each epoch with the results on the test data.
///
/// Each row is in the file when `add` returns, so that a run that dies leaves what it has measured.
public final class MetricsLog {
    /// The first line: the names of the columns.
    package static let header =
        "epoch,step,learning_rate,loss,gradient_norm,samples_per_second,train_loss,test_loss,test_accuracy,test_r2"

    private let path: String
    private let file: FileHandle

    /// Opens the log of a run, new or to be gone on with.
    /// - Parameters:
    ///   - path: of the file.
    ///   - step: rows after this step are dropped: they will be written again. Nil starts a new log.
    /// - Throws: `GimbalError.fileSystem`.
    public init(path: String, resumingAt step: Int?) throws {
        self.path = path
        var lines = [Self.header]
        if let step, let text = try? String(contentsOfFile: path, encoding: .utf8) {
            lines += text.split(separator: "\n").dropFirst().compactMap { line in
                let fields = line.split(separator: ",", omittingEmptySubsequences: false)
                guard fields.count == 10, let at = Int(fields[1]), at <= step else { return nil }
                return String(line)
            }
        }
        try AtomicFile.write(lines.joined(separator: "\n") + "\n", to: path)
        guard let file = FileHandle(forWritingAtPath: path) else {
            throw GimbalError.fileSystem(operation: "open", path: path, reason: String(cString: strerror(errno)))
        }
        self.file = file
        _ = try? file.seekToEnd()
    }

    deinit { try? file.close() }

    /// Writes the row of an optimizer step, with the columns of an epoch's results empty.
    /// - Throws: `GimbalError.fileSystem`, such as for a full disk.
    public func add(_ report: StepReport) throws {
        try write([
            "\(report.epoch)", "\(report.step)", "\(report.learningRate)", "\(report.loss)",
            report.gradientNorm.map { "\($0)" } ?? "", String(format: "%.0f", report.samplesPerSecond), "", "", "", "",
        ])
    }

    /// Writes the row of a finished epoch, with the columns of a single step empty.
    /// - Throws: `GimbalError.fileSystem`, such as for a full disk.
    public func add(_ result: EpochResult, step: Int) throws {
        try write([
            "\(result.epoch)", "\(step)", "", "", "", "", "\(result.trainLoss)", "\(result.testLoss)",
            result.testAccuracy.map { "\($0)" } ?? "", result.testR2.map { "\($0)" } ?? "",
        ])
    }

    private func write(_ fields: [String]) throws {
        do {
            try file.write(contentsOf: Data((fields.joined(separator: ",") + "\n").utf8))
        } catch {
            throw GimbalError.fileSystem(operation: "write", path: path, reason: (error as NSError).reason)
        }
    }
}
