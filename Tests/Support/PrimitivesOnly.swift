import GimbalBackend
import Testing

/// Another backend's primitives without its fused operations, so that the defaults run on its arithmetic.
///
/// Only tests may wait for it, under `PrimitivesOnly.waiting`: an operation that does breaks the contract of `Backend`.
public final class PrimitivesOnly: Backend {
    private let base: any Backend
    @TaskLocal private static var mayWait = false

    public init(_ base: any Backend) { self.base = base }

    public var device: DeviceDescription { base.device }
    public var realType: DType { base.realType }
    public var errors: ErrorLatch { base.errors }
    public var memoryUsage: MemoryUsage { base.memoryUsage }

    public func allocate(byteCount: Int) throws -> Storage { try base.allocate(byteCount: byteCount) }
    public func deallocate(_ handle: UnsafeMutableRawPointer, byteCount: Int) {
        base.deallocate(handle, byteCount: byteCount)
    }
    public func upload(_ bytes: UnsafeRawBufferPointer, to storage: Storage, byteOffset: Int) {
        base.upload(bytes, to: storage, byteOffset: byteOffset)
    }
    public func download(_ storage: Storage, byteOffset: Int, into bytes: UnsafeMutableRawBufferPointer) throws {
        Self.requireMayWait("download")
        try base.download(storage, byteOffset: byteOffset, into: bytes)
    }
    public func synchronize() throws {
        Self.requireMayWait("synchronize")
        try base.synchronize()
    }

    /// Runs `body`, which waits for the device.
    public static func waiting<Result>(_ body: () throws -> Result) rethrows -> Result {
        try $mayWait.withValue(true, operation: body)
    }

    private static func requireMayWait(_ call: String) {
        if !mayWait { Issue.record("an operation calls \(call), and so waits for the device") }
    }

    public func trimMemory() { base.trimMemory() }

    public func fill(_ out: TensorView, with value: Double) { base.fill(out, with: value) }
    public func copy(_ source: TensorView, to out: TensorView) { base.copy(source, to: out) }
    public func unary(_ operation: UnaryOperation, _ x: TensorView, out: TensorView) {
        base.unary(operation, x, out: out)
    }
    public func binary(_ operation: BinaryOperation, _ x: TensorView, _ y: TensorView, out: TensorView) {
        base.binary(operation, x, y, out: out)
    }
    public func select(_ condition: TensorView, _ x: TensorView, _ y: TensorView, out: TensorView) {
        base.select(condition, x, y, out: out)
    }
    public func reduce(_ reduction: Reduction, _ x: TensorView, out: TensorView, accumulates: Bool) {
        base.reduce(reduction, x, out: out, accumulates: accumulates)
    }
    public func argMaximum(_ x: TensorView, out: TensorView) { base.argMaximum(x, out: out) }
    public func matrixMultiply(_ x: TensorView, _ y: TensorView, out: TensorView, _ epilogue: Epilogue) {
        base.matrixMultiply(x, y, out: out, epilogue)
    }
    public func gather(_ table: TensorView, indices: TensorView, out: TensorView) {
        base.gather(table, indices: indices, out: out)
    }
    public func scatterAdd(_ source: TensorView, indices: TensorView, into table: TensorView) {
        base.scatterAdd(source, indices: indices, into: table)
    }
    public func randomUniform(_ out: TensorView, _ state: RandomState) { base.randomUniform(out, state) }
    public func randomNormal(_ out: TensorView, _ state: RandomState) { base.randomNormal(out, state) }
}
