/// What remedies did to a sick recipe: those that were tried, and the recipe that was best.
public struct Cure: Codable, Sendable {
    /// A recipe, and how far a short training brings it.
    public struct Trial: Codable, Sendable {
        /// The remedies in it, in the order in which they were added.
        public var remedies: [Remedy]
        /// What was trained.
        public var recipe: Recipe
        /// What the doctor says of it before it is trained.
        public var findings: [Finding]
        /// What each layer gives out and gets back before it is trained, from input to output.
        public var layers: [LayerSignal]
        /// Loss and scores on the validation data after `steps` steps; nil where the loss was not finite.
        public var figures: [String: Double]?
        /// Steps of training.
        public var steps: Int
    }

    /// A layer of an untrained model.
    public struct LayerSignal: Codable, Sendable {
        /// Its path in the model.
        public var name: String
        /// The standard deviation of what it gives out.
        public var signal: Double?
        /// The root of the mean square of the gradient that arrives there; nil where none does, or none that is finite.
        public var gradient: Double?
    }

    /// The recipe as it was.
    public var before: Trial
    /// What was tried, in this order.
    public var trials: [Trial]
    /// The best of all, which is `before` where nothing helped.
    public var best: Trial
    /// Whether the best is better than what was there before.
    public var isBetter: Bool { !best.remedies.isEmpty }
}

extension Doctor {
    /// Tries remedies on a recipe, in the order in which the findings name them, and keeps what helps.
    ///
    /// A look at one batch is cheap: remedies are added until the doctor finds nothing more. What comes out is trained for a
    /// tenth of the run, and so is each of the other remedies that the findings name, beside the best of these, and where
    /// what is changed asks for another rate, lower and higher ones. It is taken only if its validation loss
    /// is better than that of the recipe as it was by `margin`; and where that one learns as well, in whole trainings too.
    /// - Parameters:
    ///   - recipe: what is to be cured.
    ///   - train: what it is trained on. Where a trial is on standardised data, its recipe says how in
    ///     `data.standardization`, for a whole training on the same.
    ///   - validation: what trials are judged by.
    ///   - device: where trials are trained.
    ///   - steps: of each trial; a tenth of the run unless given, but no less than 50.
    ///   - margin: by what share of the loss a trial must be better.
    ///   - progress: is called with each trial.
    /// - Returns: nil for a healthy recipe.
    /// - Throws: as `Recipe.makeRun`.
    public func cure(
        _ recipe: Recipe, train: any SupervisedData, validation: any SupervisedData, device: Device = .current,
        steps: Int? = nil, margin: Double = 0.02, progress: (Cure.Trial) throws -> Void = { _ in }
    ) throws -> Cure? {
        var trials: [Cure.Trial] = []
        /// The data as a trial takes it: standardised where a remedy says so.
        func parts(_ trial: Recipe) -> (train: any SupervisedData, validation: any SupervisedData) {
            guard recipe.data.standardization == nil, let standardization = trial.data.standardization,
                let train = train as? Dataset, let validation = validation as? Dataset
            else { return (train, validation) }
            return (standardization(train), standardization(validation))
        }
        func look(_ recipe: Recipe) throws -> (diagnosis: Diagnosis, steps: Int, whole: Int) {
            let (train, validation) = parts(recipe)
            let trainer = try recipe.makeRun(train: train, validation: validation, device: device).trainer
            let all = trainer.totalSteps ?? 500
            return (try trainer.examineModel(by: self), min(all, steps ?? max(50, all / 10)), all)
        }
        /// - Parameter steps: nil for a whole training.
        func attempt(
            _ recipe: Recipe, _ remedies: [Remedy], _ diagnosis: Diagnosis, _ steps: Int?
        ) throws -> Cure.Trial {
            let (train, validation) = parts(recipe)
            let run: RecipeRun
            if let steps {
                // A short training is judged once, when it has ended.
                var short = recipe
                short.training.patience = nil
                if short.training.schedule == .plateau { short.training.schedule = .constant }
                run = try short.makeRun(train: train, device: device)
                run.trainer.maxSteps = steps
            } else {
                run = try recipe.makeRun(train: train, validation: validation, device: device)
            }
            var figures: [String: Double]?
            do {
                try run.trainer.run()
                figures = try run.evaluate(on: validation).figures.filter(\.value.isFinite)
            } catch GimbalError.nonFinite {}
            let trial = Cure.Trial(
                remedies: remedies, recipe: recipe, findings: diagnosis.findings,
                layers: diagnosis.examination.layers.map(Cure.LayerSignal.init), figures: figures,
                steps: steps ?? run.trainer.progress.step)
            try progress(trial)
            return trial
        }
        let (sick, length, wholeLength) = try look(recipe)
        guard !sick.isHealthy else { return nil }
        /// Adds the first remedy of what is found, and then that of what is found after it, until nothing is, and trains what
        /// comes out; nil where that was trained before.
        func follow(_ recipe: Recipe, _ remedies: [Remedy], _ diagnosis: Diagnosis) throws -> Cure.Trial? {
            var (recipe, remedies, diagnosis) = (recipe, remedies, diagnosis)
            while !diagnosis.isHealthy, remedies.count < Self.mostRemedies,
                let (next, remedy) = recipe.firstApplication(
                    of: diagnosis.findings.flatMap(\.remedies), except: remedies, trainedOn: train)
            {
                (recipe, diagnosis) = (next, try look(next).diagnosis)
                remedies.append(remedy)
            }
            guard !trials.contains(where: { $0.recipe == recipe }) else { return nil }
            trials.append(try attempt(recipe, remedies, diagnosis, length))
            return trials.last
        }

        let before = try attempt(recipe, [], sick, length)
        trials = [before]
        guard var base = try follow(recipe, [], sick) else { return Cure(before: before, trials: [], best: before) }
        // What else was named may help beside it, but for another kind of what was just changed.
        let kinds = Set(base.remedies.compactMap { $0.change?.kind })
        for remedy in sick.findings.flatMap(\.remedies) where !kinds.contains(remedy.change?.kind ?? "") {
            guard let next = base.recipe.applying(remedy, trainedOn: train),
                let trial = try follow(next, base.remedies + [remedy], try look(next).diagnosis)
            else { continue }
            if trial.isBetter(than: base, by: 0) { base = trial }
        }
        // The doctor only says which rates cannot be; which is best of those that can, trials tell. What changes the size of
        // the signal, or of the targets, asks for another rate as well: a higher one, as it was too much for the sick net.
        func tuned(_ start: Cure.Trial) throws -> Cure.Trial {
            let changes = start.remedies.compactMap(\.change)
            guard changes.contains(where: \.asksForAnotherRate) else { return start }
            var best = start
            for factor in changes.contains(where: { $0.kind == "rate" }) ? [0.3, 3] : [3, 0.3] {
                let trialled = trials.count
                while trials.count < trialled + Self.mostRates,
                    let next = best.recipe.applying(.learningRate(factor: factor))
                {
                    let remedy = Remedy(
                        "a learning rate of \(short(next.training.rate))", .learningRate(factor: factor))
                    // It is the rate itself, whatever others did to it before.
                    let others = best.remedies.filter { $0.change?.kind != "rate" }
                    let trial = try attempt(next, others + [remedy], try look(next).diagnosis, length)
                    trials.append(trial)
                    guard trial.findings.isEmpty, trial.isBetter(than: best, by: margin) else { break }
                    best = trial
                }
                // What is better at a lower rate is not so at a higher one.
                if trials.count > trialled + 1 { break }
            }
            return best
        }
        // Where nothing has begun to learn, the trials so far tell nothing apart, and each has its chance at other rates.
        let hasLearnt = base.hasLearnt(from: sick.examination.lossOfGuess)
        for start in hasLearnt ? [base] : trials.dropFirst().filter({ $0.loss.isFinite }) {
            let best = try tuned(start)
            if best.isBetter(than: base, by: 0) { base = best }
        }
        // Where the sick net learns as well, only slower, the first steps say little of a whole training.
        if base.isBetter(than: before, by: margin), before.hasLearnt(from: sick.examination.lossOfGuess),
            length < wholeLength
        {
            let unchanged = try attempt(recipe, [], sick, nil)
            let changed = try attempt(base.recipe, base.remedies, try look(base.recipe).diagnosis, nil)
            let others = Array(trials.dropFirst()) + [unchanged, changed]
            return Cure(
                before: unchanged, trials: others, best: changed.isBetter(than: unchanged, by: 0) ? changed : unchanged)
        }
        return Cure(
            before: before, trials: Array(trials.dropFirst()),
            best: base.isBetter(than: before, by: margin) ? base : before)
    }

    /// More than any illness needs; an end where remedies call for each other.
    private static var mostRemedies: Int { 6 }
    /// Rates that are tried below, or above, one that was changed: a factor of thirty.
    private static var mostRates: Int { 3 }
}

extension Cure.LayerSignal {
    fileprivate init(_ layer: LayerExamination) {
        func finite(_ value: Double?) -> Double? { value.flatMap { $0.isFinite ? $0 : nil } }
        self.init(
            name: layer.name, signal: finite(layer.output.spread),
            gradient: finite(layer.outputGradient?.rootMeanSquare))
    }
}

extension Cure.Trial {
    /// What trials are judged by: the loss on validation data, and of a regression the share of the targets' variance that is
    /// left, which is the same in whatever unit they are; infinite where it was not finite.
    fileprivate var loss: Double { figures?["r2"].map { 1 - $0 } ?? figures?["loss"] ?? .infinity }

    /// Whether a tenth of what a guess leaves is learnt: what begins to learn may come further than what learnt first.
    fileprivate func hasLearnt(from lossOfGuess: Double?) -> Bool {
        guard let loss = figures?["loss"], let lossOfGuess else { return false }
        return loss < 0.9 * lossOfGuess
    }

    fileprivate func isBetter(than other: Cure.Trial, by margin: Double) -> Bool {
        loss.isFinite && (!other.loss.isFinite || loss < other.loss - margin * abs(other.loss))
    }
}

extension Recipe {
    /// The first of `remedies` that changes this recipe, and the recipe with it.
    fileprivate func firstApplication(
        of remedies: [Remedy], except done: [Remedy], trainedOn train: any SupervisedData
    ) -> (Recipe, Remedy)? {
        // A rate may have to be changed several times; all else is done once.
        for remedy in remedies where remedy.change?.kind == "rate" || !done.contains(remedy) {
            if let recipe = applying(remedy, trainedOn: train) { return (recipe, remedy) }
        }
        return nil
    }
}
