import Foundation

/// `metrics.csv`: a row for each reported step, and one at the end of each epoch with what was measured on the validation
/// data, in a column for each figure, such as `validation_loss`. What was not measured is empty.
///
/// Each row is in the file when `add` returns, so that a run that dies leaves what it has measured.
public final class MetricsLog {
    /// The columns that are always there.
    package static let columns = [
        "epoch", "step", "learning_rate", "loss", "gradient_norm", "samples_per_second", "train_loss",
    ]

    private let path: String
    private var columns = MetricsLog.columns
    private var file: AppendedFile

    /// Opens the log of a run, new or to be gone on with.
    /// - Parameters:
    ///   - path: of the file.
    ///   - step: rows after this step are dropped: they will be written again. Nil starts a new log.
    /// - Throws: `GimbalError.fileSystem`; `GimbalError.invalidFile` for a file of other origin, which is not written over.
    public init(path: String, resumingAt step: Int?) throws {
        self.path = path
        var rows: [String] = []
        if let step {
            let lines = try AppendedFile.lines(of: path)
            let header = lines.first?.split(separator: ",").map(String.init) ?? columns
            guard header.starts(with: columns) else {
                throw GimbalError.invalidFile(
                    path: path,
                    reason:
                        "is no log of a run: its first line is '\(shown(lines.first ?? ""))'; move it elsewhere to go on "
                        + "without its rows")
            }
            columns = header
            rows = lines.dropFirst().compactMap { line in
                let fields = line.split(separator: ",", omittingEmptySubsequences: false)
                guard fields.count == header.count, let at = Int(fields[1]), at <= step else { return nil }
                return line
            }
        }
        file = try AppendedFile(path, lines: [columns.joined(separator: ",")] + rows)
    }

    /// Writes the row of an optimizer step, with the columns of an epoch's results empty.
    /// - Throws: `GimbalError.fileSystem`, such as for a full disk.
    public func add(_ report: StepReport) throws {
        try write([
            "epoch": "\(report.epoch)", "step": "\(report.step)", "learning_rate": Self.text(report.learningRate),
            "loss": Self.text(report.loss), "gradient_norm": report.gradientNorm.map(Self.text) ?? "",
            "samples_per_second": String(format: "%.0f", report.samplesPerSecond),
        ])
    }

    /// A number in full; NaN without the sign that its bits may have.
    private static func text(_ number: Double) -> String { number.isNaN ? "nan" : "\(number)" }

    /// Writes the row of a finished epoch, with the columns of a single step empty.
    /// - Throws: `GimbalError.fileSystem`, such as for a full disk.
    public func add(_ result: EpochResult) throws {
        let figures = result.validation.inOrder.map { (column: "validation_\($0.name)", value: $0.value) }
        let new = figures.map(\.column).filter { !columns.contains($0) }
        if !new.isEmpty { try addColumns(new) }
        var fields = ["epoch": "\(result.epoch)", "step": "\(result.step)"]
        fields["train_loss"] = result.trainLoss.map(Self.text)
        for (column, value) in figures { fields[column] = Self.text(value) }
        try write(fields)
    }

    /// Widens all rows, which happens once, at the end of the first epoch.
    private func addColumns(_ new: [String]) throws {
        let rows = try AppendedFile.lines(of: path).dropFirst()
        let commas = String(repeating: ",", count: new.count)
        columns += new
        file = try AppendedFile(path, lines: [columns.joined(separator: ",")] + rows.map { $0 + commas })
    }

    private func write(_ fields: [String: String]) throws {
        try file.write(columns.map { fields[$0] ?? "" }.joined(separator: ",") + "\n")
    }
}
