/// The layers that the current task is inside of, outermost first. Error messages and diagnoses name it.
public enum LayerPath {
    final class Link: Sendable {
        let name: String
        let parent: Link?
        init(name: String, parent: Link?) {
            self.name = name
            self.parent = parent
        }
    }

    @TaskLocal static var innermost: Link?

    /// Dotted path such as `blocks.3.fc1`, empty outside every layer.
    public static var current: String {
        var names: [String] = []
        var link = innermost
        while let here = link {
            names.append(here.name)
            link = here.parent
        }
        return names.reversed().joined(separator: ".")
    }

    /// Runs `body` one layer deeper.
    public static func entering<Result>(_ name: String, _ body: () throws -> Result) rethrows -> Result {
        try $innermost.withValue(Link(name: name, parent: innermost), operation: body)
    }
}

/// Ends the program over a programming mistake: shapes that do not fit, an index out of range.
///
/// The message names the operation, what is wrong, and the layer it happened in.
public func stop(_ operation: String, _ reason: String, file: StaticString = #fileID, line: UInt = #line) -> Never {
    let path = LayerPath.current
    fatalError("\(operation): \(reason)" + (path.isEmpty ? "" : " (in layer \(path))"), file: file, line: line)
}

/// Stops the program with `reason` unless `condition` holds.
@inlinable
public func require(
    _ condition: Bool, _ operation: @autoclosure () -> String, _ reason: @autoclosure () -> String,
    file: StaticString = #fileID, line: UInt = #line
) {
    if !condition { stop(operation(), reason(), file: file, line: line) }
}
