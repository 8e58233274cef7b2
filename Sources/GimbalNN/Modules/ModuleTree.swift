/// What was found below a module, the root of the tree.
final class ModuleTree {
    /// Every part by its path from the root, in order; one that is in several places is there several times.
    private(set) var parts: [(path: String, part: ModulePart)] = []
    /// Every module below the root once, by the first of its paths.
    private(set) var modules: [(path: String, module: Module)] = []
    /// Every parameter once, and the first of its paths.
    private(set) var parameters: [Parameter] = []
    private(set) var parameterPaths: [String] = []
    /// For each parameter, the module that holds it and its name there.
    private var owners: [(module: Module?, name: String)] = []
    /// Of the root and of each module below it.
    private var snapshots: [PropertySnapshot] = []
    private unowned let root: Module

    /// Looks at every property below `root`, and names what it finds.
    init(of root: Module) {
        self.root = root
        var seen: Set<ObjectIdentifier> = []
        var open: Set<ObjectIdentifier> = [ObjectIdentifier(root)]
        snapshots.append(PropertySnapshot(of: root))
        walk(root, "", &seen, &open)
        name()
    }

    private func walk(
        _ module: Module, _ path: String, _ seen: inout Set<ObjectIdentifier>, _ open: inout Set<ObjectIdentifier>
    ) {
        for part in module.parts {
            let full = path.joined(to: part.name)
            switch part {
            case .module(_, let inner):
                // One that holds itself, such as a weak reference to a parent, would have no end.
                guard open.insert(ObjectIdentifier(inner)).inserted else { continue }
                parts.append((full, part))
                if seen.insert(ObjectIdentifier(inner)).inserted {
                    modules.append((full, inner))
                    snapshots.append(PropertySnapshot(of: inner))
                }
                walk(inner, full, &seen, &open)
                open.remove(ObjectIdentifier(inner))
            case .parameter(let name, let parameter):
                parts.append((full, part))
                guard seen.insert(ObjectIdentifier(parameter)).inserted else { continue }
                parameters.append(parameter)
                parameterPaths.append(full)
                // The root is not held, or it would hold itself by way of this tree.
                owners.append((module === root ? nil : module, name))
            case .buffer, .counter: parts.append((full, part))
            }
        }
    }

    /// Whether all modules have the properties that they were found with.
    var isCurrent: Bool { snapshots.allSatisfy(\.isCurrent) }

    /// Gives modules their places, and parameters their names.
    ///
    /// The names are those in the largest model: where the root is part of one, what it has named keeps its name, and what
    /// is new is named as it stands there. A module that belongs to another model, of which the root is no part, keeps its
    /// name too.
    private func name() {
        var (top, prefix) = (root, "")
        if let place = root.place, let larger = place.root as? Module, larger !== root {
            (top, prefix) = (larger, place.path)
        } else {
            root.place = LayerPlace(path: "", type: type(of: root), root: root)
        }
        let members = Set(modules.map { ObjectIdentifier($0.module) })
        var renamed: Set<ObjectIdentifier> = top === root ? [ObjectIdentifier(root)] : []
        for (path, module) in modules {
            let full = prefix.joined(to: path)
            if let known = module.place?.root {
                let isOwn = known === top && top === root
                guard isOwn || members.contains(ObjectIdentifier(known)) else { continue }
            }
            renamed.insert(ObjectIdentifier(module))
            if module.place?.path != full || module.place?.root !== top {
                module.place = LayerPlace(path: full, type: type(of: module), root: top)
            }
        }
        for ((owner, name), parameter) in zip(owners, parameters) {
            let owner = owner ?? root
            guard renamed.contains(ObjectIdentifier(owner)) || parameter.isUnnamed else { continue }
            parameter.name = (owner.place?.path ?? "").joined(to: name)
        }
    }
}

extension Module {
    /// What is below this module, looked for again where a property has changed.
    final var tree: ModuleTree {
        if let foundTree, foundTree.isCurrent { return foundTree }
        let found = ModuleTree(of: self)
        foundTree = found
        return found
    }
}

extension String {
    /// `a.b`, or the one that is not empty.
    func joined(to name: String) -> String { isEmpty ? name : name.isEmpty ? self : self + "." + name }
}
