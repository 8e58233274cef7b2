import ArgumentParser
import Foundation
import GimbalTrain

struct ReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report", abstract: "Writes the page of a run from what lies in its folder.",
        discussion: """
            For a run that was interrupted, is still going on, or has ended, whose test figures are in its folder. Needs \
            metrics.csv or a checkpoint. The folds of a cross-validation share a page. ROC, precision-recall and reliability curves are in the page of \
            `gimbal evaluate --report`.
            """)

    @Argument(help: ArgumentHelp("The folder of a run.", valueName: "run"), completion: .directory)
    var folder: String
    @Option(
        help: ArgumentHelp("Where the page goes; report.html in the folder unless given.", valueName: "FILE.html"),
        completion: .file())
    var output: String?

    func run() throws {
        let summaries = try runs(at: folder).map { try RunSummary(folder: $0) }
        let path = output ?? folder + (folder.hasSuffix("/") ? "" : "/") + "report.html"
        guard output != nil || !FileManager.default.fileExists(atPath: path) || Page.isOwn(path) else {
            throw GimbalError.invalidSetting(
                name: "--output",
                reason:
                    "\(path) is there already and is no page of Gimbal's; name another file, or the same to replace it"
            )
        }
        // The folds of a cross-validation are put side by side.
        if summaries.count == 1 {
            try Report(summaries[0]).write(to: path)
        } else {
            try RunComparison(summaries).write(to: path)
        }
        try printLine("report \(path)")
    }
}
