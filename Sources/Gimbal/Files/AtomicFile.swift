import GimbalBackend
import Glibc

/// Saves that happen wholly or not at all: a crash, a full disk or a failing writer leaves what was there before.
///
/// The new contents are written beside the old ones, in the same folder, as `name.partial-…`; they are synchronised to
/// the disk and then renamed over the old ones. Only a crash of the machine or the process leaves a partial file
/// behind.
public enum AtomicFile {
    /// Writes a file. `body` writes the contents; an error it throws is passed on, and nothing has changed.
    ///
    /// A replaced file's permissions stay, a symbolic link is followed, and what is no regular file (`/dev/stdout`, a
    /// pipe) is written to directly.
    /// - Throws: `GimbalError.fileSystem` naming `path`.
    public static func write(to path: String, _ body: (FileWriter) throws -> Void) throws {
        let target = resolvingLink(path)
        var old = stat()
        let exists = stat(target, &old) == 0
        if exists, old.st_mode & S_IFMT == S_IFDIR { throw systemError("write", path, code: EISDIR) }
        if exists, old.st_mode & S_IFMT != S_IFREG {
            let descriptor = try retryingInterrupted("open", path) { open(target, O_WRONLY | O_CLOEXEC) }
            let writer = FileWriter(descriptor: descriptor, path: path)
            try body(writer)
            return try writer.finish(synchronizes: false)
        }

        let partial = partialName(target)
        let descriptor = try retryingInterrupted("create", path) {
            open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        }
        let mark = UnfinishedMark(partial)
        defer { mark.remove() }
        do {
            let writer = FileWriter(descriptor: descriptor, path: path)
            // A file system without permissions refuses; the file is then no less readable than any other on it.
            if exists { _ = fchmod(descriptor, old.st_mode & 0o7777) }
            try body(writer)
            try writer.finish(synchronizes: true)
            guard rename(partial, target) == 0 else { throw systemError("replace", path) }
        } catch {
            unlink(partial)
            throw error
        }
        try synchronizeFolder(parent(of: target))
    }

    /// Writes a file that holds the elements of `values` as they lie in memory.
    public static func write<Element: BitwiseCopyable>(_ values: [Element], to path: String) throws {
        try write(to: path) { try $0.write(values) }
    }

    /// Writes a text file in UTF-8.
    public static func write(_ text: String, to path: String) throws {
        try write(to: path) { try $0.write(text) }
    }

    /// Writes a folder of files, such as a checkpoint. `body` is given the path of an empty folder to fill.
    ///
    /// A folder already at `path` is exchanged for the new one in a single step and then removed.
    /// - Throws: `GimbalError.fileSystem` naming `path` or the file in it; another error of `body` is passed on.
    ///   Nothing has changed then.
    public static func writeFolder(at path: String, _ body: (_ folder: String) throws -> Void) throws {
        let target = resolvingLink(path)
        let partial = partialName(target)
        guard mkdir(partial, 0o777) == 0 else { throw systemError("create", path) }
        let mark = UnfinishedMark(partial)
        defer { mark.remove() }
        do {
            try body(partial)
            try synchronizeTree(partial, namedAs: path)
            try putFolder(partial, inPlaceOf: target, namedAs: path)
        } catch GimbalError.fileSystem(let operation, let failed, let reason) where failed.hasPrefix(partial) {
            // The partial folder is gone by the time the message is read; the place in the new one says more.
            removeTree(partial)
            throw GimbalError.fileSystem(
                operation: operation, path: target + failed.dropFirst(partial.count), reason: reason)
        } catch {
            removeTree(partial)
            throw error
        }
        try synchronizeFolder(parent(of: target))
    }

    /// Removes what processes that were killed have left half written in `folder`, as far as it can.
    ///
    /// Only files and folders under the names that `write` and `writeFolder` give to what is unfinished are touched, none
    /// that is being written now, and nothing that is there is ever replaced.
    /// - Parameters:
    ///   - folder: where to look; what lies deeper is left alone.
    ///   - isTarget: whether what has this name is saved to this folder, so that a half written one is no one else's.
    public static func removePartials(in folder: String, of isTarget: (_ name: String) -> Bool) {
        for name in (try? names(in: folder)) ?? [] {
            guard let (target, isOld) = parsePartial(name), isTarget(target) else { continue }
            let path = folder + "/" + name
            var (status, targetStatus) = (stat(), stat())
            guard lstat(path, &status) == 0, !UnfinishedMark.isOn(path) else { continue }
            switch status.st_mode & S_IFMT {
            // An old folder that was moved aside and has no successor yet is the only one there is.
            case S_IFDIR where isOld && lstat(folder + "/" + target, &targetStatus) != 0:
                _ = rename(path, folder + "/" + target)
            case S_IFDIR: removeTree(path)
            case S_IFREG where !isOld: unlink(path)
            default: break
            }
        }
    }

    /// Removes a folder that `writeFolder` has written, as far as it can: it is whole under its name until it is gone, also
    /// where the process is killed meanwhile. What is then left has the name of something unfinished.
    package static func removeFolder(at path: String) {
        let partial = partialName(path)
        guard rename(path, partial) == 0 else { return }
        removeTree(partial)
    }

    /// The target of a name that `partialName` has made, and whether what it names was moved aside; else nil.
    private static func parsePartial(_ name: String) -> (target: String, isOld: Bool)? {
        guard let mark = name.ranges(of: partialMark).last, mark.lowerBound > name.startIndex else { return nil }
        let isOld = name.hasSuffix(oldMark)
        let number = name[mark.upperBound...].dropLast(isOld ? oldMark.count : 0)
        // As `partialName` spells a number; any other text is part of somebody's name.
        // Of at least 2⁴⁰, which has eight digits.
        guard number.utf8.count >= 8, let value = UInt64(number, radix: 36), String(value, radix: 36) == number else {
            return nil
        }
        return (String(name[..<mark.lowerBound]), isOld)
    }

    /// Makes a folder and those that it lies in, as far as they are not there.
    /// - Throws: `GimbalError.fileSystem`, with what the system says.
    package static func makeFolder(at path: String) throws {
        let parts = path.split(separator: "/", omittingEmptySubsequences: true)
        var place = path.hasPrefix("/") ? "" : "."
        for part in parts {
            place += "/" + part
            guard mkdir(place, 0o777) != 0 else { continue }
            let code = errno
            var status = stat()
            if stat(place, &status) == 0 {
                guard status.st_mode & S_IFMT == S_IFDIR else { throw systemError("create", path, code: ENOTDIR) }
            } else {
                // Where a link stands that leads nowhere, the system says that there is something.
                throw systemError("create", path, code: code)
            }
        }
    }

    // MARK: Parts

    private static let partialMark = ".partial-"
    private static let oldMark = "-old"

    private static func partialName(_ target: String) -> String {
        let ending = partialMark + String(UInt64.random(in: 1 << 40 ... .max), radix: 36)
        let name = target.split(separator: "/").last?.utf8.count ?? 0
        // A name may be as long as the file system allows, and the partial one is longer. A letter that is cut in the middle
        // becomes a mark of three bytes.
        let excess = min(name, max(0, name + ending.utf8.count + oldMark.utf8.count + 2 - Int(NAME_MAX)))
        return String(decoding: target.utf8.dropLast(excess), as: UTF8.self) + ending
    }

    /// `path` without trailing slashes; where it is a symbolic link, what the link leads to, be it there or not.
    private static func resolvingLink(_ path: String) -> String {
        var path = path
        var bytes = [CChar](repeating: 0, count: Int(PATH_MAX))
        // As many in a row as Linux follows.
        for _ in 0..<40 {
            while path.count > 1, path.hasSuffix("/") { path.removeLast() }
            let count = readlink(path, &bytes, bytes.count)
            guard count > 0 else { break }
            let target = String(decoding: bytes[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
            path = target.hasPrefix("/") ? target : parent(of: path) + "/" + target
        }
        return path
    }

    private static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// File systems that have no such operation report EINVAL and need none.
    private static func synchronize(_ descriptor: Int32, _ operation: String, _ path: String) throws {
        _ = try retryingInterrupted(operation, path) { fsync(descriptor) == 0 || errno == EINVAL ? 0 : -1 }
    }

    /// Makes renames in `folder` last.
    private static func synchronizeFolder(_ folder: String) throws {
        let descriptor = try retryingInterrupted("open", folder) { open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        defer { close(descriptor) }
        try synchronize(descriptor, "synchronise", folder)
    }

    private static func putFolder(_ new: String, inPlaceOf target: String, namedAs path: String) throws {
        var status = stat()
        guard stat(target, &status) == 0 else {
            guard rename(new, target) == 0 else { throw systemError("replace", path) }
            return
        }
        guard status.st_mode & S_IFMT == S_IFDIR else { throw systemError("replace", path, code: ENOTDIR) }
        if exchange(new, target) { return removeTree(new) }

        // Without an exchange there is a moment in which `path` does not exist; the old folder then has the name below.
        let old = partialName(target) + oldMark
        guard rename(target, old) == 0 else { throw systemError("replace", path) }
        guard rename(new, target) == 0 else {
            let code = errno
            _ = rename(old, target)
            throw systemError("replace", path, code: code)
        }
        removeTree(old)
    }

    /// Exchanges two names in one step, where the C library and the file system can.
    private static func exchange(_ first: String, _ second: String) -> Bool {
        // Swift's module of glibc leaves renameat2 out, so it is looked up by name.
        typealias Renameat2 =
            @convention(c) (Int32, UnsafePointer<CChar>, Int32, UnsafePointer<CChar>, UInt32) -> Int32
        guard let symbol = dlsym(nil, "renameat2") else { return false }
        let exchangeFlag: UInt32 = 2
        return unsafeBitCast(symbol, to: Renameat2.self)(AT_FDCWD, first, AT_FDCWD, second, exchangeFlag) == 0
    }

    private static func synchronizeTree(_ folder: String, namedAs path: String) throws {
        try visitTree(folder) { entry, isLink in
            if isLink { return }
            let descriptor = try retryingInterrupted("write", path) { open(entry, O_RDONLY | O_CLOEXEC) }
            defer { close(descriptor) }
            try synchronize(descriptor, "write", path)
        }
    }

    /// Removes what it can: what is left is a partial folder under a name that nothing reads.
    private static func removeTree(_ folder: String) {
        try? visitTree(folder) { entry, _ in _ = remove(entry) }
    }

    /// Calls `visit` for everything in `folder`, the contents of a folder before the folder, and for `folder` itself.
    private static func visitTree(_ folder: String, _ visit: (_ path: String, _ isLink: Bool) throws -> Void) throws {
        for name in try names(in: folder) {
            let path = folder + "/" + name
            var status = stat()
            guard lstat(path, &status) == 0 else { throw systemError("examine", path) }
            if status.st_mode & S_IFMT == S_IFDIR {
                try visitTree(path, visit)
            } else {
                try visit(path, status.st_mode & S_IFMT == S_IFLNK)
            }
        }
        try visit(folder, false)
    }

    private static func names(in folder: String) throws -> [String] {
        guard let listing = opendir(folder) else { throw systemError("list", folder) }
        defer { closedir(listing) }
        var names: [String] = []
        while let entry = readdir(listing) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(cString: $0.bindMemory(to: CChar.self).baseAddress!)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }
}

/// Tells other processes that a partial file or folder is being written, until it is removed or its process ends.
private struct UnfinishedMark {
    private let descriptor: Int32

    /// Where the file system knows no locks, there is none.
    init(_ path: String) {
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        if descriptor >= 0 { _ = flock(descriptor, LOCK_SH | LOCK_NB) }
    }

    func remove() { if descriptor >= 0 { close(descriptor) } }

    static func isOn(_ path: String) -> Bool {
        let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK
    }
}
