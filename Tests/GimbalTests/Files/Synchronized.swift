import Foundation
import Gimbal
import Glibc

/// What this process has asked to be on the disk: `fsync` of the tests' program stands before the system's.
enum Synchronized {
    struct Entry: Equatable {
        /// What the file or folder was called at that time.
        var path: String
        /// The bytes that it held by then; 0 for a folder.
        var size: Int
    }

    private static let entries = Lock<[Entry]>([])

    /// What lies in `folder`, or is it, in the order it was asked for, by paths that begin there.
    static func entries(in folder: String) -> [Entry] {
        entries.withLock { $0 }.compactMap { entry in
            guard entry.path == folder || entry.path.hasPrefix(folder + "/") else { return nil }
            return Entry(path: String(entry.path.dropFirst(folder.count)), size: entry.size)
        }
    }

    fileprivate static func note(_ descriptor: Int32) {
        var status = stat()
        guard fstat(descriptor, &status) == 0,
            let path = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(descriptor)")
        else { return }
        let isFolder = status.st_mode & S_IFMT == S_IFDIR
        entries.withLock { $0.append(Entry(path: path, size: isFolder ? 0 : Int(status.st_size))) }
    }
}

@_cdecl("fsync") func noteAndSynchronize(_ descriptor: Int32) -> Int32 {
    Synchronized.note(descriptor)
    // RTLD_NEXT, which Swift is not shown.
    let next = dlsym(UnsafeMutableRawPointer(bitPattern: -1), "fsync")
    return unsafeBitCast(next, to: (@convention(c) (Int32) -> Int32).self)(descriptor)
}
