/// Where a layer stands in its model.
package final class LayerPlace: @unchecked Sendable {
    /// Dotted path from the model's root, such as `blocks.3.fc1`; empty for the root itself.
    package let path: String
    /// The module that the path begins at. Never changed, and weak references may be read by any thread.
    package private(set) weak var root: AnyObject?

    /// The layer's type.
    package let type: Any.Type

    package init(path: String, type: Any.Type, root: AnyObject?) {
        self.path = path
        self.type = type
        self.root = root
    }
}

/// The layer that the current task is inside of. Error messages and diagnoses name it.
package enum LayerPath {
    @TaskLocal package static var innermost: LayerPlace?
    /// Set while a backward pass runs.
    @TaskLocal package static var backward: BackwardPlace?

    /// In a backward pass, the layer whose operation is being differentiated.
    package final class BackwardPlace: @unchecked Sendable {
        /// A pass runs on one task, which alone reads and writes it.
        package var place: LayerPlace?
        package init() {}
    }

    package static var place: LayerPlace? { innermost ?? backward?.place }

    /// Dotted path such as `blocks.3.fc1`, empty outside every layer.
    package static var current: String { place?.path ?? "" }

    /// For messages, such as "layer blocks.3.fc1: Linear"; nil outside every layer.
    static var words: String? {
        place.map { $0.path.isEmpty ? "\($0.type)" : "layer \($0.path): \($0.type)" }
    }
}

/// Ends the program over a programming mistake: shapes that do not fit, an index out of range.
///
/// The message names the operation, what is wrong, and the layer it happened in.
public func stop(_ operation: String, _ reason: String, file: StaticString = #fileID, line: UInt = #line) -> Never {
    let place = LayerPath.words.map { " (in \($0))" } ?? ""
    fatalError("\(operation): \(reason)" + place, file: file, line: line)
}

/// Stops the program with `reason` unless `condition` holds.
@inlinable
public func require(
    _ condition: Bool, _ operation: @autoclosure () -> String, _ reason: @autoclosure () -> String,
    file: StaticString = #fileID, line: UInt = #line
) {
    if !condition { stop(operation(), reason(), file: file, line: line) }
}
