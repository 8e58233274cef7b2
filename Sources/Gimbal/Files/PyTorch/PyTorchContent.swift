import GimbalBackend

/// The tensors within dictionaries and lists, each by the names on the way to it, and what else lies there.
struct PyTorchContent {
    private(set) var tensors: [(name: String, tensor: PyTorchTensor)] = []
    private(set) var values: [(name: String, value: String)] = []
    /// Tensors that are not read, and why.
    private(set) var unread: [(name: String, reason: String)] = []

    /// A pickle may hold a list within itself, or one list a million times over.
    private static let depthLimit = 64
    private static let visitLimit = 5_000_000
    private static let nameLimit = 4096

    init(of root: PickleValue, on heap: PickleHeap, _ invalid: (String) -> GimbalError) throws {
        var pending = [(name: "", value: root, depth: 0)]
        var visits = 0
        while let (name, value, depth) = pending.popLast() {
            visits += 1
            guard visits <= Self.visitLimit, depth <= Self.depthLimit else {
                throw invalid("its dictionaries and lists hold each other without end")
            }
            func enter(_ children: [(name: String, value: PickleValue)]) throws {
                for child in children.reversed() {
                    let path = depth == 0 ? child.name : "\(name).\(child.name)"
                    guard path.utf8.count <= Self.nameLimit else { throw invalid("a name in it is longer than any") }
                    pending.append((path, child.value, depth + 1))
                }
            }
            switch value {
            case .dictionary(let number):
                try enter(heap.dictionaries[number].map { ($0.key.description ?? "?", $0.value) })
            case .sequence(let number):
                let items = heap.sequences[number]
                let isPlain = items.allSatisfy { $0.description != nil }
                if isPlain, items.count > 8 {
                    values.append((name, "\(items.count) items"))
                } else if isPlain {
                    values.append((name, "[\(items.compactMap(\.description).joined(separator: ", "))]"))
                } else {
                    try enter(items.enumerated().map { ("\($0)", $1) })
                }
            case .tensor(let tensor): tensors.append((depth == 0 ? "tensor" : name, tensor))
            case .unreadTensor(let kind):
                unread.append((depth == 0 ? "tensor" : name, "\(kind), which Gimbal does not read"))
            case .storage: break
            default: values.append((name, value.description ?? ""))
            }
        }
    }
}
