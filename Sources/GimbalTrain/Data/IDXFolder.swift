import Foundation
import Gimbal

/// The four files of a folder of images in the IDX format, told by their names.
struct IDXFolder {
    /// The two files of a part.
    struct Part {
        let images, labels: String
    }

    private let folder: String

    init(_ folder: String) { self.folder = folder }

    /// What the data is called unless it has a name.
    var name: String { URL(filePath: folder).standardizedFileURL.lastPathComponent }

    /// - Throws: `GimbalError.fileSystem` where a file is missing, or where there are several of a kind.
    func training() throws -> Part { try part(["train"]) }

    /// - Throws: as `training()`.
    func test() throws -> Part { try part(["t10k", "test"]) }

    /// The file of the images to test on; their classes need not be known.
    /// - Throws: as `training()`.
    func testImages() throws -> String { try file(["t10k", "test"], "images", rank: 3) }

    private func part(_ parts: [String]) throws -> Part {
        Part(images: try file(parts, "images", rank: 3), labels: try file(parts, "labels", rank: 1))
    }

    private func file(_ parts: [String], _ kind: String, rank: Int) throws -> String {
        guard isFolder(folder) else {
            throw GimbalError.fileSystem(
                operation: "find images in", path: folder,
                reason: FileManager.default.fileExists(atPath: folder)
                    ? "it is a file, not a folder" : "there is no such folder")
        }
        let names = try fileNames(in: folder).sorted()
        let stems = parts.map { "\($0)-\(kind)" }
        let endings = ["-idx\(rank)-ubyte", ".idx\(rank)-ubyte", "-idx\(rank)-ubyte.gz", ".idx\(rank)-ubyte.gz"]
        // The plain names first; then whatever ends like one of them.
        let plain = stems.flatMap { stem in endings.map { stem + $0 } }
        if let found = Self.readable(plain.compactMap { Self.file($0, in: folder) }).first { return found }
        let others = Self.readable(
            names.filter { name in plain.contains { name.lowercased().hasSuffix("-" + $0) } }
                .compactMap { Self.file($0, in: folder) })
        // A file and its compressed twin are one.
        let distinct = Set(others.map { $0.hasSuffix(".gz") ? String($0.dropLast(3)) : $0 })
        guard let found = others.first else {
            throw GimbalError.fileSystem(
                operation: "find \(stems[0]) in", path: folder,
                reason: "\(try Self.contents(of: folder, names)); none of these is there: "
                    + "\(plain.joined(separator: ", ")), with any beginning")
        }
        guard distinct.count == 1 else {
            throw GimbalError.fileSystem(
                operation: "find \(stems[0]) in", path: folder,
                reason: "there are \(others.count): \(others.joined(separator: ", ")); leave one of them there")
        }
        return found
    }

    /// What is in a folder that holds no images in IDX files.
    private static func contents(of folder: String, _ names: [String]) throws -> String {
        if names.isEmpty { return "it is empty" }
        if try RunFolder.isRun(at: folder) || ModelWeights.file(in: folder) != nil {
            return "it is the folder of a run or a checkpoint, not of data"
        }
        let others = (try? PictureListing(folder: folder))?.others ?? [:]
        guard others.isEmpty else {
            let counts = others.sorted { $0.key < $1.key }.map { counted($0.value, ".\($0.key) file") }
            return "it holds \(listed(counts)), of pictures PNG and JPEG are read"
        }
        let marked = names.map { isFolder("\(folder)/\($0)") ? $0 + "/" : $0 }
        return "it holds \(listed(marked, limit: 5))"
    }

    /// Those of several files that begin as IDX files do; all of them where none does, so that one can say what it is.
    private static func readable(_ paths: [String]) -> [String] {
        let readable = paths.filter { IDX.isFile($0) }
        return readable.isEmpty ? paths : readable
    }

    /// The path of a file of this name, or of one in a folder of this name; nil for anything else, which must not hide
    /// other candidates.
    private static func file(_ name: String, in folder: String) -> String? {
        let path = "\(folder)/\(name)"
        guard isFolder(path) else { return FileManager.default.isReadableFile(atPath: path) ? path : nil }
        let inner = "\(path)/\(name)"
        return FileManager.default.fileExists(atPath: inner) && !isFolder(inner) ? inner : nil
    }
}

/// Whether there is a folder at `path`.
package func isFolder(_ path: String) -> Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
}
