extension Layer {
    /// The tree of modules with the shape that each gave out when the whole was run once on `input`, and its number of
    /// parameters.
    ///
    /// ```swift
    /// print(model.summary(of: batch.inputs))
    /// ```
    /// The pass runs in evaluation mode, without gradients, and changes no state. A module that is not called, or only by a
    /// way that is not a call, shows no shape.
    public func summary(of input: Input) -> String {
        var shapes: [ObjectIdentifier: String] = [:]
        evaluating {
            withoutGradients {
                withObserver(after: { call in
                    let key = ObjectIdentifier(call.module)
                    // The first, where a module is called several times.
                    if shapes[key] == nil { shapes[key] = call.outputs.map { "\($0.shape)" }.joined(separator: ", ") }
                }) { _ = self(input) }
            }
        }
        return treeDescription { shapes[ObjectIdentifier($0)] ?? "" }
    }
}

extension Module {
    /// A line for each module: its signature, what `shape` says, and its number of parameters.
    func treeDescription(_ shape: (Module) -> String) -> String {
        let rows = rows(name: "", depth: 0, shape)
        if rows.count == 1 && rows[0].shape.isEmpty { return rows[0].title }
        let widths = (
            rows.map(\.title.count).max() ?? 0, rows.map(\.shape.count).max() ?? 0, rows.map(\.count.count).max() ?? 0
        )
        let lines = rows.map { row in
            var line = row.title.padded(to: widths.0) + "  "
            if widths.1 > 0 { line += row.shape.padded(to: widths.1) + "  " }
            return line + String(repeating: " ", count: widths.2 - row.count.count) + row.count
        }
        let bytes = parameters.reduce(0) { $0 + $1.elementCount * $1.weights.dtype.byteCount }
        return (lines + ["\(parameterCount.grouped) parameters, \(bytes.grouped) bytes"]).joined(separator: "\n")
    }

    private func rows(
        name: String, depth: Int, _ shape: (Module) -> String
    ) -> [(title: String, shape: String, count: String)] {
        let indent = String(repeating: "  ", count: depth) + (name.isEmpty ? "" : name + ": ")
        var rows = [(title: indent + signature, shape: shape(self), count: parameterCount.grouped)]
        for case .module(let name, let module) in parts where depth < 100 {
            rows += module.rows(name: name, depth: depth + 1, shape)
        }
        return rows
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String {
        self + String(repeating: " ", count: Swift.max(0, width - count))
    }
}

extension Int {
    /// With a comma between groups of three digits.
    package var grouped: String {
        var text = ""
        for (index, digit) in String(magnitude).reversed().enumerated() {
            if index > 0 && index % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return (self < 0 ? "-" : "") + String(text.reversed())
    }
}
