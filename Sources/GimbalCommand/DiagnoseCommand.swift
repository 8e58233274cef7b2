import ArgumentParser
import Foundation
import GimbalTrain

struct DiagnoseCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diagnose", abstract: "Says why a model would not train, before it is trained.",
        discussion: """
            Takes what train takes, looks at one batch, forward and backward, and at the first steps on it, and says what \
            is wrong, in which layer, what shows it and what helps. Nothing is written. It exits with 0 for a healthy \
            model and with 2 for a sick one. With --apply it tries what helps, keeps it if it does, and trains.
            """)

    @OptionGroup var data: DataOptions
    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup var training: TrainingOptions
    @OptionGroup var device: DeviceOptions
    @Flag(
        help: """
            Print one JSON object on standard output, and nothing else there; with --apply, behind it an object for each \
            trial, and what train prints, each in a line.
            """
    )
    var json = false

    @Flag(
        help: """
            Try what helps in short trainings, keep what makes the validation loss better, and train with it; what was wrong \
            and what was done is in cure.html in the run's folder.
            """
    )
    var apply = false
    @Option(
        help: ArgumentHelp(
            "The folder of the run that --apply trains; runs/<data>-<time> unless given.", valueName: "dir"),
        completion: .directory)
    var runDir: String?

    func validate() throws {
        if data.data == nil { throw ValidationError("--data is needed: what the model is to be trained on") }
        if runDir != nil && !apply { throw ValidationError("--run-dir is for --apply, which trains a run") }
    }

    func run() throws { try SettingFlags.translating(diagnose) }

    private func diagnose() throws {
        var plan = try data.plan(resuming: nil)
        let source = try data.source(for: model.kind)
        let isTable = source.isOfRows
        let settings = try training.settings(
            resuming: nil, for: model.kind, isTable: isTable,
            validates: plan.validationFraction != nil || plan.validationPath != nil)
        plan.seed = settings.seed
        let parts = try source.parts(plan)
        let recipe = Recipe(
            model: try model.settings(for: parts.train, isTable: isTable, resuming: nil), training: settings,
            data: parts.record)
        for remark in parts.remarks { printNotice(remark) }
        for note in training.unused(in: recipe.training) + model.unused(in: recipe.model) {
            printNotice("note: \(note)")
        }
        let validation = parts.validation.flatMap { $0.count > 0 ? $0 : nil }
        if apply && validation == nil {
            throw GimbalError.invalidSetting(
                name: "--apply", reason: "judges by validation data, of which there is none; see --validation")
        }
        if let runDir { try TrainCommand.requireNew(runDir) }
        let device = try device.chosen()
        let run = try recipe.makeRun(train: parts.train, validation: parts.validation, device: device)
        let diagnosis = try run.trainer.examine()
        try json ? printJSON(diagnosis) : printLine("\(diagnosis)")
        guard !diagnosis.isHealthy else {
            if apply { printNotice("note: there is nothing to cure, and nothing was trained; gimbal train does") }
            return
        }
        guard apply, let validation else { throw ExitCode(2) }
        try cure(recipe, parts.train, validation, device)
    }

    private func cure(
        _ recipe: Recipe, _ train: any SupervisedData, _ validation: any SupervisedData, _ device: Device
    ) throws {
        let cure = try Doctor().cure(recipe, train: train, validation: validation, device: device) { trial in
            try json ? printJSON(TrialLine(trial)) : printLine(Self.line(trial))
        }
        guard let cure, cure.isBetter else {
            throw GimbalError.invalidSetting(
                name: "--apply",
                reason:
                    "none of the remedies that a recipe can take made the validation loss better; the findings say what "
                    + "else to change")
        }
        let arguments = Self.trainArguments(CommandLine.arguments.dropFirst(2), from: recipe, to: cure.best.recipe)
        if !json { try printLine("\nbest: \(cure.best.remedies.map(\.title).joined(separator: "; "))") }
        let command = shellCommand(["gimbal", "train"] + arguments)
        printNotice("going on with: " + command)
        let page = cure.page(title: "Cure of a run on \(data.data ?? "")", command: command)
        try TrainCommand.parse(arguments).run(attaching: ["cure.html": page.html])
    }

    /// A trial as JSON has it.
    private struct TrialLine: Encodable {
        var event = "trial"
        var remedies: [String]
        var steps: Int
        var figures: [String: Double]?

        init(_ trial: Cure.Trial) {
            (remedies, steps, figures) = (trial.remedies.map(\.title), trial.steps, trial.figures)
        }
    }

    private static func line(_ trial: Cure.Trial) -> String {
        let name = trial.remedies.isEmpty ? "as it is" : trial.remedies.map(\.title).joined(separator: "; ")
        let figures = (trial.figures ?? [:]).sorted { $0.key > $1.key }.map { "\($0.key) \(decimal($0.value))" }
        return "\(trial.steps) steps, \(name): "
            + (figures.isEmpty ? "loss not finite" : figures.joined(separator: ", "))
    }

    /// What `gimbal train` is called with for the cured recipe: the arguments that were given, but for those that the cure
    /// changed.
    static func trainArguments(_ given: some Sequence<String>, from old: Recipe, to new: Recipe) -> [String] {
        let changes = SettingFlags.changes(from: old, to: new)
        let replaced = Set(changes.flatMap { [$0.flag, $0.flag.replacingOccurrences(of: "--", with: "--no-")] })
        var arguments: [String] = []
        var isValue = false
        for argument in given where argument != "--apply" {
            let name = argument.prefix { $0 != "=" }
            if replaced.contains(String(name)) {
                // Its value is the next word, or behind the sign.
                isValue = name.count == argument.count
            } else if !isValue || argument.hasPrefix("--") {
                arguments.append(argument)
                isValue = false
            } else {
                isValue = false
            }
        }
        return arguments + changes.flatMap(\.words)
    }
}
