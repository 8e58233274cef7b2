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
                try enter(
                    heap.dictionaries[number].enumerated().map { ($1.key.spelled(on: heap) ?? "?\($0)", $1.value) })
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

extension PickleValue {
    /// As Python spells a key of a dictionary; nil for what has no short spelling.
    /// - Parameters:
    ///   - heap: where the items of a tuple are.
    ///   - depth: of tuples within tuples that are spelled.
    fileprivate func spelled(on heap: PickleHeap, depth: Int = 4) -> String? {
        switch self {
        case .bytes(let bytes):
            let text = bytes.map { byte in
                0x20..<0x7F ~= byte && byte != UInt8(ascii: "'") && byte != UInt8(ascii: "\\")
                    ? String(Unicode.Scalar(byte)) : "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
            return "b'\(text.joined())'"
        case .sequence(let number):
            let items = heap.sequences[number]
            let isShort = depth > 0 && items.count <= 16
            let texts = isShort ? items.compactMap { $0.spelled(on: heap, depth: depth - 1) } : []
            guard texts.count == items.count else { return nil }
            return texts.count == 1 ? "(\(texts[0]),)" : "(\(texts.joined(separator: ", ")))"
        case .other: return nil
        default: return description
        }
    }
}
