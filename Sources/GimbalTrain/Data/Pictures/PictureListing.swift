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
    /// What was passed over, in sentences.
    var notes: [String] = []

    /// `others` in words.
    var otherKinds: [String] { others.sorted { $0.key < $1.key }.map { "\($0.value) .\($0.key)" } }

    /// A picture that is of no class, as it lies in none of their folders.
    var stray: Entry? { entries.first { $0.label == nil } }

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
        // Folders with pictures of kinds that are not read.
        var unread: Set<ExactText> = []
        var walk = PictureWalk(folder)
        try walk.run { path, kind in
            let parts = path.split(separator: "/", maxSplits: 1)
            switch kind {
            case .read:
                let size = try? FileManager.default.attributesOfItem(atPath: "\(folder)/\(path)")[.size] as? Int
                entries.append(
                    Entry(path: path, label: parts.count > 1 ? String(parts[0]) : nil, byteCount: size ?? 0))
            case .other(let ending):
                others[ending, default: 0] += 1
                if parts.count > 1 { unread.insert(ExactText(String(parts[0]))) }
            }
            return true
        }
        entries.sort { ExactText($0.path) < ExactText($1.path) }
        let lost = unread.subtracting(entries.compactMap { $0.label.map(ExactText.init) }).sorted().map(\.text)
        if !lost.isEmpty {
            notes.append("no picture in \(listed(lost, length: 120)) is of a kind that is read: these are no classes")
        }
        if !walk.repeated.isEmpty {
            notes.append(
                "links to folders that were met already are passed over: \(listed(walk.repeated, length: 120))")
        }
    }

    /// Whether a picture lies in a folder, or below it.
    static func isPictureFolder(_ folder: String) -> Bool {
        var isFound = false
        do {
            var walk = PictureWalk(folder)
            try walk.run { _, kind in
                if case .read = kind { isFound = true }
                return !isFound
            }
        } catch {
            // The folder can be read, and one below it cannot: that is said when its pictures are wanted.
            return (try? FileManager.default.contentsOfDirectory(atPath: folder)) != nil
        }
        return isFound
    }

    /// Whether a file's name says that it is a picture that is read.
    static func isPictureName(_ name: String) -> Bool {
        if case .read? = PictureWalk.kind(of: name) { true } else { false }
    }

    /// - Throws: `GimbalError.invalidFile` for a file whose name says that it is a picture of a kind that is not read.
    static func requireReadName(_ path: String) throws {
        guard case .other(let ending)? = PictureWalk.kind(of: path) else { return }
        throw GimbalError.invalidFile(path: path, reason: "is a .\(ending) file: PNG and JPEG are read")
    }

    // MARK: Lists

    /// The pictures that a table names: a column of paths, from the table's folder, and one of classes.
    /// - Parameters:
    ///   - path: of the table.
    ///   - options: how it is written, and which column holds the classes.
    ///   - needsLabels: whether there must be a column of classes.
    ///   - skips: whether lines are left out that name no picture, one that is not there, or no class.
    /// - Throws: `GimbalError.fileSystem`, `GimbalError.invalidFile` with such a line.
    init(list path: String, options: TableOptions, needsLabels: Bool = true, skips: Bool = false) throws {
        try Self.requireReadName(path)
        let source = try TableSource(path: path)
        guard let (dialect, names, pictures) = try Self.columns(of: source, options) else {
            throw GimbalError.invalidFile(path: path, reason: "has no column of paths of PNG or JPEG files")
        }
        root = URL(filePath: path).deletingLastPathComponent().standardizedFileURL.path
        name = source.fileName
        entries = []
        let labels = try Self.labelColumn(names, besides: pictures, options, path: path, isNeeded: needsLabels)
        let reader = try source.open(dialect)
        var faults: [String] = []
        while try reader.next() {
            let fault: String
            if pictures >= reader.count || labels.map({ $0 >= reader.count }) ?? false {
                fault = "has \(counted(reader.count, "field"))"
            } else {
                var entry = Entry(path: reader.text(pictures), label: labels.map(reader.text))
                let size = try? FileManager.default.attributesOfItem(atPath: self.path(entry))[.size] as? Int
                if entry.path.isEmpty {
                    fault = "names no picture"
                } else if !Self.isPicturePath(entry.path) {
                    fault = "names \(shown(entry.path)), which is no PNG or JPEG file"
                } else if size == nil {
                    fault = "names \(shown(self.path(entry))), which is not there"
                } else if entry.label?.isEmpty ?? false {
                    fault = "gives \(shown(entry.path)) no class"
                } else {
                    entry.byteCount = size ?? 0
                    entries.append(entry)
                    continue
                }
            }
            guard skips else {
                throw GimbalError.invalidFile(path: path, reason: "line \(reader.line) \(fault)")
            }
            faults.append("line \(reader.line) \(fault)")
        }
        if !faults.isEmpty {
            notes.append("of \(name) are left out \(faults.count): \(listed(faults, length: 120))")
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
        return head.starts(with: Array("PK".utf8)) || PictureWalk.mayName(text)
    }

    /// How a table is written, what its columns are called, and which holds paths of pictures, at least of half of its first
    /// lines: what the others name is told by their lines. Nil where none does.
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
                2 * rows.count { column < $0.count && isPicturePath($0[column]) } >= rows.count
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
    init(toPredict path: String, table: TableOptions, skips: Bool = false) throws {
        if isFolder(path) {
            try self.init(folder: path)
        } else if Self.isPictureName(path) {
            self.init(file: path)
        } else {
            try self.init(list: path, options: table, needsLabels: false, skips: skips)
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
