import Glibc

/// Memory of the host for as long as this lives, that is an error where there is none: Swift's own arrays and pointers end the
/// program then.
package final class HostBuffer {
    package let bytes: UnsafeMutableRawBufferPointer

    /// - Throws: `GimbalError.outOfMemory`.
    package init(byteCount: Int) throws {
        guard hasHostMemory(for: byteCount), let start = malloc(max(byteCount, 1)) else {
            throw GimbalError.outOfMemory(device: "host", requestedBytes: byteCount, usedBytes: 0)
        }
        bytes = UnsafeMutableRawBufferPointer(start: start, count: byteCount)
    }

    deinit { free(bytes.baseAddress) }
}
