/// A reader, and what it is given.
struct Target: Sendable {
    /// As `Scripts/fuzz` takes it.
    let name: String
    /// Reads an input.
    /// - Throws: what the reader throws.
    let read: @Sendable (Input) throws -> Void

    init(_ name: String, _ read: @escaping @Sendable (Input) throws -> Void) {
        self.name = name
        self.read = read
    }

    /// All there are, in the order in which they are run.
    static let all = weightFiles + dataFiles + textFiles + runFiles
}
