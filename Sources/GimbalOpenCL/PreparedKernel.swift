import COpenCL
import GimbalBackend
import Glibc

/// A built kernel, and the arguments that the driver has from its last launch: a launch sets only those that changed.
///
/// Not thread-safe, as a kernel's arguments belong to the kernel object; whoever launches holds a lock.
final class PreparedKernel {
    /// Nil where launches are only counted.
    let kernel: cl_kernel?
    let name: String
    var launches = 0
    private var held: HeldArguments
    /// Of the buffers that `held` names; see `BufferPool.generation`.
    private var generation = 0

    init(_ kernel: cl_kernel?, name: String) {
        self.kernel = kernel
        self.name = name
        held = HeldArguments(kernel, name: name)
    }

    /// Hands the driver what differs from the last launch.
    /// - Parameters:
    ///   - counters: for kernels whose last group finishes the work of all.
    ///   - generation: of the pool's buffers now. A new buffer may have the address of one that is gone.
    /// - Returns: how many arguments were set, and OpenCL's code.
    func setArguments(
        _ arguments: [KernelArgument], counters: inout ArrivalCounters, generation: Int
    ) throws -> (count: Int, code: cl_int) {
        if generation != self.generation {
            held.removeAll()
            self.generation = generation
        }
        let (count, code) = try held.set(arguments, counters: &counters)
        // What failed half-way is set anew.
        if code != CL_SUCCESS { self.generation = -1 }
        return (count, code)
    }
}

/// The arguments of a kernel, as the driver has them. Every launch passes here: a value costs a comparison of bytes.
private struct HeldArguments {
    private let kernel: cl_kernel?
    private let name: String
    /// The bytes of all arguments, one after the other, and where each ends. A kernel's arguments keep their sizes.
    private var bytes: [UInt8] = []
    private var ends: [Int] = []

    init(_ kernel: cl_kernel?, name: String) {
        self.kernel = kernel
        self.name = name
    }

    mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        ends.removeAll(keepingCapacity: true)
    }

    mutating func set(
        _ arguments: [KernelArgument], counters: inout ArrivalCounters
    ) throws -> (count: Int, code: cl_int) {
        var cursor = Cursor()
        for argument in arguments where cursor.code == CL_SUCCESS {
            switch argument {
            case .view(let storage, let offset):
                set(storage.buffer as cl_mem?, &cursor)
                set(UInt64(offset), &cursor)
            case .buffer(let storage): set(storage.buffer as cl_mem?, &cursor)
            case .counters(let count):
                // Not of the pool, whose generation says nothing of this buffer.
                cursor.isForced = true
                set(try counters.buffer(count) as cl_mem?, &cursor)
                cursor.isForced = false
            case .int32(let value): set(Int32(value), &cursor)
            case .int64(let value): set(Int64(value), &cursor)
            case .bits64(let value): set(value, &cursor)
            case .index(let value, isWide: true): set(Int64(value), &cursor)
            case .index(let value, isWide: false): set(UInt32(truncatingIfNeeded: value), &cursor)
            case .indices(let values, isWide: true): values.withUnsafeBytes { set($0, &cursor) }
            case .indices(let values, isWide: false): set(values, as: { Int32($0) }, &cursor)
            case .float(let value): set(Float(value), &cursor)
            case .double(let value): set(value, &cursor)
            case .floats(let values): set(values, as: { Float($0) }, &cursor)
            }
        }
        return (cursor.count, cursor.code)
    }

    private struct Cursor {
        /// Of the next argument, and where its bytes begin.
        var index = 0
        var start = 0
        /// Arguments that were set.
        var count = 0
        /// Whether the next value is set even where it is the old one.
        var isForced = false
        var code: cl_int = CL_SUCCESS
    }

    private mutating func set<Value: BitwiseCopyable>(_ value: Value, _ cursor: inout Cursor) {
        withUnsafeBytes(of: value) { set($0, &cursor) }
    }

    /// A structure, each of whose members is made of one value.
    private mutating func set<Value, Member: BitwiseCopyable>(
        _ values: [Value], as member: (Value) -> Member, _ cursor: inout Cursor
    ) {
        withUnsafeTemporaryAllocation(of: Member.self, capacity: values.count) { members in
            for i in values.indices { members.initializeElement(at: i, to: member(values[i])) }
            set(UnsafeRawBufferPointer(members), &cursor)
        }
    }

    private mutating func set(_ value: UnsafeRawBufferPointer, _ cursor: inout Cursor) {
        let (index, start) = (cursor.index, cursor.start)
        cursor.index += 1
        cursor.start += value.count
        if index == ends.count {
            bytes.append(contentsOf: value)
            ends.append(cursor.start)
        } else {
            precondition(ends[index] == cursor.start, "argument \(index) of \(name) changed its size")
            let isKept = bytes.withUnsafeMutableBytes { kept in
                guard let old = kept.baseAddress, let new = value.baseAddress else { return !cursor.isForced }
                if memcmp(old + start, new, value.count) == 0 { return !cursor.isForced }
                memcpy(old + start, new, value.count)
                return false
            }
            if isKept { return }
        }
        cursor.count += 1
        guard let kernel else { return }
        let code = clSetKernelArg(kernel, cl_uint(index), value.count, value.baseAddress)
        if code != CL_SUCCESS { cursor.code = code }
    }
}
