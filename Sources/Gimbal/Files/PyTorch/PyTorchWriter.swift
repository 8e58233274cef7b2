import GimbalBackend

extension PyTorchFile {
    /// Writes a state dictionary as `torch.save` does since PyTorch 1.6, wholly or not at all; `torch.load` reads it with
    /// `weights_only=True`.
    /// - Parameters:
    ///   - items: tensors with distinct names, in the order that they are to have.
    ///   - path: of the file to write or replace.
    /// - Throws: `GimbalError.fileSystem`, or what an item's `contents` throws; an older file is then untouched.
    public static func write(_ items: [SafeTensors.Item], to path: String) throws {
        require(
            Set(items.map { ExactText($0.name) }).count == items.count, "PyTorchFile.write", "two tensors of one name")
        try AtomicFile.write(to: path) { file in
            var archive = ZipWriter(file)
            func add(_ name: String, _ bytes: [UInt8]) throws {
                // PyTorch maps files into memory, and asks for tensors to begin where a cache line does.
                try archive.add("archive/" + name, bytes, deflates: false, alignment: 64)
            }
            try add("data.pkl", PickledState.bytes(of: items))
            try add("byteorder", Array("little".utf8))
            for (number, item) in items.enumerated() { try add("data/\(number)", item.bytes()) }
            try add("version", Array("3\n".utf8))
            try archive.finish()
        }
    }
}

/// The pickle of a state dictionary, of protocol 2: an `OrderedDict` of tensors, each of a storage of its own.
private struct PickledState {
    private var bytes: [UInt8] = [0x80, 2]

    static func bytes(of items: [SafeTensors.Item]) -> [UInt8] {
        var pickle = PickledState()
        pickle.orderedDictionary()
        pickle.code("(")
        for (number, item) in items.enumerated() {
            pickle.text(item.name)
            pickle.tensor(item, storage: number)
        }
        pickle.code("u")
        pickle.code(".")
        return pickle.bytes
    }

    private mutating func tensor(_ item: SafeTensors.Item, storage: Int) {
        let count = item.shape.elementCount
        // Types that are younger than PyTorch's classes of storages lie in untyped ones.
        let storageClass = PyTorchElement.byStorage.first { $0.value.type == item.type }?.key
        let dtype = PyTorchElement.byName.first { $0.value.type == item.type }?.key
        global("torch._utils", storageClass == nil ? "_rebuild_tensor_v3" : "_rebuild_tensor_v2")
        code("(")
        code("(")
        text("storage")
        if let storageClass { global("torch", storageClass) } else { global("torch.storage", "UntypedStorage") }
        text("\(storage)")
        text("cpu")
        integer(storageClass == nil ? count * item.type.byteCount : count)
        code("t")
        code("Q")
        integer(0)
        tuple(item.shape.sizes)
        tuple(item.shape.contiguousStrides)
        bytes.append(0x89)
        orderedDictionary()
        if storageClass == nil, let dtype { global("torch", dtype) }
        code("t")
        code("R")
    }

    private mutating func code(_ code: Unicode.Scalar) { bytes.append(UInt8(ascii: code)) }

    private mutating func global(_ module: String, _ name: String) {
        bytes += Array("c\(module)\n\(name)\n".utf8)
    }

    private mutating func orderedDictionary() {
        global("collections", "OrderedDict")
        code(")")
        code("R")
    }

    private mutating func text(_ text: String) {
        code("X")
        bytes += UInt32(text.utf8.count).littleEndianBytes + Array(text.utf8)
    }

    private mutating func integer(_ value: Int) {
        if let small = Int32(exactly: value) {
            code("J")
            bytes += small.littleEndianBytes
        } else {
            bytes += [0x8A, 8] + Int64(value).littleEndianBytes
        }
    }

    private mutating func tuple(_ values: [Int]) {
        code("(")
        for value in values { integer(value) }
        code("t")
    }
}
