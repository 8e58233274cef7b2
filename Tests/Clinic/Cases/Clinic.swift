import GimbalTrain

/// All cases, sick and healthy.
public enum Clinic {
    /// The sick, each followed by its healthy twin, and then the healthy.
    public static let cases: [ClinicCase] =
        initializationCases + recurrenceCases + scaleCases + outputCases + rateCases + wiringAndDataCases
        + variationCases + recipeCases + healthyCases + taskCases + courseCases + strangerCases

    /// The cases of these names, or that begin with one of them and a space; an empty list is for all.
    public static func cases(named names: [String]) -> [ClinicCase] {
        names.isEmpty
            ? cases : cases.filter { found in names.contains { found.name == $0 || found.name.hasPrefix($0 + " ") } }
    }
}

/// What the doctor said of a case, and whether that is right.
public struct Verdict: Sendable {
    /// Of which case.
    public let clinicCase: ClinicCase
    /// With which weights and data.
    public let seed: UInt64
    /// When it was looked at.
    public let moment: ClinicCase.Moment
    /// What was seen before training.
    public let diagnosis: Diagnosis?
    /// The causes that were named, in order.
    public let findings: [Finding]

    /// Has `doctor` look at the case before it is trained, on the current device.
    /// - Throws: `MissingData`; what the device reports.
    public init(_ clinicCase: ClinicCase, seed: UInt64, by doctor: Doctor = Doctor()) throws {
        let diagnosis = try clinicCase.withPatient(seed: seed) { try $0.diagnose(by: doctor) }
        (self.clinicCase, self.seed, moment) = (clinicCase, seed, .beforeTraining)
        (self.diagnosis, findings) = (diagnosis, diagnosis.findings)
    }

    /// Has `doctor` follow the case while it is trained, on the current device.
    /// - Throws: `MissingData`; what the device reports.
    public init(training clinicCase: ClinicCase, seed: UInt64, by doctor: Doctor = Doctor()) throws {
        (self.clinicCase, self.seed, moment, diagnosis) = (clinicCase, seed, .duringTraining, nil)
        findings = try clinicCase.withPatient(seed: seed) { try $0.train(for: clinicCase.trainingSteps, by: doctor) }
    }

    /// Steps from where the illness began to act to where its cause was named; nil before training.
    public var delay: Int? {
        guard moment == .duringTraining else { return nil }
        return findings.first { clinicCase.illnesses.contains($0.illness) }.map { $0.step - clinicCase.beginsAt }
    }

    /// Whether sick and healthy are told apart.
    public var isRecognised: Bool { findings.isEmpty == clinicCase.isHealthy }
    /// Whether the cause is named first; of a healthy net, whether none is.
    public var isFirst: Bool { isAmong(1) }
    /// Whether the cause is among the first three.
    public var isAmongThree: Bool { isAmong(3) }

    private func isAmong(_ count: Int) -> Bool {
        clinicCase.isHealthy
            ? findings.isEmpty : findings.prefix(count).contains { clinicCase.illnesses.contains($0.illness) }
    }

    /// Whether the layer is named; nil where the illness is not one of single layers.
    public var isLayerRight: Bool? {
        guard !clinicCase.layers.isEmpty else { return nil }
        guard let finding = findings.first(where: { clinicCase.illnesses.contains($0.illness) }) else { return false }
        return finding.layers.first.map { clinicCase.layers.contains($0) } ?? false
    }
}

/// What the doctor's remedies made of a sick run, beside what the cure that is known does.
public struct CureResult: Sendable {
    /// What is compared: `accuracy`, or of a regression the share of the targets' variance that is left.
    public let metric: String
    /// On the validation data, of a whole training of the run as it is, with the doctor's remedies, and with the cure that is
    /// known; nil where it ended in numbers that are not finite.
    public let (before, after, twin): (Double?, Double?, Double?)
    /// What the doctor did.
    public let remedies: [String]
    /// Steps of all trainings that the cure took, over those of one whole run.
    public let cost: Double

    /// - Parameters:
    ///   - patient: the sick run.
    ///   - doctor: who cures it.
    ///   - progress: is called with each trial.
    /// - Throws: what training throws, but for numbers that are not finite.
    public init(
        _ patient: RecipePatient, by doctor: Doctor = Doctor(), progress: (Cure.Trial) -> Void = { _ in }
    ) throws {
        let isClassifier = patient.train.classCount != nil
        metric = isClassifier ? "accuracy" : "variance left"
        func train(_ recipe: Recipe, _ train: Dataset, _ validation: Dataset) throws -> Double? {
            let run = try recipe.makeRun(train: train, device: .current)
            do { try run.trainer.run() } catch GimbalError.nonFinite { return nil }
            let figures = try run.evaluate(on: validation).figures
            return isClassifier ? figures["accuracy"] : figures["r2"].flatMap { $0.isFinite ? 1 - $0 : nil }
        }
        before = try train(patient.recipe, patient.train, patient.validation)
        let cure = try doctor.cure(
            patient.recipe, train: patient.train, validation: patient.validation, progress: progress)
        if let cure, cure.isBetter {
            remedies = cure.best.remedies.map(\.title)
            let standardization = cure.best.recipe.data.standardization
            after = try train(
                cure.best.recipe, standardization?(patient.train) ?? patient.train,
                standardization?(patient.validation) ?? patient.validation)
        } else {
            (remedies, after) = ([], before)
        }
        twin = try patient.twin.flatMap { make in
            let healthy = try make()
            return try train(healthy.recipe, healthy.train, healthy.validation)
        }
        let steps = ([cure?.before].compactMap { $0 } + (cure?.trials ?? [])).reduce(0) { $0 + $1.steps }
        let whole = patient.recipe.training.epochs * max(1, patient.train.count / patient.recipe.training.batchSize)
        cost = Double(steps) / Double(whole)
    }

    /// Whether what came out is as good as the cure that is known: within two points, or five in a hundred of the loss.
    public var isCured: Bool {
        guard let after, let twin else { return false }
        return metric != "accuracy" ? after <= twin * 1.05 : after >= twin - 0.02
    }

    /// Whether the run is worse than it was.
    public var isWorse: Bool {
        guard let before else { return false }
        guard let after else { return true }
        return metric != "accuracy" ? after > before * 1.001 : after < before - 1e-9
    }
}
