import ArgumentParser

/// What is set for all layers, or for each by itself: numbers separated by commas.
struct LayerList<Value: LosslessStringConvertible & Sendable>: ExpressibleByArgument, Sendable {
    private let values: [Value]

    init?(argument: String) {
        let words = argument.split(separator: ",", omittingEmptySubsequences: false)
        values = words.compactMap { Value(String($0)) }
        guard values.count == words.count else { return nil }
    }

    /// One number, for all layers; nil where each has its own.
    var single: Value? { values.count == 1 ? values[0] : nil }
    /// A number for each layer; nil where one goes for all.
    var list: [Value]? { values.count == 1 ? nil : values }

    /// Makes sure that one number does not stand for the list that a run began with.
    /// - Throws: `GimbalError.invalidSetting`.
    func requireAgreement(with begun: [Value]?, _ flag: String) throws {
        guard single != nil, let begun else { return }
        throw begunOtherwise(flag, begun.map(\.description).joined(separator: ","))
    }
}
