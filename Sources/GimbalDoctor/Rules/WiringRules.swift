extension Rule {
    /// What is not connected.
    static let wiring = [unheldParameters, unreachedParameters]

    private static let unheldParameters = Rule("parameters that no optimizer holds") { context in
        let examination = context.examination
        let bad = examination.parameters.filter { $0.isTrainable && !$0.isHeld }
        guard examination.optimizer != nil, !bad.isEmpty else { return [] }
        return [
            Finding(
                .unheldParameters,
                "the optimizer does not hold \(named(bad.map(\.name))), so that "
                    + (bad.count == 1 ? "it stays as it is" : "they stay as they are"),
                layers: bad.map(\.name), remedies: [.holdParameters])
        ]
    }

    private static let unreachedParameters = Rule("parameters that get no gradient") { context in
        let bad = context.examination.parameters.filter { $0.isTrainable && $0.isHeld && $0.gradient == nil }
        if context.examination.optimizer != nil, !context.examination.parameters.isEmpty,
            !context.examination.parameters.contains(where: \.isTrainable)
        {
            return [
                Finding(
                    .unreachedParameters, "all parameters of the model are frozen: there is nothing to train",
                    remedies: [.thaw])
            ]
        }
        guard !bad.isEmpty else { return [] }
        let isAll = bad.count == context.examination.parameters.count(where: \.isTrainable)
        return [
            Finding(
                .unreachedParameters,
                isAll
                    ? "the loss depends on no parameter of the model"
                    : "the loss does not depend on \(named(bad.map(\.name)))",
                layers: bad.map(\.name), remedies: [.useOrFreeze])
        ]
    }

    /// The first names, and how many there are beside.
    static func named(_ names: [String]) -> String {
        names.prefix(3).joined(separator: ", ") + (names.count > 3 ? " and \(names.count - 3) more" : "")
    }
}
