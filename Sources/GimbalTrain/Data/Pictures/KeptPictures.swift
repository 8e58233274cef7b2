import Foundation
import Gimbal

/// Decoded pictures that are kept in memory, all of one size, where there is room for all of them.
///
/// Unchecked: what threads share is read and written under the lock.
final class KeptPictures: @unchecked Sendable {
    private let size: Int
    /// Pages that nothing was written to take no memory. Nil where there is no room.
    private let bytes: UnsafeMutablePointer<UInt8>?
    private let isThere: Lock<[Bool]>

    /// - Parameters:
    ///   - count: of the pictures.
    ///   - size: bytes of each.
    ///   - limit: the most bytes of all; an eighth of the machine's memory unless given.
    init(count: Int, size: Int, limit: Int? = nil) {
        self.size = size
        let (total, isTooLarge) = count.multipliedReportingOverflow(by: size)
        let limit = limit ?? HostMemory.byteCount / 8
        let hasRoom = count > 0 && !isTooLarge && total <= limit
        bytes = hasRoom ? calloc(total, 1)?.assumingMemoryBound(to: UInt8.self) : nil
        isThere = Lock([Bool](repeating: false, count: bytes == nil ? 0 : count))
    }

    deinit { free(bytes) }

    /// The pixels of a picture; nil where they are not kept.
    subscript(index: Int) -> [UInt8]? {
        get {
            guard let bytes else { return nil }
            return isThere.withLock { isThere in
                guard isThere[index] else { return nil }
                return Array(UnsafeBufferPointer(start: bytes + index * size, count: size))
            }
        }
        set {
            guard let bytes, let newValue else { return }
            isThere.withLock { isThere in
                newValue.withUnsafeBufferPointer { (bytes + index * size).update(from: $0.baseAddress!, count: size) }
                isThere[index] = true
            }
        }
    }
}
