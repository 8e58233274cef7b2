/// A Swift number that tensors are made of and read as.
///
/// A tensor has one of the types of `DType`: float32, float16, bfloat16, int32 and uint8, the last also for masks. Others
/// are converted: `Int` and `Int64` become int32, with a check of their range, `Bool` becomes uint8 (1 or 0), and `Double`
/// is rounded to float32 on devices that compute in it.
public protocol TensorElement: NestedValues, Sendable where Scalar == Self {
    /// A tensor of `values` in row-major order, in the type that stands for these numbers on `device`.
    static func tensor(_ values: [Self], _ shape: Shape, on device: Device) -> Tensor
    /// All elements in row-major order. Waits for the device.
    static func elements(of tensor: Tensor) throws -> [Self]
}

/// A number, or an array of arrays of numbers, which a tensor can be made of and read as.
public protocol NestedValues {
    /// The numbers at the bottom of the arrays.
    associatedtype Scalar: TensorElement
    /// How deep the arrays are nested; 0 for a number.
    static var nestingDepth: Int { get }
    /// Appends the numbers in order, and enters the length of each level into `sizes` (negative where not yet known).
    func appendScalars(to scalars: inout [Scalar], sizes: inout [Int], level: Int)
    /// The value that `scalars` make up in an array of `sizes`.
    static func nested(_ scalars: ArraySlice<Scalar>, _ sizes: ArraySlice<Int>) -> Self
}

extension TensorElement {
    public static var nestingDepth: Int { 0 }

    /// Appends this number, which has no levels.
    public func appendScalars(to scalars: inout [Self], sizes: inout [Int], level: Int) { scalars.append(self) }

    /// The only one of `scalars`.
    public static func nested(_ scalars: ArraySlice<Self>, _ sizes: ArraySlice<Int>) -> Self { scalars.first! }

    /// This number as a real one: 1 for true.
    var real: Double {
        switch self {
        case let isTrue as Bool: isTrue ? 1 : 0
        case let whole as any BinaryInteger: Double(whole)
        case let real as any BinaryFloatingPoint: Double(real)
        default: stop("Tensor", "\(self) is no number")
        }
    }
}

extension Array: NestedValues where Element: NestedValues {
    public static var nestingDepth: Int { Element.nestingDepth + 1 }

    public func appendScalars(to scalars: inout [Element.Scalar], sizes: inout [Int], level: Int) {
        require(
            sizes[level] < 0 || sizes[level] == count, "Tensor",
            "nested arrays must be rectangular: at depth \(level) one has \(sizes[level]) elements, another \(count)")
        sizes[level] = count
        for element in self { element.appendScalars(to: &scalars, sizes: &sizes, level: level + 1) }
    }

    public static func nested(_ scalars: ArraySlice<Element.Scalar>, _ sizes: ArraySlice<Int>) -> [Element] {
        let count = sizes.first!
        let step = count == 0 ? 0 : scalars.count / count
        return (0..<count).map { index in
            let start = scalars.startIndex + index * step
            return Element.nested(scalars[start..<start + step], sizes.dropFirst())
        }
    }
}

// MARK: - The numbers

extension Float: TensorElement {
    public static func tensor(_ values: [Float], _ shape: Shape, on device: Device) -> Tensor {
        device.backend.realType == .float64
            ? Tensor(copying: values.map { Double($0) }, shape, .float64, device)
            : Tensor(copying: values, shape, .float32, device)
    }
    public static func elements(of tensor: Tensor) throws -> [Float] { try tensor.floats() }
}

extension Double: TensorElement {
    public static func tensor(_ values: [Double], _ shape: Shape, on device: Device) -> Tensor {
        device.backend.realType == .float64
            ? Tensor(copying: values, shape, .float64, device)
            : Tensor(copying: values.map { Float($0) }, shape, .float32, device)
    }
    public static func elements(of tensor: Tensor) throws -> [Double] { try tensor.doubles() }
}

extension Float16: TensorElement {
    public static func tensor(_ values: [Float16], _ shape: Shape, on device: Device) -> Tensor {
        Tensor(copying: values, shape, .float16, device)
    }
    public static func elements(of tensor: Tensor) throws -> [Float16] {
        try tensor.elements(Float16.self, .float16)
    }
}

extension Int32: TensorElement {
    public static func tensor(_ values: [Int32], _ shape: Shape, on device: Device) -> Tensor {
        Tensor(copying: values, shape, .int32, device)
    }
    public static func elements(of tensor: Tensor) throws -> [Int32] { try tensor.integers() }
}

extension UInt8: TensorElement {
    public static func tensor(_ values: [UInt8], _ shape: Shape, on device: Device) -> Tensor {
        Tensor(copying: values, shape, .uint8, device)
    }
    public static func elements(of tensor: Tensor) throws -> [UInt8] { try tensor.elements(UInt8.self, .uint8) }
}

extension Int: TensorElement {
    public static func tensor(_ values: [Int], _ shape: Shape, on device: Device) -> Tensor {
        Tensor(copying: values.map { narrowed($0) }, shape, .int32, device)
    }
    public static func elements(of tensor: Tensor) throws -> [Int] { try tensor.integers().map { Int($0) } }
}

extension Int64: TensorElement {
    public static func tensor(_ values: [Int64], _ shape: Shape, on device: Device) -> Tensor {
        Tensor(copying: values.map { narrowed($0) }, shape, .int32, device)
    }
    public static func elements(of tensor: Tensor) throws -> [Int64] { try tensor.integers().map { Int64($0) } }
}

extension Bool: TensorElement {
    public static func tensor(_ values: [Bool], _ shape: Shape, on device: Device) -> Tensor {
        Tensor(copying: values.map { $0 ? 1 : 0 } as [UInt8], shape, .uint8, device)
    }
    /// Whether each element is other than 0.
    public static func elements(of tensor: Tensor) throws -> [Bool] {
        try tensor.asMask().elements(UInt8.self, .uint8).map { $0 != 0 }
    }
}

private func narrowed<Integer: BinaryInteger>(_ value: Integer) -> Int32 {
    guard let narrow = Int32(exactly: value) else {
        stop("Tensor", "\(value) does not fit int32, the type that tensors hold whole numbers in; use Double")
    }
    return narrow
}

// MARK: - Tensors from numbers and back

extension Tensor {
    /// A tensor of `values` in row-major order. Real numbers are kept in the device's own real type, float32, unless
    /// `dtype` says otherwise; so are number literals.
    ///
    /// ```swift
    /// let x = Tensor([1, 2, 3, 4], [2, 2])
    /// ```
    /// The shape is one axis unless given.
    public init(_ values: [Float], _ shape: Shape? = nil, dtype: DType? = nil, device: Device = .current) {
        self.init(elements: values, shape, dtype, device)
    }

    /// A tensor of `values` in row-major order: int32 for whole numbers (as for class numbers and indices), uint8 for bytes
    /// and `Bool` (as for raw images and masks), unless `dtype` says otherwise.
    @_disfavoredOverload  // So that literals are taken as floats.
    public init<Element: TensorElement>(
        _ values: [Element], _ shape: Shape? = nil, dtype: DType? = nil, device: Device = .current
    ) {
        self.init(elements: values, shape, dtype, device)
    }

    /// A tensor of two axes from rows, which must be of one length. Literals are taken as floats.
    ///
    /// ```swift
    /// let x = Tensor([[1, 2], [3, 4]])
    /// ```
    public init(_ values: [[Float]], dtype: DType? = nil, device: Device = .current) {
        self.init(nested: values, dtype, device)
    }

    /// A tensor of three axes from nested arrays, which must be rectangular.
    public init(_ values: [[[Float]]], dtype: DType? = nil, device: Device = .current) {
        self.init(nested: values, dtype, device)
    }

    /// A tensor of four axes from nested arrays, which must be rectangular.
    public init(_ values: [[[[Float]]]], dtype: DType? = nil, device: Device = .current) {
        self.init(nested: values, dtype, device)
    }

    /// A tensor from nested arrays of any depth, which must be rectangular: an axis for each level.
    @_disfavoredOverload
    public init<Values: NestedValues>(_ values: [[Values]], dtype: DType? = nil, device: Device = .current) {
        self.init(nested: values, dtype, device)
    }

    /// A tensor without axes.
    public init(_ value: Double, dtype: DType? = nil, device: Device = .current) {
        self.init(repeating: value, [], dtype: dtype, device: device)
    }

    /// A tensor without axes, of the type that stands for `value`: int32 for `Int`, uint8 for `Bool`.
    @_disfavoredOverload
    public init<Element: TensorElement>(_ value: Element, dtype: DType? = nil, device: Device = .current) {
        self.init(elements: [value], [], dtype, device)
    }

    private init<Element: TensorElement>(
        elements values: [Element], _ shape: Shape?, _ dtype: DType?, _ device: Device
    ) {
        let shape = shape ?? [values.count]
        require(values.count == shape.elementCount, "Tensor", "\(values.count) values do not fill \(shape)")
        let tensor = Element.tensor(values, shape, on: device)
        self = dtype.map { tensor.cast(to: $0) } ?? tensor
    }

    private init<Values: NestedValues>(nested values: Values, _ dtype: DType?, _ device: Device) {
        var scalars: [Values.Scalar] = []
        var sizes = [Int](repeating: -1, count: Values.nestingDepth)
        values.appendScalars(to: &scalars, sizes: &sizes, level: 0)
        self.init(elements: scalars, Shape(sizes.map { Swift.max($0, 0) }), dtype, device)
    }

    /// A copy of `values`, which are of the size of `dtype`.
    init<Element>(copying values: [Element], _ shape: Shape, _ dtype: DType, _ device: Device) {
        self = values.withUnsafeBytes { Tensor(copying: $0, shape, dtype, device) }
    }

    /// All elements in nested arrays, one level for each axis. Waits for the device.
    ///
    /// ```swift
    /// let rows: [[Float]] = try x.array()
    /// ```
    /// - Parameter type: arrays nested as deep as this tensor has axes, of `Float`, `Double`, `Float16`, `Int`, `Int32`,
    ///   `Int64`, `UInt8` or `Bool`. Real numbers become whole ones by truncation towards zero.
    public func array<Values: NestedValues>(_ type: Values.Type = Values.self) throws -> Values {
        require(
            Values.nestingDepth == rank, "array",
            "\(type) has \(Values.nestingDepth) levels, a tensor of \(shape) \(rank)")
        return Values.nested(try Values.Scalar.elements(of: self)[...], shape.sizes[...])
    }

    /// The value of a tensor of one element. Waits for the device.
    public func item() throws -> Float { try item(as: Float.self) }

    /// The value of a tensor of one element, where a `Double` is asked for. Waits for the device.
    @_disfavoredOverload
    public func item() throws -> Double { try item(as: Double.self) }

    // A type that is not named is never a whole one: `loss.item() == 0` would be true of 0.3.
    /// The value of a tensor of one element, as a number of any type. Waits for the device.
    ///
    /// ```swift
    /// let count = try (x .== y).sum().item(as: Int.self)
    /// ```
    public func item<Element: TensorElement>(as type: Element.Type) throws -> Element {
        require(elementCount == 1, "item", "a tensor of \(shape) has no single value; array() gives all")
        return try Element.elements(of: self)[0]
    }
}
