import GimbalBackend

// How the reference backend reads and writes the elements of a view: as Doubles, in row-major order.

/// Where each element of a strided window lies, counted in elements, in row-major order.
public func positions(shape: Shape, strides: [Int], offset: Int) -> [Int] {
    var positions = [offset]
    for axis in 0..<shape.rank {
        var next: [Int] = []
        next.reserveCapacity(positions.count * shape[axis])
        for start in positions {
            for index in 0..<shape[axis] { next.append(start + index * strides[axis]) }
        }
        positions = next
    }
    return positions
}

extension TensorView {
    /// Where each element lies in the storage, counted in elements, in row-major order.
    public var positions: [Int] { GimbalTestSupport.positions(shape: shape, strides: strides, offset: offset) }
}

/// The elements of a view in host memory. Integers up to 32 bits are exact as Doubles.
func read(_ view: TensorView) -> [Double] {
    read(view.dtype, at: view.positions, from: UnsafeRawBufferPointer(hostBytes(of: view)))
}

/// Stores row-major `values`, each rounded to the view's type.
func write(_ values: [Double], to view: TensorView) {
    write(values, view.dtype, at: view.positions, to: hostBytes(of: view))
}

private func hostBytes(of view: TensorView) -> UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(start: view.storage.handle, count: view.storage.byteCount)
}

/// The elements of type `dtype` at `positions` of `bytes`.
public func read(_ dtype: DType, at positions: [Int], from bytes: UnsafeRawBufferPointer) -> [Double] {
    func values<Element>(_ type: Element.Type, _ convert: (Element) -> Double) -> [Double] {
        let elements = bytes.bindMemory(to: type)
        return positions.map { convert(elements[$0]) }
    }
    return switch dtype {
    case .float64: values(Double.self) { $0 }
    case .float32: values(Float.self) { Double($0) }
    case .float16: values(Float16.self) { Double($0) }
    case .bfloat16: values(UInt16.self) { Double(Float(bitPattern: UInt32($0) << 16)) }
    case .int32: values(Int32.self) { Double($0) }
    case .uint8: values(UInt8.self) { Double($0) }
    }
}

/// Stores `values` as elements of type `dtype` at `positions` of `bytes`: to floating-point types rounded to nearest
/// even, to integers truncated towards zero and held to the type's range, with 0 for NaN.
public func write(_ values: [Double], _ dtype: DType, at positions: [Int], to bytes: UnsafeMutableRawBufferPointer) {
    precondition(values.count == positions.count, "\(values.count) values for \(positions.count) elements")
    func store<Element>(_ type: Element.Type, _ convert: (Double) -> Element) {
        let elements = bytes.bindMemory(to: type)
        for (value, position) in zip(values, positions) { elements[position] = convert(value) }
    }
    switch dtype {
    case .float64: store(Double.self) { $0 }
    case .float32: store(Float.self) { Float($0) }
    case .float16: store(Float16.self) { Float16($0) }
    case .bfloat16: store(UInt16.self) { bfloat16Bits($0) }
    case .int32: store(Int32.self) { truncating($0) }
    case .uint8: store(UInt8.self) { truncating($0) }
    }
}

/// The upper half of the float32, rounded to nearest, ties to even. A NaN keeps its sign and becomes quiet.
private func bfloat16Bits(_ value: Double) -> UInt16 {
    let bits = Float(value).bitPattern
    if value.isNaN { return UInt16(bits >> 16) | 0x40 }
    let half: UInt32 = 0x7FFF + (bits >> 16 & 1)
    return UInt16((bits + half) >> 16)
}

private func truncating<Integer: FixedWidthInteger>(_ value: Double) -> Integer {
    if value.isNaN { return 0 }
    return Integer(min(max(value, Double(Integer.min)), Double(Integer.max)))
}
