import Foundation
import Gimbal
import GimbalNN
import GimbalOptim

/// What a model begins with in place of weights that are drawn, and how far training may move it from there.
///
/// ```swift
/// var training = TrainingSettings(for: .resnet18)
/// training.fineTuning = FineTuning(pretrained: "resnet18.pth", frozen: ["conv1.*", "bn1.*", "layer1.*"])
/// ```
public struct FineTuning: Codable, Sendable, Equatable {
    /// Gives tensors of the file that fit a pattern another name, or leaves them out.
    public struct Renaming: Codable, Sendable, Equatable {
        /// Of names in the file, as `NamePattern` reads it.
        public var pattern: String
        /// The name in the model, in which each wildcard stands for what the pattern's found; nil leaves the tensor out.
        public var name: String?

        /// A rule of a pattern and the name in its place; nil leaves tensors out.
        public init(_ pattern: String, _ name: String?) { (self.pattern, self.name) = (pattern, name) }

        /// Makes sure that each rule is of use.
        /// - Parameters:
        ///   - rules: of which each must fit one of the names, whether or not one before it does.
        ///   - names: of the tensors of a file.
        ///   - path: of the file, which errors name.
        /// - Throws: `GimbalError.invalidSetting` for a rule that fits none.
        package static func requireUse(of rules: [Self], in names: [String], path: String) throws {
            for rule in rules {
                let pattern = NamePattern(rule.pattern)
                try checkSetting(
                    names.contains { pattern.matches($0) }, "renames",
                    "no tensor fits '\(shown(rule.pattern))'; \(path) has \(listed(names))")
            }
        }

        /// Whether the pattern finds something for each wildcard of the name.
        package var hasWildcardsEnough: Bool {
            NamePattern(name ?? "").wildcardCount <= NamePattern(pattern).wildcardCount
        }
    }

    /// The learning rate of some parameters.
    public struct LayerRate: Codable, Sendable, Equatable {
        /// Of names in the model, as `NamePattern` reads it.
        public var pattern: String
        /// What the learning rate is multiplied by.
        public var factor: Double

        /// A rate of `factor` times the optimizer's for parameters whose name fits `pattern`.
        public init(_ pattern: String, _ factor: Double) { (self.pattern, self.factor) = (pattern, factor) }
    }

    /// Where the weights are: a file that `WeightFile` reads, a checkpoint, or the folder of a run, whose newest
    /// checkpoint is taken; nil begins with weights that are drawn.
    public var pretrained: String?
    /// What tensors of the file are called in the model, the first rule that fits; without any, a prefix that the file
    /// puts before the model's names is found and taken away.
    public var renames: [Renaming] = []
    /// Parameters that are not trained, by patterns of their names. Batch normalisation whose own parameters are among
    /// them keeps its running estimates as well, and normalises by them.
    public var frozen: [String] = []
    /// Learning rates of parameters by patterns of their names, the first that fits.
    public var layerRates: [LayerRate] = []

    /// Weights that training begins with, and what it may do to them.
    public init(
        pretrained: String? = nil, renames: [Renaming] = [], frozen: [String] = [], layerRates: [LayerRate] = []
    ) {
        self.pretrained = pretrained
        self.renames = renames
        self.frozen = frozen
        self.layerRates = layerRates
    }

    /// Checks each setting by itself.
    /// - Throws: `GimbalError.invalidSetting`.
    func validate() throws {
        try checkSetting(renames.isEmpty || pretrained != nil, "renames", "needs `pretrained`")
        for rule in renames {
            try checkSetting(
                rule.hasWildcardsEnough, "renames",
                "'\(shown(rule.name ?? ""))' has more wildcards than '\(shown(rule.pattern))'")
        }
        for rate in layerRates {
            try checkSetting(
                rate.factor >= 0 && rate.factor.isFinite, "layerRates",
                "the factor of '\(shown(rate.pattern))' must not be negative, not \(rate.factor)")
        }
    }
}

extension NameMap {
    /// What tensors are called by these rules, the first that fits.
    package init(_ renames: [FineTuning.Renaming]) {
        self.init(renames.map { (NamePattern($0.pattern), $0.name) })
    }
}

// MARK: First weights

extension FineTuning {
    /// What became of the weights that training begins with.
    struct Loading {
        /// Of every tensor of which the model took up all rows, and of those it took up none of.
        var report: LoadReport
        /// Names in the model of which some rows are the file's, and the others begin anew.
        var partial: [String] = []
        /// What is doubtful about them, in sentences.
        var notes: [String] = []
    }

    /// Loads the weights, where there are any to load. The layer that gives the outputs may have another shape in the
    /// file, for other classes; it then keeps the weights that it has. Where the weights are a run's, rows that stand for tokens
    /// or classes are taken by their names.
    /// - Parameters:
    ///   - model: has weights as they are drawn.
    ///   - head: the path of the layer that gives the outputs.
    ///   - data: what the model is to be trained on.
    /// - Returns: what became of every name; nil where there is nothing to load.
    /// - Throws: as `Module.load(from:mapping:isStrict:forgiving:)`, and `GimbalError.invalidSetting` in place of
    ///   `GimbalError.weightMismatch`.
    func load(into model: some Module, head: String, for data: DataRecord) throws -> Loading? {
        guard let pretrained else { return nil }
        let file = try WeightFile(path: try Self.file(of: pretrained))
        try Renaming.requireUse(of: renames, in: file.contents.map(\.name), path: file.path)
        let map =
            renames.isEmpty
            ? Self.map(of: file, to: model, head: head) : NameMap(renames)
        let headPattern = NamePattern("\(head).*")
        // Files of torchvision's first years count no batches.
        let forgiving = [headPattern, "*num_batches_tracked"]
        func load(_ weights: some StoredTensors) throws -> LoadReport {
            do {
                return try model.load(from: weights, mapping: map, forgiving: forgiving)
            } catch let error as GimbalError {
                guard case .weightMismatch = error else { throw error }
                throw GimbalError.invalidSetting(
                    name: "pretrained",
                    reason:
                        "\(error); give its tensors the model's names (`renames`), or train a model like the file's "
                        + "(`kind`, `hidden`)")
            }
        }
        let source = Self.record(besideFile: file.path)?.recipe.data
        var loading: Loading
        if let old = try source?.rowNames(), let new = try data.rowNames(), old != new {
            let named = [headPattern] + (data.text == nil ? [] : ["tokens", "sourceTokens", "targetTokens"])
            let rows = RowsByName(file, mapping: map, parameters: named, from: old, to: new)
            loading = Loading(report: try load(rows))
            loading.divide(rows.knownCount, of: new.count, named, data.text == nil ? "classes" : "tokens")
        } else {
            loading = Loading(report: try load(file))
        }
        if let note = source.flatMap(data.noteOnInputs) { loading.notes.append(note) }
        guard !loading.report.loaded.isEmpty || !loading.partial.isEmpty else {
            throw GimbalError.invalidFile(path: file.path, reason: "holds no weight that the model has")
        }
        return loading
    }

    /// The record of the run whose weights a file holds; nil for a file that no run of a recipe wrote.
    private static func record(besideFile path: String) -> RunRecord? {
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        // Another program may call a file of its own so.
        return (try? RunRecord.exists(in: folder)) == true ? try? RunRecord(path: folder) : nil
    }

    /// The file of weights that `path` stands for.
    private static func file(of path: String) throws -> String {
        guard isFolder(path) else { return path }
        guard let file = try ModelWeights.intactFile(in: path) else {
            throw GimbalError.invalidFile(
                path: path, reason: "it is a folder, and neither that of a run with a checkpoint nor a checkpoint")
        }
        return file
    }

    /// Takes away what stands before the model's names in the file, such as the `module.` of PyTorch's `DataParallel` or
    /// the `state_dict.` of a checkpoint, and leaves out what does not begin so. All parameters but those of the head must
    /// be there behind it; else names stay as they are.
    private static func map(of file: WeightFile, to model: some Module, head: String) -> NameMap {
        let wanted = Set(
            model.namedParameters.map(\.name).filter { !$0.hasPrefix(head + ".") }.map { ExactText($0) })
        var counts: [String: Int] = [:]
        for (name, _) in file.contents {
            // Every way to cut the name at a dot: one of them may leave a name in the model.
            var rest = name[...]
            while true {
                if wanted.contains(ExactText(String(rest))) {
                    counts[String(name.dropLast(rest.count)), default: 0] += 1
                }
                guard let dot = rest.firstIndex(of: ".") else { break }
                rest = rest[rest.index(after: dot)...]
            }
        }
        // A file may hold a model twice, such as beside its moving average: then the name is to be given.
        let complete = counts.filter { $0.value == wanted.count && !wanted.isEmpty }.map(\.key)
        guard complete.count == 1, let prefix = complete.first, !prefix.isEmpty else { return .identity }
        return NameMap([(NamePattern(prefix + "*"), "*"), ("*", nil)])
    }
}

extension FineTuning.Loading {
    /// Takes parameters that are not wholly the file's from those that were loaded.
    /// - Parameters:
    ///   - known: rows that the file has.
    ///   - count: rows of each.
    ///   - named: the parameters whose rows have names.
    ///   - what: what the rows stand for.
    fileprivate mutating func divide(_ known: Int, of count: Int, _ named: [NamePattern], _ what: String) {
        let rows = report.loaded.filter { name in named.contains { $0.matches(name) } }
        if known < count {
            report.loaded.removeAll { rows.contains($0) }
            if known == 0 { report.missing += rows } else { partial = rows }
        }
        guard !rows.isEmpty else { return }
        notes.append(
            "the weights were trained with other \(what), or in another order: \(known) of \(count) are taken by name"
                + (known < count ? ", the others begin anew" : ""))
    }
}

// MARK: What training may do

extension FineTuning {
    /// Takes the frozen parameters of `model` from training.
    /// - Throws: `GimbalError.invalidSetting` for a pattern that fits no parameter, and where none is left to train.
    func freeze(_ model: some Module) throws {
        for pattern in frozen {
            try requireParameter(pattern, in: model, name: "frozen")
            model.freeze(NamePattern(pattern))
        }
        for rate in layerRates { try requireParameter(rate.pattern, in: model, name: "layerRates") }
        try checkSetting(
            model.parameters.contains(where: \.isTrainable), "frozen",
            "every parameter is frozen: there is nothing to train")
        for case let norm as BatchNorm in model.modules {
            let own = [norm.weight, norm.bias].compactMap { $0 }
            norm.keepsRunningEstimates = !own.isEmpty && !own.contains(where: \.isTrainable)
        }
    }

    /// `groups` with the rates of their parameters.
    func rated(_ groups: [ParameterGroup]) -> [ParameterGroup] {
        guard !layerRates.isEmpty else { return groups }
        let rules = layerRates.map { (NamePattern($0.pattern), $0.factor, Double?.none) }
        return groups.flatMap { group in
            ParameterGroup.matching(rules, in: group.parameters).map { part in
                ParameterGroup(
                    part.parameters, learningRateScale: part.learningRateScale * group.learningRateScale,
                    weightDecay: group.weightDecay)
            }
        }
    }
}
