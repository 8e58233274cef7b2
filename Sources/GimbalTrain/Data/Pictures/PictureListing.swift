import Foundation
import Gimbal

/// The files of pictures that a folder or a list names, and the class of each, before any is opened.
struct PictureListing: Sendable {
    /// A picture.
    struct Entry: Sendable {
        /// From the listing's root; of a list, as it is written there.
        var path: String
        /// The name of its class; nil where that is not known.
        var label: String?
        /// Bytes of the file.
        var byteCount = 0
    }

    /// What messages call it.
    var name: String
    /// What the paths begin from.
    var root: String
    /// In the order of their paths.
    var entries: [Entry]
    /// Files whose names say that they are pictures of kinds that are not read, by their endings.
    var others: [String: Int] = [:]

    /// `others` in words.
    var otherKinds: [String] { others.sorted { $0.key < $1.key }.map { "\($0.value) .\($0.key)" } }

    /// Where the file of an entry is.
    func path(_ entry: Entry) -> String { entry.path.hasPrefix("/") ? entry.path : "\(root)/\(entry.path)" }

    /// The same place with some of its pictures.
    func with(_ entries: [Entry]) -> PictureListing {
        var result = self
        result.entries = entries
        return result
    }

    // MARK: Folders

    /// All pictures below a folder. Those in a folder of it are of the class that the folder is called, however deep they
    /// lie in it; those that lie in it itself are of none.
    /// - Throws: `GimbalError.fileSystem`.
    init(folder: String) throws {
        guard isFolder(folder) else {
            throw GimbalError.fileSystem(
                operation: "find pictures in", path: folder,
                reason: FileManager.default.fileExists(atPath: folder)
                    ? "it is a file, not a folder" : "there is no such folder")
        }
        root = folder
        name = URL(filePath: folder).standardizedFileURL.lastPathComponent
        entries = []
        try Self.walk(folder) { path, kind in
            switch kind {
            case .read:
                let parts = path.split(separator: "/", maxSplits: 1)
                let size = try? FileManager.default.attributesOfItem(atPath: "\(folder)/\(path)")[.size] as? Int
                entries.append(
                    Entry(path: path, label: parts.count > 1 ? String(parts[0]) : nil, byteCount: size ?? 0))
            case .other(let ending): others[ending, default: 0] += 1
            }
            return true
        }
        entries.sort { ExactText($0.path) < ExactText($1.path) }
    }

    /// Whether a picture lies in a folder, or below it.
    static func isPictureFolder(_ folder: String) -> Bool {
        var isFound = false
        try? walk(folder) { _, kind in
            if case .read = kind { isFound = true }
            return !isFound
        }
        return isFound
    }

    /// Whether a file's name says that it is a picture that is read.
    static func isPictureName(_ name: String) -> Bool {
        if case .read = kind(of: name) { true } else { false }
    }

    private enum Kind { case read, other(String) }

    private static let readEndings = ["png", "jpg", "jpeg", "jpe", "jfif"]

    private static func kind(of name: String) -> Kind? {
        guard let dot = name.lastIndex(of: "."), !name.hasPrefix(".") else { return nil }
        let ending = name[name.index(after: dot)...].lowercased()
        if readEndings.contains(ending) { return .read }
        let others = ["gif", "bmp", "webp", "tif", "tiff", "heic", "heif", "avif", "ppm", "pgm", "jp2"]
        return others.contains(ending) ? .other(ending) : nil
    }

    /// Goes through the files below a folder whose names say that they are pictures, links followed, hidden ones passed
    /// over, until `body` says no. Names are in the order of the system.
    private static func walk(_ folder: String, _ body: (_ path: String, _ kind: Kind) throws -> Bool) throws {
        // A link to a folder above would have no end.
        let deepest = 32
        var open = [(path: "", depth: 0)]
        while let (path, depth) = open.popLast() {
            let full = path.isEmpty ? folder : "\(folder)/\(path)"
            let names: [String]
            do {
                names = try FileManager.default.contentsOfDirectory(atPath: full)
            } catch {
                throw GimbalError.fileSystem(operation: "list", path: full, reason: (error as NSError).reason)
            }
            for name in names where !name.hasPrefix(".") && name != "__MACOSX" {
                let inner = path.isEmpty ? name : "\(path)/\(name)"
                if let kind = kind(of: name), !isFolder("\(folder)/\(inner)") {
                    guard try body(inner, kind) else { return }
                } else if depth < deepest, isFolder("\(folder)/\(inner)") {
                    open.append((inner, depth + 1))
                }
            }
        }
    }

    // MARK: Lists

    /// The pictures that a table names: a column of paths, from the table's folder, and one of classes.
    /// - Parameters:
    ///   - path: of the table.
    ///   - options: how it is written, and which column holds the classes.
    ///   - needsLabels: whether there must be a column of classes.
    /// - Throws: `GimbalError.fileSystem`, `GimbalError.invalidFile` with the line of a picture that is not there.
    init(list path: String, options: TableOptions, needsLabels: Bool = true) throws {
        let source = try TableSource(path: path)
        guard let (dialect, names, pictures) = try Self.columns(of: source, options) else {
            throw GimbalError.invalidFile(path: path, reason: "has no column of paths of PNG or JPEG files")
        }
        root = URL(filePath: path).deletingLastPathComponent().standardizedFileURL.path
        name = source.fileName
        entries = []
        let labels = try Self.labelColumn(names, besides: pictures, options, path: path, isNeeded: needsLabels)
        let reader = try source.open(dialect)
        while try reader.next() {
            guard pictures < reader.count, labels.map({ $0 < reader.count }) ?? true else {
                throw GimbalError.invalidFile(path: path, reason: "line \(reader.line) has \(reader.count) fields")
            }
            var entry = Entry(path: reader.text(pictures), label: labels.map(reader.text))
            guard let size = try? FileManager.default.attributesOfItem(atPath: self.path(entry))[.size] as? Int else {
                throw GimbalError.invalidFile(
                    path: path, reason: "line \(reader.line) names \(shown(self.path(entry))), which is not there")
            }
            entry.byteCount = size
            entries.append(entry)
        }
    }

    /// Whether a table names pictures.
    static func isList(_ path: String, options: TableOptions) -> Bool {
        guard !TableSource.isReadOnce(path), mayNamePictures(path), let source = try? TableSource(path: path) else {
            return false
        }
        return (try? columns(of: source, options)) != nil
    }

    /// Whether an ending of pictures stands in the beginning of a file, whatever its encoding: most tables have none, and
    /// are looked at no further.
    private static func mayNamePictures(_ path: String) -> Bool {
        guard let head = try? ByteStream(path: path).read(count: 1 << 16) else { return false }
        let text = String(decoding: head.filter { $0 != 0 }, as: UTF8.self).lowercased()
        return head.starts(with: Array("PK".utf8)) || readEndings.contains { text.contains(".\($0)") }
    }

    /// How a table is written, what its columns are called, and which holds paths of pictures; nil where none does.
    private static func columns(
        of source: TableSource, _ options: TableOptions
    ) throws -> (dialect: TableDialect, names: [String], pictures: Int)? {
        var options = options
        let told = options.hasHeader
        options.hasHeader = told ?? false
        var (dialect, records) = try TableDialect.found(in: source, options: options, leastColumns: 1)
        let rows = records.dropFirst(told == false || records.count < 2 ? 0 : 1)
        guard let width = rows.first?.count,
            let pictures = (0..<width).first(where: { column in
                rows.allSatisfy { column < $0.count && isPicturePath($0[column]) }
            })
        else { return nil }
        // A header is what stands above paths and is none.
        if told == nil, let first = records.first, pictures >= first.count || !isPicturePath(first[pictures]) {
            options.hasHeader = true
            (dialect, records) = try TableDialect.found(in: source, options: options, leastColumns: 1)
        }
        let names = TableNames.names(header: dialect.hasHeader ? records.first : nil, width: width, dialect)
        return (dialect, names, pictures)
    }

    private static func isPicturePath(_ text: String) -> Bool {
        isPictureName(String(text.split(separator: "/").last ?? ""))
    }

    /// The column that is named, or the last; nil where there is none and none is needed.
    private static func labelColumn(
        _ names: [String], besides pictures: Int, _ options: TableOptions, path: String, isNeeded: Bool
    ) throws -> Int? {
        guard isNeeded else { return nil }
        guard names.count > 1 else {
            throw GimbalError.invalidFile(path: path, reason: "names pictures, and no class of any of them")
        }
        let last = names.count - 1 == pictures ? names.count - 2 : names.count - 1
        return try ColumnChoice(options, names: names, last: last, path: path).target
    }

    // MARK: To predict

    /// The pictures of a folder, a list or a single file, whatever is known of their classes.
    /// - Throws: `GimbalError.fileSystem`, `GimbalError.invalidFile`.
    init(toPredict path: String, table: TableOptions) throws {
        if isFolder(path) {
            try self.init(folder: path)
        } else if Self.isPictureName(path) {
            self.init(file: path)
        } else {
            try self.init(list: path, options: table, needsLabels: false)
        }
        for index in entries.indices { entries[index].label = nil }
        guard !entries.isEmpty else { throw GimbalError.invalidFile(path: path, reason: "holds no PNG or JPEG file") }
    }

    /// A single picture, known by its path as it was given.
    private init(file path: String) {
        (root, name) = (".", path)
        entries = [Entry(path: path)]
    }

    // MARK: Classes

    /// The classes of the pictures, in the order of their names, or of their numbers where all are whole numbers.
    var classNames: [String] {
        let names = Set(entries.compactMap { $0.label.map(ExactText.init) }).sorted().map(\.text)
        let numbers = names.compactMap { Int($0) }
        guard numbers.count == names.count, Set(numbers).count == names.count else { return names }
        return zip(numbers, names).sorted { $0.0 < $1.0 }.map(\.1)
    }

    /// A hash of where the pictures lie, how large their files are and what classes they are of.
    var fingerprint: String {
        var hash: UInt64 = 0
        for entry in entries {
            var text = "\(entry.path)\u{0}\(entry.label ?? "")\u{0}\(entry.byteCount)"
            hash = folded(hash ^ 0x9E37_79B9_7F4A_7C15, text.withUTF8 { contentHash($0.baseAddress!, $0.count) })
        }
        return hexadecimal(hash, digits: 16)
    }
}
