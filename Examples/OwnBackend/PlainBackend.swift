// A backend in plain Swift, by what `import Gimbal` gives: memory and some primitives are all it takes to train a net. What it
// leaves out, such as layers' fused operations and optimizers, the protocol's defaults make of them.

import Foundation
import Gimbal

final class PlainBackend: Backend {
    let device = DeviceDescription(
        id: "plain", backend: "plain", name: "plain Swift", vendor: "an example", driver: "1", memoryBytes: 1 << 30,
        computeUnits: 1)
    let realType = DType.float32
    let errors = ErrorLatch()
    /// Handles are addresses, and operations are done when they return.
    let isOnHost = true

    // MARK: Memory

    func allocate(byteCount: Int) throws -> Storage {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: max(byteCount, 1), alignment: 64)
        return Storage(backend: self, handle: memory, byteCount: byteCount)
    }

    func deallocate(_ handle: UnsafeMutableRawPointer, byteCount: Int) { handle.deallocate() }

    func upload(_ bytes: UnsafeRawBufferPointer, to storage: Storage, byteOffset: Int) {
        guard let source = bytes.baseAddress else { return }
        (storage.handle + byteOffset).copyMemory(from: source, byteCount: bytes.count)
    }

    func download(_ storage: Storage, byteOffset: Int, into bytes: UnsafeMutableRawBufferPointer) throws {
        try storage.throwIfFailed(in: byteOffset..<byteOffset + bytes.count)
        try errors.throwIfSet()
        bytes.baseAddress?.copyMemory(from: storage.handle + byteOffset, byteCount: bytes.count)
        try errors.runChecks()
    }

    func synchronize() throws {
        try errors.throwIfAnySet()
        try errors.runChecks()
    }

    var memoryUsage: MemoryUsage { MemoryUsage(inUse: 0, peak: 0, pooled: 0) }
    func trimMemory() {}

    // MARK: Elements

    func fill(_ out: TensorView, with value: Double) {
        write(out, [Float](repeating: Float(value), count: out.elementCount))
    }

    func copy(_ source: TensorView, to out: TensorView) { write(out, read(source)) }

    func unary(_ operation: UnaryOperation, _ x: TensorView, out: TensorView) {
        let (a, b) = (Float(operation.a), Float(operation.b))
        let function: (Float) -> Float =
            switch operation.kind {
            case .negate: { -$0 }
            case .absolute: { abs($0) }
            case .exponential: { exp($0) }
            case .logarithm: { log($0) }
            case .squareRoot: { $0.squareRoot() }
            case .square: { $0 * $0 }
            case .reciprocal: { 1 / $0 }
            case .affine: { a * $0 + b }
            case .tanh: { tanh($0) }
            case .relu: { $0 < 0 ? 0 : $0 }
            // As many more as the models need.
            case let other: stop("PlainBackend", "has no \(other) yet")
            }
        write(out, read(x).map(function))
    }

    func binary(_ operation: BinaryOperation, _ x: TensorView, _ y: TensorView, out: TensorView) {
        let function: (Float, Float) -> Float =
            switch operation.kind {
            case .add: { $0 + $1 }
            case .subtract: { $0 - $1 }
            case .multiply: { $0 * $1 }
            case .divide: { $0 / $1 }
            case .maximum: { $0 > $1 || $0.isNaN ? $0 : $1 }
            case .equal: { $0 == $1 ? 1 : 0 }
            case .notEqual: { $0 != $1 ? 1 : 0 }
            case .tanhGradient: { $1 * (1 - $0 * $0) }
            case .reluGradient: { $0 <= 0 ? 0 : $1 }
            case let other: stop("PlainBackend", "has no \(other) yet")
            }
        write(out, zip(read(x), read(y)).map(function))
    }

    func select(_ condition: TensorView, _ x: TensorView, _ y: TensorView, out: TensorView) {
        write(out, zip(read(condition), zip(read(x), read(y))).map { $0 != 0 ? $1.0 : $1.1 })
    }

    // MARK: Reductions and products

    func reduce(_ reduction: Reduction, _ x: TensorView, out: TensorView, accumulates: Bool) {
        let (identity, combine): (Float, (Float, Float) -> Float) =
            switch reduction {
            case .sum: (0, { $0 + $1 })
            case .product: (1, { $0 * $1 })
            case .maximum: (-.infinity, { $0 > $1 || $0.isNaN ? $0 : $1 })
            case .minimum: (.infinity, { $0 < $1 || $0.isNaN ? $0 : $1 })
            }
        // Along axes that are folded, a destination stays where it is.
        var strides = out.shape.contiguousStrides
        for axis in out.shape.indices where out.shape[axis] == 1 { strides[axis] = 0 }
        var folded = [Float](repeating: identity, count: out.elementCount)
        for (value, place) in zip(read(x), places(x.shape, strides, from: 0)) {
            folded[place] = combine(folded[place], value)
        }
        write(out, accumulates ? zip(read(out), folded).map(+) : folded)
    }

    func argMaximum(_ x: TensorView, out: TensorView) {
        let values = read(x)
        let width = x.shape[x.shape.rank - 1]
        write(
            out,
            (0..<out.elementCount).map { row in
                Float((0..<width).max { values[row * width + $0] < values[row * width + $1] }!)
            })
    }

    func matrixMultiply(_ x: TensorView, _ y: TensorView, out: TensorView, _ epilogue: Epilogue) {
        let rank = x.shape.rank
        let (m, k, n) = (x.shape[rank - 2], x.shape[rank - 1], y.shape[rank - 1])
        let (left, right) = (read(x), read(y))
        var sums = [Float](repeating: 0, count: out.elementCount)
        for place in sums.indices {
            let (matrix, row, column) = (place / (m * n), place / n % m, place % n)
            for i in 0..<k { sums[place] += left[(matrix * m + row) * k + i] * right[(matrix * k + i) * n + column] }
            sums[place] *= Float(epilogue.scale)
        }
        if epilogue.accumulates { sums = zip(sums, read(out)).map(+) }
        if let bias = epilogue.bias.map({ read($0) }) { for place in sums.indices { sums[place] += bias[place % n] } }
        write(out, sums)
    }

    // MARK: What this example's net does without

    func gather(_ table: TensorView, indices: TensorView, out: TensorView) { stop("PlainBackend", "has no gather yet") }
    func scatterAdd(_ source: TensorView, indices: TensorView, into table: TensorView) {
        stop("PlainBackend", "has no scatterAdd yet")
    }
    func randomNormal(_ out: TensorView, _ state: RandomState) { stop("PlainBackend", "has no randomNormal yet") }

    func randomUniform(_ out: TensorView, _ state: RandomState) {
        // Another stream than Gimbal's: a backend that is to give the same numbers as others computes Philox.
        var word = state.seed &+ state.counter &* 0x9E37_79B9_7F4A_7C15
        write(
            out,
            (0..<out.elementCount).map { _ in
                word = word &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return Float(word >> 40) * 0x1p-24
            })
    }

    // MARK: Elements of views

    /// Where each element of a strided window lies, in row-major order.
    private func places(_ shape: Shape, _ strides: [Int], from offset: Int) -> [Int] {
        var places = [offset]
        for axis in shape.indices {
            places = places.flatMap { place in (0..<shape[axis]).map { place + $0 * strides[axis] } }
        }
        return places
    }

    private func read(_ view: TensorView) -> [Float] {
        let places = places(view.shape, view.strides, from: view.offset)
        let memory = view.storage.handle
        return switch view.dtype {
        case .float32: places.map { memory.load(fromByteOffset: 4 * $0, as: Float.self) }
        case .int32: places.map { Float(memory.load(fromByteOffset: 4 * $0, as: Int32.self)) }
        case .uint8: places.map { Float(memory.load(fromByteOffset: $0, as: UInt8.self)) }
        case .float16, .bfloat16, .float64: stop("PlainBackend", "has no \(view.dtype) yet")
        }
    }

    private func write(_ view: TensorView, _ values: [Float]) {
        let memory = view.storage.handle
        for (place, value) in zip(places(view.shape, view.strides, from: view.offset), values) {
            switch view.dtype {
            case .float32: memory.storeBytes(of: value, toByteOffset: 4 * place, as: Float.self)
            case .int32: memory.storeBytes(of: Int32(value), toByteOffset: 4 * place, as: Int32.self)
            case .uint8: memory.storeBytes(of: UInt8(value), toByteOffset: place, as: UInt8.self)
            case .float16, .bfloat16, .float64: stop("PlainBackend", "has no \(view.dtype) yet")
            }
        }
    }
}
