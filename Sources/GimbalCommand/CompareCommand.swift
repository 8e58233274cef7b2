import ArgumentParser
import GimbalTrain

struct CompareCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare", abstract: "Puts several runs side by side: results, and what differs."
    )

    @Argument(
        help: ArgumentHelp("The folders of two or more runs, or of folds.", valueName: "run"), completion: .directory)
    var runs: [String]
    @Option(
        help: ArgumentHelp("Write a page with the curves of all runs over each other.", valueName: "FILE.html"),
        completion: .file())
    var report: String?
    @Flag(help: "Print one JSON object on standard output, and nothing else there.")
    var json = false

    func validate() throws {
        if try runs.flatMap(GimbalCommand.runs(at:)).count < 2 {
            throw ValidationError("Name the folders of two or more runs; for one there is `gimbal report`.")
        }
    }

    func run() throws {
        let folders = try runs.flatMap(GimbalCommand.runs(at:))
        let comparison = RunComparison(try folders.map { try RunSummary(folder: $0) })
        if let report { try requireOutput(report, "--report", inputs: folders.flatMap(filesTrainedOn), kind: .page) }
        if let report { try comparison.write(to: report) }
        guard !json else { return try printJSON(Line(comparison: comparison)) }
        try printLine(comparison.description)
        for folder in runs {
            if let folds = try CrossValidation(folder: folder) {
                try printLine("\(shown(folder, limit: 200)): \(folds)")
            }
        }
    }

    private struct Line: Encodable {
        var comparison: RunComparison

        private enum Key: String, CodingKey { case event }

        func encode(to encoder: any Encoder) throws {
            try comparison.encode(to: encoder)
            var container = encoder.container(keyedBy: Key.self)
            try container.encode("comparison", forKey: .event)
        }
    }
}
