import ArgumentParser
import Foundation
import GimbalTrain

struct ReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report", abstract: "Writes the page of a run, or of several over each other, from their folders.",
        discussion: """
            For a run that was interrupted, is still going on, or has ended, whose test figures are in its folder. Needs \
            metrics.csv or a checkpoint. Of several runs, or of the folds of a cross-validation, the page is that of \
            `gimbal compare --report`. ROC, precision-recall and reliability curves are in the page of \
            `gimbal evaluate --report`.
            """)

    @Argument(help: ArgumentHelp("The folders of one or more runs.", valueName: "run"), completion: .directory)
    var folders: [String]
    @Option(
        help: ArgumentHelp(
            "Where the page goes; report.html in the folder of the run, or comparison.html here for several, unless given.",
            valueName: "FILE.html"),
        completion: .file())
    var output: String?

    func run() throws {
        let runs = try folders.flatMap { try GimbalCommand.runs(at: $0) }
        let summaries = try runs.map { try RunSummary(folder: $0) }
        let path = output ?? usualPath
        try requireOutput(path, "--output", inputs: runs.flatMap(filesTrainedOn), kind: .page)
        guard output != nil || !FileManager.default.fileExists(atPath: path) || Page.isOwn(path) else {
            throw GimbalError.invalidSetting(
                name: "--output",
                reason:
                    "\(path) is there already and is no page of Gimbal's; name another file, or the same to replace it"
            )
        }
        try summaries.count == 1
            ? Report(summaries[0]).write(to: path) : RunComparison(summaries).write(to: path)
        try printLine("report \(shown(path, limit: 400))")
    }

    private var usualPath: String {
        guard folders.count == 1, let folder = folders.first else { return "comparison.html" }
        return folder + (folder.hasSuffix("/") ? "" : "/") + "report.html"
    }
}
