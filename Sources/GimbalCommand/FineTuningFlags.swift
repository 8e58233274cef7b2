import ArgumentParser
import Foundation
import GimbalTrain

/// Weights that training begins with, and how far it may move them.
struct FineTuningFlags: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Begin with the weights of a file (.pt, .pth, .safetensors, .npz) or of another run; the layer that gives the outputs begins anew where its shape differs.",
            valueName: "FILE|RUN"), completion: .file())
    var pretrained: String?
    @Option(
        help: ArgumentHelp(
            "What tensors of --pretrained are called in the model: a pattern with * and ?, and behind a = the name in its place, or nothing to leave them out. May be given several times; the first that fits counts. (default: a prefix of all names is found)",
            valueName: "pattern=name"), transform: FineTuning.Renaming.init(parsing:))
    var rename: [FineTuning.Renaming] = []
    @Option(
        help: ArgumentHelp(
            "Leave parameters that fit a pattern, such as 'layer1.*', as they are; batch normalisation among them keeps its estimates. May be given several times.",
            valueName: "pattern"))
    var freeze: [NamePattern] = []
    @Option(
        help: ArgumentHelp(
            "What the rate of parameters that fit a pattern is multiplied by. May be given several times; the first that fits counts.",
            valueName: "pattern=factor"))
    var layerRate: [FineTuning.LayerRate] = []

    /// Sets what was given.
    func apply(to result: inout TrainingSettings, _ isNew: Bool) throws {
        var tuning = result.fineTuning ?? FineTuning()
        // A run may be gone on with from another folder.
        let path = pretrained.map { URL(fileURLWithPath: $0).standardizedFileURL.path }
        try take(optional(path), "pretrained", into: &tuning.pretrained, isNew)
        try take(given(rename), "renames", into: &tuning.renames, isNew)
        try take(given(freeze.map(\.text)), "frozen", into: &tuning.frozen, isNew)
        try take(given(layerRate), "layerRates", into: &tuning.layerRates, isNew)
        result.fineTuning = tuning == FineTuning() ? nil : tuning
    }

    private func given<Value>(_ list: [Value]) -> [Value]? { list.isEmpty ? nil : list }
}

extension FineTuning.Renaming {
    /// A pattern of names, and what tensors that fit it become; nothing behind the mark leaves them out.
    /// - Throws: `ValidationError`.
    init(parsing argument: String) throws {
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, !parts[0].isEmpty else {
            throw ValidationError(
                parts.count == 2
                    ? "there is no pattern before the ="
                    : "there is no = and name behind it; '\(argument)=' leaves them out")
        }
        self.init(parts[0], parts[1].isEmpty ? nil : parts[1])
        guard hasWildcardsEnough else {
            throw ValidationError("'\(parts[1])' has more wildcards than '\(parts[0])'")
        }
    }
}

extension FineTuning.LayerRate: ExpressibleByArgument {
    /// A pattern of names, and what the rate of parameters that fit it is multiplied by.
    public init?(argument: String) {
        guard let (pattern, factor) = patternAndFactor(argument) else { return nil }
        self.init(pattern, factor)
    }
}

extension LayerDecay: ExpressibleByArgument {
    /// A pattern of names, and what the decay of parameters that fit it is multiplied by.
    public init?(argument: String) {
        guard let (pattern, factor) = patternAndFactor(argument) else { return nil }
        self.init(pattern, factor)
    }
}

/// `PATTERN=FACTOR`, in which the pattern may hold the mark itself.
private func patternAndFactor(_ argument: String) -> (pattern: String, factor: Double)? {
    guard let place = argument.lastIndex(of: "="), place > argument.startIndex,
        let factor = Double(argument[argument.index(after: place)...])
    else { return nil }
    return (String(argument[..<place]), factor)
}

extension NamePattern: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
}
