/// The elements of one tensor of a file, in memory: what a model takes of them.
package struct StoredElements {
    /// The path of the file, for errors.
    private let path: String
    private let name: String
    private let type: SafeTensors.ElementType
    private let shape: Shape
    /// Little-endian, row-major, and numbers of their type.
    private let bytes: [UInt8]

    package init(path: String, name: String, type: SafeTensors.ElementType, shape: Shape, bytes: [UInt8]) {
        self.path = path
        self.name = name
        self.type = type
        self.shape = shape
        self.bytes = bytes
    }

    /// A tensor of the dtype and on the device of `model`; each element is rounded once.
    /// - Throws: `GimbalError.invalidFile` for a whole number that the dtype does not hold.
    package func tensor(like model: Tensor) throws -> Tensor {
        if let dtype = type.dtype {
            return bytes.withUnsafeBytes { Tensor(copying: $0, shape, dtype, model.device).cast(to: model.dtype) }
        }
        switch model.dtype {
        case .int32, .uint8:
            let values = try integers().map { value in
                guard let small = Int32(exactly: value) else {
                    throw invalid("holds \(value), which is beyond any int32")
                }
                return small
            }
            return Tensor(values, shape, device: model.device).cast(to: model.dtype)
        case .float64:
            return Tensor(bytes.withUnsafeBytes { type.doubles($0) }, shape, dtype: .float64, device: model.device)
        default:
            return Tensor(bytes.withUnsafeBytes { type.floats($0) }, shape, device: model.device).cast(to: model.dtype)
        }
    }

    /// The first element as a whole number; a fraction is cut off.
    /// - Throws: `GimbalError.invalidFile` where there is none.
    package func integer() throws -> Int {
        if type.dtype?.isFloatingPoint != true, let first = try integers().first { return first }
        let value = bytes.withUnsafeBytes { type.doubles($0) }.first ?? .nan
        guard let number = Int(exactly: value.rounded(.towardZero)) else { throw invalid("is no whole number") }
        return number
    }

    private func integers() throws -> [Int] {
        try bytes.withUnsafeBytes { bytes in
            try type.integers(bytes) { invalid("holds \($0), which is no whole number of 64 bits") }
        }
    }

    private func invalid(_ what: String) -> GimbalError {
        .invalidFile(path: path, reason: "'\(name)' \(what)")
    }
}
