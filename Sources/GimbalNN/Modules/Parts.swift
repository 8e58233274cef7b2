// Finding the parts of a module in its stored properties.

extension Module {
    /// The parts in the stored properties, those of superclasses first.
    final var reflectedParts: [ModulePart] {
        var levels: [Mirror] = []
        var mirror: Mirror? = Mirror(reflecting: self)
        while let level = mirror, level.subjectType != Module.self {
            levels.append(level)
            mirror = level.superclassMirror
        }
        var given = type(of: self).partNames
        var finder = PartFinder()
        for child in levels.reversed().lazy.flatMap(\.children) {
            guard let label = child.label.map(propertyName) else { continue }
            finder.find(in: child.value, name: given.removeValue(forKey: label) ?? snakeCase(label))
        }
        require(
            given.isEmpty, "\(type(of: self))",
            "partNames has names for \(given.keys.sorted().joined(separator: ", ")), which are no stored properties")
        for name in finder.weightLikeTensors {
            warn(
                of: name,
                "is a Tensor, which is neither trained, saved nor moved with its model; make it a Parameter or a Buffer"
            )
        }
        for (name, type) in finder.objectsWithParts {
            warn(
                of: name,
                "is a \(type), whose parts are neither trained, saved nor moved with the model; make it a Module")
        }
        return finder.parts
    }

    private func warn(of name: String, _ fault: String) {
        guard propertiesWarnedOf.insert(name).inserted else { return }
        Warnings.say("\(type(of: self)).\(name) \(fault)")
    }
}

private struct PartFinder {
    var parts: [ModulePart] = []
    /// Names of tensors of real numbers that no operation made.
    var weightLikeTensors: [String] = []
    /// Names and types of objects that are no modules but hold parts.
    var objectsWithParts: [(name: String, type: Any.Type)] = []

    /// Adds the parts held by `value`: itself, or what an optional, a collection, a tuple, a struct or a case of an enum holds.
    mutating func find(in value: Any, name: String) {
        switch value {
        case let parameter as Parameter: parts.append(.parameter(name, parameter))
        case let buffer as Buffer: parts.append(.buffer(name, buffer))
        case let counter as Counter: parts.append(.counter(name, counter))
        case let module as Module: parts.append(.module(name, module))
        case let tensor as Tensor:
            if tensor.looksLikeWeight { weightLikeTensors.append(name) }
        case let collection as any HomogeneousCollection where collection.isPlain: break
        // It has no parts, and a thread of its own may be changing what it holds.
        case is any GradientExchange: break
        default: findInside(value, name)
        }
    }

    private mutating func findInside(_ value: Any, _ name: String) {
        let mirror = Mirror(reflecting: value)
        switch mirror.displayStyle {
        case .optional:
            if let wrapped = mirror.children.first { find(in: wrapped.value, name: name) }
        case .collection:
            for (index, child) in mirror.children.enumerated() { find(in: child.value, name: "\(name).\(index)") }
        case .dictionary:
            // In the order of their keys, so that it is the same in every run.
            let entries = mirror.children.map { entry in
                let pair = [Any](Mirror(reflecting: entry.value).children.map(\.value))
                return (key: pair[0], value: pair[1])
            }
            let isNumbered = entries.allSatisfy { $0.key is Int }
            let sorted = entries.sorted { first, second in
                if isNumbered, let first = first.key as? Int, let second = second.key as? Int { return first < second }
                return "\(first.key)" < "\(second.key)"
            }
            for (key, value) in sorted { find(in: value, name: "\(name).\(key)") }
        case .tuple, .struct:
            for child in mirror.children {
                // The unlabelled elements of a tuple are called .0, .1 and so on.
                let label = (child.label ?? "").drop { $0 == "." }
                find(in: child.value, name: "\(name).\(snakeCase(propertyName(String(label))))")
            }
        case .enum:
            // One value, or a tuple of several, under the name of the case.
            if let held = mirror.children.first, let label = held.label {
                find(in: held.value, name: "\(name).\(snakeCase(label))")
            }
        case .class, .set:
            // Objects may refer to one another in circles: looked into no deeper than this.
            if mirror.children.contains(where: { $0.value is Parameter || $0.value is Module || $0.value is Buffer }) {
                objectsWithParts.append((name, mirror.subjectType))
            }
        default: break
        }
    }
}

extension Tensor {
    /// Whether this may be a weight that someone forgot to make a parameter: real numbers, not computed from others.
    fileprivate var looksLikeWeight: Bool {
        dtype.isFloatingPoint && rank > 0 && elementCount > 0 && (node?.isLeaf ?? true)
    }
}

/// Whether values of this type are numbers or texts, and so hold no parts.
func isPlain(_ type: Any.Type) -> Bool {
    type is any Numeric.Type || type is any StringProtocol.Type || type == Bool.self || type == Character.self
}

/// The collections in `value` that may hold parts: itself, or those in an optional, a tuple, a struct or an enum.
func collectionsWithParts(in value: Any) -> [Any] {
    if value is Tensor { return [] }
    if let collection = value as? any HomogeneousCollection, collection.isPlain { return [] }
    let mirror = Mirror(reflecting: value)
    switch mirror.displayStyle {
    case .collection, .dictionary: return [value]
    case .optional, .tuple, .struct, .enum: return mirror.children.flatMap { collectionsWithParts(in: $0.value) }
    default: return []
    }
}

/// A collection that says what its elements are.
private protocol HomogeneousCollection { static var elementType: Any.Type { get } }

extension HomogeneousCollection {
    /// Whether elements hold no parts, so that a table of a million numbers need not be looked through.
    fileprivate var isPlain: Bool { GimbalNN.isPlain(Self.elementType) }
}

extension Array: HomogeneousCollection { fileprivate static var elementType: Any.Type { Element.self } }
extension ContiguousArray: HomogeneousCollection { fileprivate static var elementType: Any.Type { Element.self } }

/// The property behind the label of a stored one: `fc` of `$__lazy_storage_$_fc` and of `_fc`.
private func propertyName(_ label: String) -> String {
    let lazyPrefix = "$__lazy_storage_$_"
    let name = label.hasPrefix(lazyPrefix) ? label.dropFirst(lazyPrefix.count) : label[...]
    return String(name.drop { $0 == "_" })
}

/// `inputWeight` becomes `input_weight`.
private func snakeCase(_ name: String) -> String {
    name.reduce(into: "") { result, character in
        if character.isUppercase { result += "_" }
        result += character.lowercased()
    }
}
