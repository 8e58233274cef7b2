import Gimbal

/// What a file is that is no table, by its first bytes, and the way on.
enum TableFileKind {
    /// - Throws: `GimbalError.invalidFile` for a file of a known other kind.
    static func requireText(_ head: [UInt8], path: String) throws {
        func begins(_ bytes: [UInt8]) -> Bool { head.starts(with: bytes) }
        let text = String(decoding: head.drop { $0 == 0x20 || $0 == 0x09 || $0 == 0x0A || $0 == 0x0D }, as: UTF8.self)
            .lowercased()
        let save = "save it as CSV, and name that"
        let reason: String? =
            if begins(Array("PAR1".utf8)) {
                "is Parquet, which is not read; \(save)"
            } else if begins(Array("ARROW1".utf8)) {
                "is Arrow or Feather, which is not read; \(save)"
            } else if begins([0xD0, 0xCF, 0x11, 0xE0]) {
                "is a workbook of Excel; \(save)"
            } else if begins(Array("SQLite format 3".utf8)) {
                "is a SQLite database; \(save)"
            } else if begins([0x89, 0x48, 0x44, 0x46]) {
                "is HDF5, which is not read; \(save)"
            } else if begins(Array("%PDF".utf8)) { "is a PDF; \(save)" } else if begins(Array("BZh".utf8)) {
                "is compressed by bzip2, which is not read; unpack it (bunzip2)"
            } else if begins([0xFD, 0x37, 0x7A, 0x58, 0x5A]) {
                "is compressed by xz, which is not read; unpack it (unxz)"
            } else if begins([0x28, 0xB5, 0x2F, 0xFD]) {
                "is compressed by zstd, which is not read; unpack it (unzstd)"
            } else if begins(Array("7z".utf8) + [0xBC, 0xAF]) {
                "is a 7z archive, which is not read; unpack it"
            } else if text.hasPrefix("<!doctype html") || text.hasPrefix("<html") {
                "is a web page, not a table; perhaps one that says why the download failed"
            } else if text.hasPrefix("<?xml") {
                "is XML, which is not read; \(save)"
            } else if text.hasPrefix("version https://git-lfs") {
                "is a pointer of Git LFS, not the file it stands for (git lfs pull fetches that)"
            } else if text.hasPrefix("{\"") || text.hasPrefix("[{") || text.hasPrefix("{ \"") {
                "is JSON, which is not read; \(save)"
            } else if text.hasPrefix("@relation") {
                "is ARFF of Weka; the lines behind @data are a table: save them with a first line of names, and name that"
            } else if isSparse(text) {
                "is in the sparse form of LIBSVM, which is not read; save it as CSV with a column for each feature, and name that"
            } else { nil }
        if let reason { throw GimbalError.invalidFile(path: path, reason: reason) }
    }

    /// Whether the first line is a number and then numbers of features, rising, each with a colon and its value.
    private static func isSparse(_ text: String) -> Bool {
        guard let line = text.split(whereSeparator: \.isNewline).first, line.utf8.count < 4000 else { return false }
        let words = line.split(separator: " ")
        guard words.count > 1, Double(words[0]) != nil else { return false }
        var last = -1
        return words.dropFirst().allSatisfy { word in
            let parts = word.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count == 2, let place = Int(parts[0]), place > last, Double(parts[1]) != nil else {
                return false
            }
            last = place
            // 12:30 is a time.
            return true
        } && (words.count > 2 || words[1].contains("."))
    }

    /// The one file of a ZIP archive; nil for what is no archive.
    /// - Throws: `GimbalError.invalidFile` for an archive of several files, and for a workbook.
    static func zipped(_ head: [UInt8], path: String) throws -> [UInt8]? {
        guard head.starts(with: [0x50, 0x4B, 0x03, 0x04]) else { return nil }
        let archive = try ZipArchive(path: path)
        let members = archive.members.filter { !$0.name.hasSuffix("/") && !$0.name.hasPrefix("__MACOSX/") }
        if members.contains(where: { $0.name.hasPrefix("xl/") || $0.name == "content.xml" }) {
            throw GimbalError.invalidFile(path: path, reason: "is a workbook; save its sheet as CSV, and name that")
        }
        guard let only = members.first, members.count == 1 else {
            throw GimbalError.invalidFile(
                path: path,
                reason: "holds \(members.count) files (\(listed(members.map(\.name)))); unpack it, and name one")
        }
        return try archive.read(only)
    }
}
