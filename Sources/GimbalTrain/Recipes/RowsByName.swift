import Gimbal
import GimbalNN

/// Weights of another run, with the rows that stand for tokens or classes put where this run has those of the same name.
///
/// A row that the other run has no name for keeps the value that the model has.
struct RowsByName: StoredTensors {
    private let file: WeightFile
    private let mapping: NameMap
    /// Of the parameters whose rows have names, such as an embedding.
    private let parameters: [NamePattern]
    /// For each row of the model that in the file; nil for one that is not there.
    private let rows: [Int?]
    /// How many rows the file has.
    private let sourceCount: Int

    /// - Parameters:
    ///   - file: the weights of the other run.
    ///   - mapping: what the file's tensors are called in the model.
    ///   - parameters: those in the model whose rows have names.
    ///   - source: the names of the file's rows; of equal ones the first counts.
    ///   - target: those of the model's.
    init<Name: Hashable>(
        _ file: WeightFile, mapping: NameMap, parameters: [NamePattern], from source: [Name], to target: [Name]
    ) {
        let places = Dictionary(zip(source, 0...)) { first, _ in first }
        (self.file, self.mapping, self.parameters) = (file, mapping, parameters)
        rows = target.map { places[$0] }
        sourceCount = source.count
    }

    /// Rows that the file has.
    var knownCount: Int { rows.count { $0 != nil } }

    var path: String { file.path }
    var unreadable: [(name: String, reason: String)] { file.unreadable }

    var contents: [(name: String, shape: Shape)] {
        file.contents.map { name, shape in
            hasNamedRows(name, shape) ? (name, Shape([rows.count] + shape.sizes.dropFirst())) : (name, shape)
        }
    }

    func tensor(named name: String, like model: Tensor) throws -> Tensor {
        guard let shape = file.contents.first(where: { $0.name == name })?.shape, hasNamedRows(name, shape) else {
            return try file.tensor(named: name, like: model)
        }
        let found = try file.tensor(named: name, like: .zeros(shape, dtype: model.dtype, device: model.device))
        let places = zip(0..., rows).map { Int32($1 ?? sourceCount + $0) }
        return withoutGradients {
            Tensor.concatenated([found, model.detached()])
                .gathered(Tensor(places, [places.count], device: model.device))
        }
    }

    func integer(named name: String) throws -> Int { try file.integer(named: name) }

    private func hasNamedRows(_ name: String, _ shape: Shape) -> Bool {
        guard shape.rank > 0, shape[0] == sourceCount, let target = mapping.name(for: name) else { return false }
        return parameters.contains { $0.matches(target) }
    }
}

// MARK: What two runs call their rows and inputs

extension DataRecord {
    /// What a row of an embedding or of the layer that gives the outputs stands for.
    enum RowName: Hashable {
        case token(bytes: [UInt8], isSpecial: Bool)
        case classNamed(ExactText)
    }

    /// The names of the model's rows in their order; nil where they have none, as those of numbers.
    /// - Throws: `GimbalError.invalidFile` for a tokenizer that is damaged.
    func rowNames() throws -> [RowName]? {
        if let text {
            let tokenizer = try text.makeTokenizer()
            let special = Set(tokenizer.specialTokens.map(\.number))
            return (0..<Int32(tokenizer.count)).map {
                .token(bytes: tokenizer.bytes(of: $0, after: nil), isSpecial: special.contains($0))
            }
        }
        return classNames.isEmpty ? nil : classNames.map { .classNamed(ExactText($0)) }
    }

    /// The names of the numbers that a model takes in, in their order; nil where they have none.
    private var inputNames: [String]? { table?.schema.featureNames ?? series?.columns }

    /// What is to be said where a model that took in the columns of `source` is given those of this data.
    func noteOnInputs(from source: DataRecord) -> String? {
        guard let new = inputNames, let old = source.inputNames else { return nil }
        let pairs = zip(new, old).enumerated().filter { ExactText($1.0) != ExactText($1.1) }
        guard let first = pairs.first else { return nil }
        let (now, before) = (shown(first.element.0), shown(first.element.1))
        return "the weights were trained on other columns, or in another order: they see \(now) where they saw "
            + before
            + (pairs.count == 1 ? "" : ", and so on in \(pairs.count) of \(new.count) inputs")
    }
}
