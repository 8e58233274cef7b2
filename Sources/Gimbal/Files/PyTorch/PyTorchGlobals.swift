import GimbalBackend

/// A tensor's memory, as a file of PyTorch names it.
struct PyTorchStorage {
    let key: String
    /// Nil where the tensor says what its elements are.
    let kind: PyTorchElement?
    /// Elements before those that are meant, as files before PyTorch 1.6 may have them.
    let start: Int
    /// Bytes that the storage takes by its description; nil where it does not say.
    let byteCount: Int?

    /// What the tuple stands for that `torch.save` writes in place of a storage: its class, its key, where it was and how
    /// many elements it has, and, in the old format, which of them are meant.
    init(_ number: PickleValue, _ heap: PickleHeap, _ invalid: (String) -> GimbalError) throws {
        guard case .sequence(let index) = number, case let parts = heap.sequences[index], parts.count >= 5,
            parts[0].asText == "storage", case .global(let global) = parts[1], let key = parts[2].asText
        else { throw invalid("what stands in place of a tensor's memory is damaged") }
        let kind = PyTorchGlobals.storage(global)
        guard kind != nil || PyTorchGlobals.isUntyped(global) else {
            throw invalid("a storage in it is of class '\(shown("\(global)"))'")
        }
        var start = 0
        if parts.count > 5, case .sequence(let view) = parts[5] {
            guard heap.sequences[view].count == 3, let offset = heap.sequences[view][1].asInteger, offset >= 0 else {
                throw invalid("a view of a storage in it is damaged")
            }
            start = offset
        }
        (self.key, self.kind, self.start) = (key, kind, start)
        let size = parts[4].asInteger?.multipliedReportingOverflow(by: kind?.byteCount ?? 1)
        byteCount = size.flatMap { $0.overflow ? nil : $0.partialValue }
    }
}

/// What a tensor of PyTorch is made of: an extract of a storage.
struct PyTorchTensor {
    let storage: PyTorchStorage
    let element: PyTorchElement
    /// Counted in elements of the storage.
    let offset: Int
    let sizes: [Int]
    let strides: [Int]
}

/// A type of elements, and the bytes of each.
struct PyTorchElement: Equatable {
    let type: SafeTensors.ElementType
    let byteCount: Int

    init(_ type: SafeTensors.ElementType) { (self.type, byteCount) = (type, type.byteCount) }
    init(unread name: String, _ byteCount: Int) { (type, self.byteCount) = (.unread(name), byteCount) }

    /// By the names of PyTorch's classes of storages.
    static let byStorage: [String: Self] = [
        "DoubleStorage": .init(.float64), "FloatStorage": .init(.float32), "HalfStorage": .init(.float16),
        "BFloat16Storage": .init(.bfloat16), "LongStorage": .init(.int64), "IntStorage": .init(.int32),
        "ShortStorage": .init(.int16), "CharStorage": .init(.int8), "ByteStorage": .init(.uint8),
        "BoolStorage": .init(.bool),
        "ComplexFloatStorage": .init(unread: "complex64", 8), "ComplexDoubleStorage": .init(unread: "complex128", 16),
        "QInt8Storage": .init(unread: "qint8", 1), "QUInt8Storage": .init(unread: "quint8", 1),
        "QInt32Storage": .init(unread: "qint32", 4),
    ]

    /// By the names of PyTorch's dtypes.
    static let byName: [String: Self] = [
        "float64": .init(.float64), "float32": .init(.float32), "float16": .init(.float16),
        "bfloat16": .init(.bfloat16), "int64": .init(.int64), "uint64": .init(.uint64), "int32": .init(.int32),
        "uint32": .init(.uint32), "int16": .init(.int16), "uint16": .init(.uint16), "int8": .init(.int8),
        "uint8": .init(.uint8), "bool": .init(.bool),
        "complex64": .init(unread: "complex64", 8), "complex128": .init(unread: "complex128", 16),
        "float8_e4m3fn": .init(unread: "float8_e4m3fn", 1), "float8_e5m2": .init(unread: "float8_e5m2", 1),
        "float8_e4m3fnuz": .init(unread: "float8_e4m3fnuz", 1), "float8_e5m2fnuz": .init(unread: "float8_e5m2fnuz", 1),
        "float8_e8m0fnu": .init(unread: "float8_e8m0fnu", 1),
    ]
}

/// The classes and functions of Python that a file of weights may name, and what each makes. None is ever run.
enum PyTorchGlobals {
    static func isKnown(_ global: PickleGlobal) -> Bool {
        rebuilders.contains(global.description) || wrappers.contains(global.description)
            || dictionaries.contains(global.description) || sequences.contains(global.description)
            || passedOver.contains(global.description) || unread[global.description] != nil || storage(global) != nil
            || isUntyped(global)
            || dtype(global) != nil
    }

    /// What a storage of this class holds.
    static func storage(_ global: PickleGlobal) -> PyTorchElement? {
        global.module == "torch" || global.module == "torch.cuda" ? PyTorchElement.byStorage[global.name] : nil
    }

    /// Whether it is the class of storages that leave it to the tensor what they hold.
    static func isUntyped(_ global: PickleGlobal) -> Bool { global.description == "torch.storage.UntypedStorage" }

    private static func dtype(_ global: PickleGlobal) -> PyTorchElement? {
        global.module == "torch" ? PyTorchElement.byName[global.name] : nil
    }

    /// Put a tensor together of a storage, an offset, sizes and strides.
    private static let rebuilders: Set<String> = [
        "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3",
        "torch._utils._rebuild_qtensor",
    ]
    /// Give back a tensor that they are handed, as it is.
    private static let wrappers: Set<String> = [
        "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state",
        "torch._tensor._rebuild_from_type_v2", "torch.nn.parameter.Parameter", "torch.nn.parameter.Buffer",
        "torch.Tensor",
    ]
    private static let dictionaries: Set<String> = [
        "builtins.dict", "collections.OrderedDict", "collections.defaultdict", "collections.Counter",
        "argparse.Namespace",
        "types.SimpleNamespace",
    ]
    private static let sequences: Set<String> = [
        "torch.Size", "builtins.set", "builtins.frozenset", "builtins.list", "builtins.tuple",
    ]
    /// Make tensors of kinds that are not read, and what those are called.
    private static let unread = [
        "torch._utils._rebuild_sparse_tensor": "a sparse tensor",
        "torch._utils._rebuild_sparse_csr_tensor": "a sparse tensor",
        "torch._utils._rebuild_nested_tensor": "a nested tensor",
        "torch._utils._rebuild_meta_tensor_no_storage": "a tensor of the device meta, which has no values",
        "numpy.core.multiarray._reconstruct": "an array of NumPy within a file of PyTorch",
        "numpy._core.multiarray._reconstruct": "an array of NumPy within a file of PyTorch",
    ]
    /// Kinds of data that are met beside weights, and hold none.
    private static let passedOver: Set<String> = [
        "torch.device", "_codecs.encode", "builtins.bytearray", "builtins.complex", "builtins.slice",
        "builtins.int", "builtins.float", "builtins.str", "builtins.bool",
        "numpy.dtype", "numpy.ndarray", "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar",
        "pathlib.PosixPath", "pathlib.PurePosixPath", "pathlib.WindowsPath", "pathlib._local.PosixPath",
        "datetime.datetime", "datetime.date", "datetime.timedelta",
        "torch.serialization._get_layout", "torch.per_tensor_affine", "torch.per_channel_affine",
        "torch.per_tensor_symmetric", "torch.per_channel_symmetric", "torch.per_channel_affine_float_qparams",
    ]

    /// What calling `global` would give.
    static func made(
        by global: PickleGlobal, of arguments: [PickleValue], on heap: PickleHeap, _ invalid: (String) -> GimbalError
    ) throws -> PickleValue {
        let name = global.description
        if let kind = unread[name] { return .unreadTensor(kind) }
        if rebuilders.contains(name) {
            // The values are to be negated, or conjugated, as they are read.
            if case .dictionary(let metadata)? = arguments.last, arguments.count > 6,
                heap.dictionaries[metadata].contains(where: { ["neg", "conj"].contains($0.key.asText) })
            {
                return .unreadTensor("a tensor that PyTorch would negate or conjugate")
            }
            return .tensor(try tensor(global, arguments, on: heap, invalid))
        }
        if name == "torch._tensor._rebuild_from_type_v2" {
            guard arguments.count >= 3, case .global(let function) = arguments[0],
                case .sequence(let number) = arguments[2], rebuilders.contains(function.description)
            else { throw invalid("a tensor in it is of a class of its own") }
            return .tensor(try tensor(function, heap.sequences[number], on: heap, invalid))
        }
        if wrappers.contains(name) {
            switch arguments.first {
            case .tensor?, .unreadTensor?: return arguments[0]
            default: throw invalid("a parameter in it holds no tensor")
            }
        }
        if dictionaries.contains(name) { return heap.dictionary(pairs(arguments.last, on: heap)) }
        if sequences.contains(name) {
            guard case .sequence(let number) = arguments.first else { return heap.sequence() }
            return heap.sequence(heap.sequences[number])
        }
        // What protocols before 3 make bytes by.
        if name == "_codecs.encode", let text = arguments.first?.asText, arguments.dropFirst().first?.asText == "latin1"
        {
            return .bytes(text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) })
        }
        return .other("a \(shown(name))")
    }

    /// The pairs that a dictionary is made of: those of another, or of a list of pairs as Python 2 has it.
    private static func pairs(
        _ value: PickleValue?, on heap: PickleHeap
    ) -> [(key: PickleValue, value: PickleValue)] {
        switch value {
        case .dictionary(let number): heap.dictionaries[number]
        case .sequence(let number):
            heap.sequences[number].compactMap { pair in
                guard case .sequence(let number) = pair, heap.sequences[number].count == 2 else { return nil }
                return (heap.sequences[number][0], heap.sequences[number][1])
            }
        default: []
        }
    }

    /// Gives an object its attributes. Those of a dictionary are taken for entries, but for the versions that a state
    /// dictionary of PyTorch keeps of its modules.
    static func give(_ state: PickleValue, to object: PickleValue, on heap: PickleHeap) {
        guard case .dictionary(let number) = object else { return }
        heap.append(pairs(state, on: heap).filter { $0.key.asText != "_metadata" }, to: number)
    }

    private static func tensor(
        _ global: PickleGlobal, _ arguments: [PickleValue], on heap: PickleHeap, _ invalid: (String) -> GimbalError
    ) throws -> PyTorchTensor {
        guard arguments.count >= 4, case .storage(let storage) = arguments[0], let offset = arguments[1].asInteger,
            let sizes = heap.integers(arguments[2]), let strides = heap.integers(arguments[3]), offset >= 0,
            sizes.count == strides.count, (sizes + strides).allSatisfy({ $0 >= 0 })
        else { throw invalid("a tensor in it is not made of a storage, an offset, sizes and strides") }
        var element = storage.kind
        if global.name == "_rebuild_tensor_v3", arguments.count >= 7, case .global(let type) = arguments[6] {
            element = dtype(type)
        }
        guard let element else { throw invalid("a tensor in it does not say what its elements are") }
        return PyTorchTensor(storage: storage, element: element, offset: offset, sizes: sizes, strides: strides)
    }
}
