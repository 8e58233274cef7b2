import Gimbal

/// What the target of a table is by what it holds, where nobody says it.
struct ProvenTask {
    let task: TableOptions.Task
    /// What was decided and why, where the numbers of the target might have been either; nil for texts.
    let note: String?

    /// - Throws: `GimbalError.invalidFile` where nearly all are numbers, and the others stand for missing ones or are mistakes.
    init(_ facts: TableFacts, target: Int, name: String, path: String) throws {
        let (found, shownName) = (facts.columns[target], shown(name))
        let numbers = found.numbers + found.infinite
        guard numbers > 0, found.texts == 0 else {
            if let text = found.text.first, numbers > 0, 5 * numbers >= 4 * (numbers + found.texts),
                found.distinctNumbers > TableAdvice.fewValues
            {
                let marks = found.text.distinct.map(\.first.text)
                throw GimbalError.invalidFile(
                    path: path,
                    reason:
                        "line \(text.line), \(TableNames.place(target, name)): '\(shown(text.text))' is not a number, but "
                        + "\(numbers) of \(numbers + found.texts) targets are"
                        + TableAdvice.waysOn(name, missing: marks, isTarget: true))
            }
            (task, note) = (.classification(), nil)
            return
        }
        let distinct = found.values.count
        guard found.whole == numbers else {
            (task, note) = (
                .regression,
                "\(shownName) is predicted as a number: it holds fractions (--task classification refuses them)"
            )
            return
        }
        if distinct > Self.fewClasses && distinct * Self.rowsOfClass > facts.rows
            || facts.rows >= 10 && distinct == facts.rows
        {
            (task, note) = (
                .regression,
                "\(shownName) is predicted as a number: \(distinct) different whole numbers in \(facts.rows) rows "
                    + "(--task classification makes a class of each)"
            )
        } else {
            (task, note) = (
                .classification(),
                distinct < 3
                    ? nil
                    : "\(shownName) is taken for \(distinct) classes: few different whole numbers (--task regression "
                        + "predicts them as numbers)"
            )
        }
    }

    /// Of no more whole numbers each is a class, and of more where each has so many rows on average.
    private static let fewClasses = 20
    private static let rowsOfClass = 10
}
