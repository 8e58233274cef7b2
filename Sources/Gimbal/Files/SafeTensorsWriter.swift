import GimbalBackend

extension SafeTensors {
    /// A tensor to be written. Its bytes are asked for when its turn comes, so that a model on a device passes through
    /// the host one tensor at a time.
    public struct Item {
        /// The tensor's name in the file.
        public let name: String
        /// The type of its elements.
        public let type: ElementType
        /// Its shape; [] for a single number.
        public let shape: Shape
        private let contents: Contents

        private enum Contents {
            case bytes(() throws -> [UInt8])
            case tensor(Tensor)
        }

        /// A tensor whose `contents` gives its bytes, little-endian, row-major, when they are to be written.
        public init(name: String, type: ElementType, shape: Shape, contents: @escaping () throws -> [UInt8]) {
            require(type.isRead, "writing \(name)", "Gimbal does not write elements of type \(type.rawValue)")
            self.name = name
            self.type = type
            self.shape = shape
            self.contents = .bytes(contents)
        }

        /// The elements of a tensor as they are when its turn comes. They pass through the host in pieces.
        package init(name: String, _ tensor: Tensor) {
            self.name = name
            type = ElementType(tensor.dtype)
            shape = tensor.shape
            contents = .tensor(tensor.detached())
        }

        /// A `float32` tensor of `values`.
        public init(name: String, shape: Shape, floats values: [Float]) {
            self.init(name: name, type: .float32, shape: shape) { values.withUnsafeBytes { Array($0) } }
        }

        var byteCount: Int { shape.elementCount * type.byteCount }

        /// The tensor's bytes, which are as many as it takes.
        package func bytes() throws -> [UInt8] {
            let bytes =
                switch contents {
                case .bytes(let contents): try contents()
                case .tensor(let tensor): try tensor.bytes()
                }
            require(
                bytes.count == byteCount, "writing \(name)",
                "\(type.rawValue) \(shape) takes \(byteCount) bytes, not \(bytes.count)")
            return bytes
        }

        /// Gives `body` the tensor's bytes in order, in pieces.
        func forEachPiece(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
            switch contents {
            case .bytes: try bytes().withUnsafeBytes(body)
            case .tensor(let tensor): try tensor.forEachPiece(body)
            }
        }
    }

    /// Writes a file, wholly or not at all (see `AtomicFile`).
    ///
    /// The same tensors give the same bytes whatever order they come in: wide elements lie before narrow ones, so that
    /// each tensor is aligned to its elements, and names of one width are in the order of their UTF-8.
    /// - Parameters:
    ///   - items: tensors with distinct names, none of them `__metadata__`.
    ///   - metadata: free text to keep with the tensors.
    ///   - path: of the file to write or replace.
    /// - Throws: `GimbalError.fileSystem`, or what an item's `contents` throws; the old file is then untouched.
    public static func write(_ items: [Item], metadata: [String: String] = [:], to path: String) throws {
        let items = items.sorted {
            ($1.type.byteCount, ExactText($0.name)) < ($0.type.byteCount, ExactText($1.name))
        }
        try AtomicFile.write(to: path) { writer in
            try writer.write(header(items, metadata))
            for item in items { try item.forEachPiece(writer.write) }
        }
    }

    /// The length of the header as 8 bytes, then the header as JSON, padded with spaces to a multiple of 8.
    private static func header(_ items: [Item], _ metadata: [String: String]) -> [UInt8] {
        var seen: Set<ExactText> = [ExactText("__metadata__")]
        var fields: [String] = []
        if !metadata.isEmpty {
            let texts = metadata.sorted { ExactText($0.key) < ExactText($1.key) }
            fields.append(
                "\"__metadata__\":{\(texts.map { "\(json($0.key)):\(json($0.value))" }.joined(separator: ","))}")
        }
        var offset = 0
        for item in items {
            require(
                seen.insert(ExactText(item.name)).inserted, "writing safetensors",
                "two tensors are called '\(item.name)'")
            let end = offset + item.byteCount
            let sizes = item.shape.map(String.init).joined(separator: ",")
            fields.append(
                "\(json(item.name)):{\"dtype\":\"\(item.type.rawValue)\",\"shape\":[\(sizes)],"
                    + "\"data_offsets\":[\(offset),\(end)]}")
            offset = end
        }
        var text = Array("{\(fields.joined(separator: ","))}".utf8)
        text += [UInt8](repeating: UInt8(ascii: " "), count: (8 - text.count % 8) % 8)
        return UInt64(text.count).littleEndianBytes + text
    }

    /// `text` as a JSON string.
    private static func json(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\u{0}"..<" ":
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
