/// What became of every name when a model took up the weights of a file.
public struct LoadReport: Sendable, Equatable, Codable, CustomStringConvertible {
    /// What a tensor is called in the file, and in the model by the `NameMap`.
    public struct Renaming: Sendable, Equatable, Codable {
        /// The name that the file gives the tensor.
        public var inFile: String
        /// The name that the map gives the tensor, whether or not the model has it.
        public var inModel: String
    }

    /// Where the weights came from: the path of the file, or what else messages call their source.
    public var path: String
    /// Names in the model whose values are now those of the file.
    public var loaded: [String] = []
    /// Names in the model that the file does not have; they keep their values.
    public var missing: [String] = []
    /// Names in the file that the model does not have.
    public var unexpected: [String] = []
    /// Names that both have in different shapes, with the shapes; the model keeps its values.
    public var misshaped: [String] = []
    /// Names that both have and whose numbers cannot be read, with the reasons; the model keeps its values.
    public var unreadable: [String] = []
    /// Tensors that the map gave another name, whether or not they were loaded.
    public var renamed: [Renaming] = []
    /// Names in the file that the map leaves out.
    public var leftOut: [String] = []

    public var description: String {
        let count = loaded.count + missing.count + misshaped.count + unreadable.count
        var lines = ["\(path): \(loaded.count) of \(count) tensors loaded"]
        let lists: [(String, [String])] = [
            ("missing in the file", missing), ("unexpected in the file", unexpected),
            ("of another shape", misshaped), ("not read", unreadable),
            ("renamed", renamed.map { "\($0.inFile) → \($0.inModel)" }),
            ("left out", leftOut),
        ]
        for (title, names) in lists where !names.isEmpty {
            lines.append("  \(title) (\(names.count)):")
            lines += names.map { "    \($0)" }
        }
        return lines.joined(separator: "\n")
    }
}
