/// How names and shapes that were saved fit those that are wanted.
package struct NameMatch {
    /// Wanted, and not saved.
    package var missing: [String] = []
    /// Saved, and not wanted.
    package var unexpected: [String] = []
    /// Both, with different shapes.
    package var misshaped: [String] = []

    package init(missing: [String] = [], unexpected: [String] = [], misshaped: [String] = []) {
        (self.missing, self.unexpected, self.misshaped) = (missing, unexpected, misshaped)
    }

    package init(saved: [(name: String, shape: Shape)], wanted: [(name: String, shape: Shape)]) {
        let shapes = Dictionary(saved.map { (ExactText($0.name), $0.shape) }) { first, _ in first }
        let names = Set(wanted.map { ExactText($0.name) })
        missing = wanted.map(\.name).filter { shapes[ExactText($0)] == nil }
        unexpected = shapes.keys.filter { !names.contains($0) }.sorted().map(\.text)
        misshaped = wanted.filter { name, shape in shapes[ExactText(name)].map { $0 != shape } ?? false }.map(\.name)
    }

    /// - Parameter path: the file, or what else was saved.
    /// - Throws: `GimbalError.weightMismatch` where anything does not fit.
    package func check(_ path: String) throws {
        guard missing.isEmpty && unexpected.isEmpty && misshaped.isEmpty else {
            throw GimbalError.weightMismatch(
                path: path, missing: missing, unexpected: unexpected, misshaped: misshaped)
        }
    }
}
