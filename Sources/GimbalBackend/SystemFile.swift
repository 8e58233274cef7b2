import Glibc

/// What a file of the system's says, as those under /proc; nil where it cannot be read.
///
/// Read by the system's own calls: Foundation asks for more memory than may be left where it is memory that is asked about, and
/// ends the program where it gets none.
package func systemFileText(_ path: String) -> String? {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var text: [UInt8] = []
    // So much lies on the stack.
    let count = withUnsafeTemporaryAllocation(byteCount: 1024, alignment: 1) { bytes in
        while true {
            let count = read(file, bytes.baseAddress!, bytes.count)
            guard count > 0 else { return count }
            text += bytes[..<count]
        }
    }
    return count == 0 ? String(decoding: text, as: UTF8.self) : nil
}
