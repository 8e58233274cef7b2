import GimbalBackend

/// An array in NumPy's `.npy` format (NumPy Enhancement Proposal 1, versions 1 to 3).
///
/// Read are float16, float32, float64, bool and integers of every size, of either byte order, in C and in Fortran order;
/// written is little-endian C order. Nothing in a file is trusted: its header must agree with its length.
///
/// ```swift
/// let array = try NumPyArray(path: "features.npy")
/// let tensor = try array.tensor(on: .current)
/// ```
public struct NumPyArray: Sendable, Equatable {
    /// The sizes of the axes; [] for a single number.
    public let shape: Shape
    /// The type of the elements; any but `bfloat16`.
    public let type: SafeTensors.ElementType
    /// The elements, little-endian, row-major.
    public let bytes: [UInt8]

    /// - Parameters:
    ///   - shape: the sizes of the axes.
    ///   - type: any but `bfloat16`, which NumPy does not have.
    ///   - bytes: little-endian, row-major.
    public init(shape: Shape, type: SafeTensors.ElementType, bytes: [UInt8]) {
        require(type != .bfloat16, "NumPyArray", "NumPy has no bfloat16; convert it to float32")
        require(type.isRead, "NumPyArray", "Gimbal does not read elements of type \(type.rawValue)")
        require(
            bytes.count == shape.elementCount * type.byteCount, "NumPyArray",
            "\(bytes.count) bytes do not fill \(type) \(shape)")
        self.shape = shape
        self.type = type
        self.bytes = bytes
    }

    /// A float32 array of `values`, row-major; without a shape it has one axis.
    public init(_ values: [Float], _ shape: Shape? = nil) {
        self.init(shape: shape ?? [values.count], type: .float32, bytes: values.withUnsafeBytes { [UInt8]($0) })
    }

    /// A float64 array of `values`, row-major; without a shape it has one axis.
    public init(_ values: [Double], _ shape: Shape? = nil) {
        self.init(shape: shape ?? [values.count], type: .float64, bytes: values.withUnsafeBytes { [UInt8]($0) })
    }

    /// An int64 array of `values`, row-major; without a shape it has one axis.
    public init(_ values: [Int64], _ shape: Shape? = nil) {
        self.init(shape: shape ?? [values.count], type: .int64, bytes: values.withUnsafeBytes { [UInt8]($0) })
    }

    /// The values of a tensor, `bfloat16` as float32. Waits for the device.
    /// - Throws: what the device reports.
    public init(_ tensor: Tensor) throws {
        let tensor = tensor.dtype == .bfloat16 ? tensor.detached().cast(to: .float32) : tensor.detached()
        self.init(shape: tensor.shape, type: .init(tensor.dtype), bytes: try tensor.bytes())
    }

    // MARK: Values

    /// The elements in row-major order; integers beyond 2⁵³ are rounded to nearest.
    public var doubles: [Double] { bytes.withUnsafeBytes { type.doubles($0) } }

    /// A tensor of the elements: whole numbers that no backend computes in as int32, float64 as float32 on devices that
    /// compute in it.
    /// - Throws: `GimbalError.invalidSetting` for a number that no int32 holds.
    public func tensor(on device: Device = .current) throws -> Tensor {
        if type == .float64 { return Tensor(doubles, shape, device: device) }
        if let dtype = type.dtype { return bytes.withUnsafeBytes { Tensor(copying: $0, shape, dtype, device) } }
        func beyond(_ value: any CustomStringConvertible) -> GimbalError {
            .invalidSetting(name: "array", reason: "\(value) is beyond any int32")
        }
        let values = try bytes.withUnsafeBytes { try type.integers($0, beyond) }.map { value in
            guard let small = Int32(exactly: value) else { throw beyond(value) }
            return small
        }
        return Tensor(values, shape, device: device)
    }

    // MARK: Files

    /// Reads a `.npy` file.
    /// - Throws: `GimbalError.invalidFile` where it is none, `GimbalError.fileSystem`.
    public init(path: String) throws {
        let file = try FileReader(path: path, format: ".npy")
        let contents = try [UInt8](refusable: try file.size() ?? 0) {
            try file.read(at: 0, into: UnsafeMutableRawBufferPointer($0))
        }
        if !contents.starts(with: NumPyHeader.magic), let reason = try ForeignFile.reason(file, notA: ".npy") {
            throw GimbalError.invalidFile(path: path, reason: reason)
        }
        try self.init(contents: contents, path: path)
    }

    /// - Parameters:
    ///   - contents: those of a `.npy` file.
    ///   - path: what errors name.
    package init(contents: [UInt8], path: String) throws {
        let header = try NumPyHeader(contents[...], path: path)
        try header.requireElements(fileSize: contents.count, path: path)
        try requireHostMemory(for: (header.isFortranOrder ? 2 : 1) * header.byteCount)
        var bytes = [UInt8](contents[header.dataStart...])
        if header.isBigEndian { Self.swapBytes(&bytes, width: header.type.byteCount) }
        if header.isFortranOrder { bytes = Self.rowMajor(bytes, header.shape, width: header.type.byteCount) }
        if let wrong = header.type.firstUntrue(bytes) {
            throw GimbalError.invalidFile(path: path, reason: "element \(wrong) is \(bytes[wrong]), which is no bool")
        }
        self.init(shape: header.shape, type: header.type, bytes: bytes)
    }

    /// Writes a `.npy` file, wholly or not at all.
    /// - Throws: `GimbalError.fileSystem`; an older file is then untouched.
    public func write(to path: String) throws {
        try AtomicFile.write(to: path) { file in
            try file.write(NumPyHeader.bytes(shape: shape, type: type))
            try file.write(bytes)
        }
    }

    /// The contents of the `.npy` file that `write` writes.
    /// - Throws: `GimbalError.outOfMemory`.
    package func contents() throws -> [UInt8] {
        let header = NumPyHeader.bytes(shape: shape, type: type)
        return try [UInt8](refusable: header.count + bytes.count) {
            let room = UnsafeMutableRawBufferPointer($0)
            room.copyBytes(from: header)
            UnsafeMutableRawBufferPointer(rebasing: room[header.count...]).copyBytes(from: bytes)
        }
    }

    private static func swapBytes(_ bytes: inout [UInt8], width: Int) {
        guard width > 1 else { return }
        for start in stride(from: 0, to: bytes.count, by: width) { bytes[start..<start + width].reverse() }
    }

    /// Column-major elements in row-major order.
    private static func rowMajor(_ bytes: [UInt8], _ shape: Shape, width: Int) -> [UInt8] {
        let sizes = shape.sizes
        // In column-major order the first axis is the densest.
        return gathered(bytes, sizes, sizes.indices.map { sizes[..<$0].reduce(1, *) }, width: width)
    }
}

/// Elements of `width` bytes that lie at `strides`, counted in elements, in row-major order.
func gathered(_ bytes: [UInt8], _ sizes: [Int], _ strides: [Int], width: Int) -> [UInt8] {
    if Shape(sizes).isContiguous(strides) { return bytes }
    let strides = strides.map { $0 * width }
    var place = [Int](repeating: 0, count: sizes.count)
    var source = 0
    return [UInt8](count: sizes.reduce(width, *)) { result in
        for start in stride(from: 0, to: result.count, by: width) {
            for byte in 0..<width { result[start + byte] = bytes[source + byte] }
            for axis in sizes.indices.reversed() {
                place[axis] += 1
                source += strides[axis]
                if place[axis] < sizes[axis] { break }
                source -= strides[axis] * sizes[axis]
                place[axis] = 0
            }
        }
    }
}
