import CZlib

/// The checksum of zip archives, PNG and checkpoints over bytes that come in pieces.
package struct CRC32: Equatable {
    /// The checksum of what was added so far.
    package private(set) var value: UInt32 = 0

    package init() {}

    /// The checksum of `bytes` alone.
    package init(of bytes: [UInt8]) { bytes.withUnsafeBytes { add($0) } }

    package mutating func add(_ bytes: UnsafeRawBufferPointer) {
        let start = bytes.bindMemory(to: UInt8.self).baseAddress
        // Without a place zlib gives the checksum of nothing, whatever was added before.
        if let start { value = UInt32(truncatingIfNeeded: crc32_z(uLong(value), start, z_size_t(bytes.count))) }
    }
}
