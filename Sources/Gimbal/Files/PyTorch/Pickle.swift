import GimbalBackend

/// Reads what Python's `pickle` wrote, of protocol 2 to 5, as data: a stack machine without anything that could be called
/// (CPython, Lib/pickletools.py).
///
/// A pickle is a program that names functions of Python and calls them. Of those, `PyTorchGlobals` knows the few that put
/// tensors together, by what they make; any other is refused where it is named.
struct Pickle {
    /// Makes what a persistent number stands for.
    typealias PersistentLoad = (_ number: PickleValue) throws -> PickleValue

    /// No state dictionary of a hundred thousand tensors takes as many.
    private static let instructionLimit = 50_000_000

    private let source: PickleSource
    private let persistent: PersistentLoad
    private let heap: PickleHeap
    private var stack: [PickleValue] = []
    /// Where in the stack the marks lie.
    private var marks: [Int] = []
    private var memo: [Int: PickleValue] = [:]

    /// The next object that `source` holds; its containers are put on `heap`.
    /// - Throws: `GimbalError.invalidFile` where it is damaged, or more than data.
    static func value(
        from source: PickleSource, heap: PickleHeap, persistent: @escaping PersistentLoad = { _ in .none }
    ) throws -> PickleValue {
        var pickle = Pickle(source: source, heap: heap, persistent: persistent)
        return try pickle.run()
    }

    private init(source: PickleSource, heap: PickleHeap, persistent: @escaping PersistentLoad) {
        self.source = source
        self.heap = heap
        self.persistent = persistent
    }

    private mutating func run() throws -> PickleValue {
        for _ in 0..<Self.instructionLimit {
            let place = source.place
            let code = try source.byte()
            if code == UInt8(ascii: ".") { return try pop() }
            guard try step(code) else {
                throw invalid("what Python pickled in it is damaged: no instruction \(code) at byte \(place)")
            }
        }
        throw invalid("what Python pickled in it has more than \(Self.instructionLimit) instructions")
    }

    /// - Returns: false for an instruction that there is not.
    private mutating func step(_ code: UInt8) throws -> Bool {
        switch code {
        // Frames and the version tell nothing that is needed.
        case 0x80: _ = try source.byte()
        case 0x95: _ = try source.bytes(8)
        case UInt8(ascii: "("): marks.append(stack.count)
        case UInt8(ascii: "0"): _ = try pop()
        case UInt8(ascii: "1"): _ = try popToMark()
        case UInt8(ascii: "2"): stack.append(try top())

        case UInt8(ascii: "N"): stack.append(.none)
        case 0x88: stack.append(.truth(true))
        case 0x89: stack.append(.truth(false))
        case UInt8(ascii: "J"): stack.append(.integer(Int(try source.number(Int32.self))))
        case UInt8(ascii: "K"): stack.append(.integer(Int(try source.byte())))
        case UInt8(ascii: "M"): stack.append(.integer(Int(try source.number(UInt16.self))))
        case 0x8A: stack.append(Self.integer(try source.counted(by: UInt8.self)))
        case 0x8B: stack.append(Self.integer(try source.counted(by: Int32.self)))
        case UInt8(ascii: "G"):
            stack.append(.number(Double(bitPattern: try source.number(UInt64.self).byteSwapped)))
        case UInt8(ascii: "X"): stack.append(.text(try text(source.counted(by: UInt32.self))))
        case 0x8C: stack.append(.text(try text(source.counted(by: UInt8.self))))
        case 0x8D: stack.append(.text(try text(source.counted(by: UInt64.self))))
        // Texts of Python 2 are bytes in whatever encoding; names of weights are ASCII.
        case UInt8(ascii: "U"): stack.append(.text(String(decoding: try source.counted(by: UInt8.self), as: UTF8.self)))
        case UInt8(ascii: "T"): stack.append(.text(String(decoding: try source.counted(by: Int32.self), as: UTF8.self)))
        case UInt8(ascii: "C"): stack.append(.bytes(try source.counted(by: UInt8.self)))
        case UInt8(ascii: "B"): stack.append(.bytes(try source.counted(by: UInt32.self)))
        case 0x8E, 0x96: stack.append(.bytes(try source.counted(by: UInt64.self)))

        case UInt8(ascii: ")"): stack.append(heap.sequence())
        case 0x85...0x87:
            let count = Int(code - 0x84)
            guard stack.count - (marks.last ?? 0) >= count else { throw damaged() }
            let items = Array(stack.suffix(count))
            stack.removeLast(count)
            stack.append(heap.sequence(items))
        // A list and a set are filled later, a tuple and a frozen set are not.
        case UInt8(ascii: "]"), 0x8F: stack.append(heap.sequence())
        case UInt8(ascii: "l"), UInt8(ascii: "t"), 0x91: stack.append(heap.sequence(try popToMark()))
        // Items are taken off before the container below them is looked for.
        case UInt8(ascii: "a"):
            let item = try pop()
            try extend(with: [item])
        case UInt8(ascii: "e"), 0x90:
            let items = try popToMark()
            try extend(with: items)
        case UInt8(ascii: "}"): stack.append(heap.dictionary())
        case UInt8(ascii: "d"): stack.append(heap.dictionary(try pairs(try popToMark())))
        case UInt8(ascii: "s"):
            let value = try pop()
            let key = try pop()
            try set([key, value])
        case UInt8(ascii: "u"):
            let items = try popToMark()
            try set(items)

        case UInt8(ascii: "q"): memo[Int(try source.byte())] = try top()
        case UInt8(ascii: "r"): memo[Int(try source.number(UInt32.self))] = try top()
        case 0x94: memo[memo.count] = try top()
        case UInt8(ascii: "h"): stack.append(try remembered(Int(try source.byte())))
        case UInt8(ascii: "j"): stack.append(try remembered(Int(try source.number(UInt32.self))))

        case UInt8(ascii: "c"):
            let module = try source.line()
            stack.append(try named(module, try source.line()))
        case 0x93:
            guard let name = try pop().asText, let module = try pop().asText else { throw damaged() }
            stack.append(try named(module, name))
        case UInt8(ascii: "R"), 0x81:
            guard case .sequence(let number) = try pop(), case .global(let global) = try pop() else { throw damaged() }
            stack.append(try PyTorchGlobals.made(by: global, of: heap.sequences[number], on: heap, invalid))
        case UInt8(ascii: "b"):
            let state = try pop()
            PyTorchGlobals.give(state, to: try top(), on: heap)
        case UInt8(ascii: "Q"): stack.append(try persistent(try pop()))
        default: return false
        }
        return true
    }

    // MARK: The stack

    private mutating func pop() throws -> PickleValue {
        guard stack.count > marks.last ?? 0, let value = stack.popLast() else { throw damaged() }
        return value
    }

    private func top() throws -> PickleValue {
        guard stack.count > marks.last ?? 0, let value = stack.last else { throw damaged() }
        return value
    }

    private mutating func popToMark() throws -> [PickleValue] {
        guard let mark = marks.popLast(), mark <= stack.count else { throw damaged() }
        defer { stack.removeLast(stack.count - mark) }
        return Array(stack[mark...])
    }

    private func remembered(_ number: Int) throws -> PickleValue {
        guard let value = memo[number] else { throw damaged() }
        return value
    }

    private func extend(with items: [PickleValue]) throws {
        guard case .sequence(let number) = try top() else { throw damaged() }
        heap.append(items, to: number)
    }

    private func set(_ items: [PickleValue]) throws {
        guard case .dictionary(let number) = try top() else { throw damaged() }
        heap.append(try pairs(items), to: number)
    }

    private func pairs(_ items: [PickleValue]) throws -> [(key: PickleValue, value: PickleValue)] {
        guard items.count.isMultiple(of: 2) else { throw damaged() }
        return stride(from: 0, to: items.count, by: 2).map { (items[$0], items[$0 + 1]) }
    }

    // MARK: Values

    private func named(_ module: String, _ name: String) throws -> PickleValue {
        let global = PickleGlobal(module: module, name: name)
        guard PyTorchGlobals.isKnown(global) else {
            throw invalid(
                "loading it would run '\(shown("\(global)"))' of Python, which is no part of a state dictionary; nothing "
                    + "was run. Whoever trusts it loads it in Python and saves the weights alone: "
                    + "torch.save(model.state_dict(), path)")
        }
        return .global(global)
    }

    private func text(_ bytes: [UInt8]) throws -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw invalid("a text in it is no UTF-8") }
        return text
    }

    /// A whole number in two's complement of any length.
    private static func integer(_ bytes: [UInt8]) -> PickleValue {
        guard let last = bytes.last else { return .integer(0) }
        guard bytes.count <= 8 else { return .other("a whole number of \(bytes.count) bytes") }
        let start: Int = last >= 0x80 ? -1 : 0
        return .integer(bytes.reversed().reduce(start) { $0 << 8 | Int($1) })
    }

    private func damaged() -> GimbalError {
        invalid("what Python pickled in it is damaged at byte \(source.place)")
    }

    private func invalid(_ reason: String) -> GimbalError { .invalidFile(path: source.path, reason: reason) }
}
