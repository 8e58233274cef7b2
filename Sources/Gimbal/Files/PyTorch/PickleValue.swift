/// What a pickle holds.
enum PickleValue {
    case none
    case truth(Bool)
    case integer(Int)
    case number(Double)
    case text(String)
    case bytes([UInt8])
    /// A tuple, a list or a set, whose items the heap has under this number.
    case sequence(Int)
    /// A dictionary, whose pairs the heap has under this number.
    case dictionary(Int)
    /// A class or a function of Python by its name. It stands for itself; nothing is ever called.
    case global(PickleGlobal)
    /// What `torch.save` puts in place of a tensor's memory.
    indirect case storage(PyTorchStorage)
    indirect case tensor(PyTorchTensor)
    /// A tensor of a kind that is not read, such as a sparse one.
    case unreadTensor(String)
    /// Data of another kind, such as a date, that no weights are in.
    case other(String)
}

/// The containers of a pickle, by number: they may hold each other, themselves, and a million deep, and are given up one by
/// one all the same.
final class PickleHeap {
    private(set) var sequences: [[PickleValue]] = []
    private(set) var dictionaries: [[(key: PickleValue, value: PickleValue)]] = []

    func sequence(_ items: [PickleValue] = []) -> PickleValue {
        sequences.append(items)
        return .sequence(sequences.count - 1)
    }

    func dictionary(_ pairs: [(key: PickleValue, value: PickleValue)] = []) -> PickleValue {
        dictionaries.append(pairs)
        return .dictionary(dictionaries.count - 1)
    }

    func append(_ items: [PickleValue], to number: Int) { sequences[number] += items }

    func append(_ pairs: [(key: PickleValue, value: PickleValue)], to number: Int) { dictionaries[number] += pairs }

    /// The items of a sequence of whole numbers; nil where it is none.
    func integers(_ value: PickleValue) -> [Int]? {
        guard case .sequence(let number) = value else { return nil }
        let found = sequences[number].compactMap(\.asInteger)
        return found.count == sequences[number].count ? found : nil
    }
}

struct PickleGlobal: Hashable, CustomStringConvertible {
    let module: String
    let name: String

    /// - Parameter module: as Python 3 calls it, or as Python 2 did, whose names old protocols have.
    init(module: String, name: String) {
        self.module = module == "__builtin__" ? "builtins" : module
        self.name = name
    }

    var description: String { "\(module).\(name)" }
}

extension PickleValue {
    /// As `gimbal inspect` prints it; nil for what holds others, and for tensors.
    var description: String? {
        switch self {
        case .none: "None"
        case .truth(let value): value ? "True" : "False"
        case .integer(let value): "\(value)"
        case .number(let value): "\(value)"
        case .text(let text): text
        case .bytes(let bytes): "\(bytes.count) bytes"
        case .global(let global): "\(global)"
        case .other(let kind): kind
        case .sequence, .dictionary, .storage, .tensor, .unreadTensor: nil
        }
    }

    var asInteger: Int? { if case .integer(let value) = self { value } else { nil } }
    var asText: String? { if case .text(let text) = self { text } else { nil } }
}
