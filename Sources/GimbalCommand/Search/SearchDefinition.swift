import ArgumentParser
import Foundation
import GimbalTrain

/// What a search is to be, made from options and checked as far as can be before anything is trained.
struct SearchDefinition {
    let options: SearchOptions
    let data: DataOptions
    let model: ModelOptions
    let training: TrainingOptions
    let device: DeviceOptions
    /// The words that say what the search is.
    let words: [String]

    /// - Throws: `GimbalError.invalidSetting` for what no trial could be made from, and what reading the data throws.
    func record() throws -> SearchRecord {
        let plan = try data.plan(resuming: nil)
        guard plan.validationFraction != nil || plan.validationPath != nil else {
            throw GimbalError.invalidSetting(
                name: "--validation", reason: "is what trials are judged by; there must be some")
        }
        if training.course.maxSteps != nil, method == .halving {
            throw GimbalError.invalidSetting(
                name: "--max-steps", reason: "is not for halving, which trains by epochs; see --epochs")
        }
        let varied = try options.vary.map { try SearchSpace.Dimension(parsing: $0, form: SearchedSettings.form) }
        var search = SearchPlan(
            SearchSpace(varied), method: method, metric: options.metric ?? .loss,
            trials: options.trials ?? SearchOptions.defaultTrials, epochs: 1,
            factor: options.factor ?? SearchOptions.defaultFactor,
            seed: training.course.seed ?? Defaults.training.seed)
        // Before the data is read, which may take long.
        if !varied.isEmpty { try search.validate() }
        let (source, parts) = try Self.parts(data, model, training)
        guard (parts.validation?.count ?? 0) > 0 else {
            throw GimbalError.invalidSetting(
                name: "--validation", reason: "is what trials are judged by, and there is none of it")
        }
        for remark in parts.remarks { printNotice(remark) }
        let device = try device.chosen()
        var arguments = SearchOptions.trainArguments(words)
        if self.device.device == nil { arguments += ["--device", device.id] }

        search.space = try space(varied, arguments, parts, isTable: source.isOfRows)
        try search.validate()
        try checkWords(search.space, arguments)
        let recipes = try recipes(search, arguments, parts, isTable: source.isOfRows)
        search.epochs = recipes[0].training.epochs
        try search.validate()
        // Patterns of names are those of a model's.
        if search.space.dimensions.contains(where: { $0.name.contains("=") }) {
            _ = try recipes[0].makeRun(train: parts.train, validation: parts.validation, device: device)
        }
        if search.metric != .loss, (search.metric == .r2) != (recipes[0].model.task == .regression) {
            throw GimbalError.invalidSetting(
                name: "--metric",
                reason: "\(search.metric.rawValue) is not for \(recipes[0].model.task.rawValue)")
        }
        return SearchRecord(
            search, arguments: arguments, definition: words, keepsCheckpoints: options.keepCheckpoints,
            data: parts.record)
    }

    /// The data of the trials that these options describe.
    static func parts(
        _ data: DataOptions, _ model: ModelOptions, _ training: TrainingOptions
    ) throws -> (source: DataSource, parts: DataParts) {
        let source = try data.source(for: model.kind)
        var plan = try data.plan(resuming: nil)
        plan.seed = training.course.seed ?? Defaults.training.seed
        return (source, try source.parts(plan))
    }

    private var method: SearchPlan.Method { options.method ?? .halving }

    /// What is varied: what was said, or what suits the model.
    private func space(
        _ varied: [SearchSpace.Dimension], _ arguments: [String], _ parts: DataParts, isTable: Bool
    ) throws -> SearchSpace {
        let given = Set(
            arguments.filter { $0.hasPrefix("--") }.map { word in
                let name = word.dropFirst(2).prefix { $0 != "=" }
                return String(name.hasPrefix("no-") ? name.dropFirst(3) : name)
            })
        guard !varied.isEmpty else {
            guard method != .grid else {
                throw GimbalError.invalidSetting(name: "--method", reason: "grid needs --vary, with choices")
            }
            let recipe = try recipe(arguments, parts, isTable: isTable)
            let space = SearchSpace(for: recipe.model, training: recipe.training, except: given)
            guard !space.dimensions.isEmpty else {
                throw GimbalError.invalidSetting(
                    name: "--vary", reason: "is needed: all that is varied by default is given")
            }
            return space
        }
        let space = SearchSpace(varied)
        for dimension in space.dimensions where given.contains(dimension.name) {
            throw GimbalError.invalidSetting(
                name: "--\(dimension.name)", reason: "is given and varied; leave one of the two out")
        }
        return space
    }

    /// The first line of a message, and where it ends with a colon what is listed below.
    private static func oneLine(_ message: String) -> String {
        let lines = message.split(separator: "\n")
        guard let first = lines.first, first.hasSuffix(":") else {
            return lines.first.map(String.init) ?? "cannot be read"
        }
        let listed = lines.dropFirst().map { $0.trimmingCharacters(in: .whitespaces) }.prefix { $0.hasPrefix("- ") }
        return "\(first) \(listed.map { String($0.dropFirst(2)) }.joined(separator: ", "))"
    }

    /// Makes sure that each value can be read as its flag's.
    private func checkWords(_ space: SearchSpace, _ arguments: [String]) throws {
        for dimension in space.dimensions {
            let ends = dimension.range.map { [$0.low.text, $0.high.text] }
            for value in ends ?? dimension.choices {
                do { _ = try TrainCommand.parse(arguments + dimension.words(value)) } catch {
                    throw GimbalError.invalidSetting(
                        name: "--vary",
                        reason: "\(dimension.name)=\(value): \(Self.oneLine(TrainCommand.message(for: error)))")
                }
            }
        }
    }

    /// The recipes of the first trials that there are any of.
    /// - Throws: `GimbalError.invalidSetting` where a choice is refused in every trial that has it, or an end of a range in
    ///   place of what several trials have.
    private func recipes(
        _ plan: SearchPlan, _ arguments: [String], _ parts: DataParts, isTable: Bool
    ) throws -> [Recipe] {
        var recipes: [Recipe] = []
        /// The first points that recipes were made of.
        var good: [[String]] = []
        /// What was said of each value, by setting and value; nil where a trial with it can be made.
        var refusals: [[String: (any Error)?]] = plan.space.dimensions.map { _ in [:] }
        for point in plan.points.prefix(Self.mostChecked) {
            var refusal: (any Error)?
            do {
                recipes.append(try recipe(arguments + plan.space.words(point), parts, isTable: isTable))
                if good.count < 4 { good.append(point) }
            } catch {
                refusal = error
            }
            for (place, value) in point.enumerated() {
                if refusal == nil || refusals[place][value] == nil { refusals[place][value] = .some(refusal) }
            }
        }
        for (dimension, known) in zip(plan.space.dimensions, refusals) where dimension.range == nil {
            for choice in dimension.choices {
                if let refusal = known[choice], let refusal { throw refusal }
            }
        }
        for (place, dimension) in plan.space.dimensions.enumerated() {
            guard let range = dimension.range else { continue }
            for end in [range.low.text, range.high.text] {
                // What does not go with the other settings of one trial may go with those of another.
                var refusal: (any Error)?
                for point in good {
                    var point = point
                    point[place] = end
                    do {
                        _ = try recipe(arguments + plan.space.words(point), parts, isTable: isTable)
                        refusal = nil
                        break
                    } catch { refusal = error }
                }
                if let refusal { throw refusal }
            }
        }
        guard recipes.isEmpty else { return recipes }
        // Of ranges, all of whose numbers are refused.
        _ = try recipe(arguments + plan.space.words(plan.points[0]), parts, isTable: isTable)
        return recipes
    }

    /// Trials that are looked at before the search begins; the others tell when they are trained.
    private static let mostChecked = 200

    private func recipe(_ arguments: [String], _ parts: DataParts, isTable: Bool) throws -> Recipe {
        let command = try TrainCommand.parse(arguments)
        let training = try command.training.settings(
            resuming: nil, for: command.model.kind, isTable: isTable, validates: true)
        let model = try command.model.settings(for: parts.train, isTable: isTable, resuming: nil)
        return Recipe(model: model, training: training, data: parts.record)
    }
}
