import Gimbal
import Glibc

/// The beginning of a table as text, on which its dialect is proven.
private struct TableSample {
    let path: String
    var bytes: [UInt8] = []
    /// Whether the table ends here.
    var isWhole = false
    var encoding = TableDialect.utf8

    private static let size = 1 << 22

    init(_ source: TableSource, encoding told: String?) throws {
        path = source.path
        var stream = try source.open(encoding: told)
        bytes = try Self.read(stream)
        if told == nil, !stream.isConverted, let order = Self.byteOrder(bytes) {
            stream = try source.open(encoding: order)
            bytes = try Self.read(stream)
        }
        encoding = stream.encodingName
        isWhole = bytes.count < Self.size
        if !isWhole, let last = bytes.lastIndex(where: { $0 == 0x0A || $0 == 0x0D }) {
            bytes.removeSubrange((last + 1)...)
        }
    }

    /// What the first line says separates fields, as Excel writes it: sep=; and nothing else.
    var toldSeparator: UInt8? {
        let line = bytes.prefix(8).prefix { $0 != 0x0A && $0 != 0x0D }
        guard line.count == 5, String(decoding: line.prefix(4), as: UTF8.self).lowercased() == "sep=" else {
            return nil
        }
        return line.last
    }

    private static func read(_ stream: TextStream) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: size)
        var filled = 0
        while filled < size {
            let count = try bytes.withUnsafeMutableBytes { try stream.read(into: .init(rebasing: $0[filled...])) }
            if count == 0 { break }
            filled += count
        }
        bytes.removeSubrange(filled...)
        return bytes
    }

    /// UTF-16 without a mark: every other byte of what people write is 0 there, and none of the rest.
    private static func byteOrder(_ bytes: [UInt8]) -> String? {
        let head = bytes.prefix(4096)
        let zeros = head.indices.reduce(into: [0, 0]) { if head[$1] == 0 { $0[$1 % 2] += 1 } }
        guard head.count >= 4 else { return nil }
        if zeros[0] == 0, zeros[1] * 5 > head.count { return "UTF-16LE" }
        if zeros[1] == 0, zeros[0] * 5 > head.count { return "UTF-16BE" }
        return nil
    }

    /// The mark of a comment that the first line begins with, as long as others follow that do not.
    var commentMark: UInt8? {
        let mark = bytes.first { $0 != 0x0A && $0 != 0x0D }
        guard let mark, mark == UInt8(ascii: "#") || mark == UInt8(ascii: "%") else { return nil }
        return lines.contains { $0.first != mark } ? mark : nil
    }

    /// The lines before the first that does not begin with `mark`.
    func leadingLines(_ mark: UInt8) -> [ArraySlice<UInt8>] { lines.prefix { $0.first == mark } }

    /// The first lines that are not empty.
    private var lines: [ArraySlice<UInt8>] {
        bytes.split(maxSplits: 1000) { $0 == 0x0A || $0 == 0x0D }.prefix(1000).map { $0 }
    }

    /// The first records that fields separated by `delimiter` make.
    /// - Parameter skipsComments: whether lines are passed over that begin as the first does, where that is a comment's mark.
    func records(_ delimiter: UInt8, limit: Int = 1000, skipsComments: Bool = true) throws -> [[String]] {
        try Self.records(
            in: bytes, path: path, delimiter, comment: skipsComments ? commentMark ?? 0 : 0, limit: limit,
            isWhole: isWhole)
    }

    static func records(
        in bytes: [UInt8], path: String, _ delimiter: UInt8, comment: UInt8, limit: Int, isWhole: Bool
    ) throws -> [[String]] {
        let stream = try TextStream(path: path, input: .memory(bytes), encoding: nil)
        let reader = try TableReader(stream, delimiter: delimiter, comment: comment)
        var records: [[String]] = []
        var fields = 0
        do {
            while records.count < limit, fields < 200_000, try reader.next() {
                records.append(reader.texts)
                fields += reader.count
            }
        } catch {
            // A quote may close where the sample no longer sees it.
            if isWhole || records.count < 2 { throw error }
        }
        return records
    }
}

extension TableDialect {
    /// What a file proves about itself, and the records that prove it.
    /// - Parameters:
    ///   - options: what is told, which the file is not asked about.
    ///   - names: of columns that the first line has if it is a header.
    ///   - leastColumns: columns that the file has at least: one input and a target, or the input alone for prediction.
    /// - Throws: `GimbalError.invalidFile` where something is neither told nor proven.
    static func found(
        in source: TableSource, options: TableOptions, expecting names: [String] = [], leastColumns: Int = 2
    ) throws -> (dialect: TableDialect, records: [[String]]) {
        let sample = try TableSample(source, encoding: options.encoding)
        var dialect = TableDialect()
        dialect.encoding = sample.encoding
        let separator = sample.toldSeparator
        let told = try told(options.delimiter) ?? separator
        let (delimiter, rows) = try told.map { ($0, try sample.records($0)) } ?? provenDelimiter(sample)
        guard !rows.isEmpty else { throw GimbalError.invalidFile(path: sample.path, reason: "empty") }
        dialect.delimiter = String(Character(Unicode.Scalar(delimiter)))
        var records = rows
        try dialect.findTable(in: &records, sample, hasSeparatorLine: separator != nil)
        if options.hasHeader != true, isCounts(records, isWhole: sample.isWhole) {
            dialect.preambleLines += 1
            records.removeFirst()
        }
        guard usualCount(records) ?? 1 >= leastColumns else {
            throw dialect.oneColumn(sample.path)
        }
        try dialect.findMarks(records, options, path: sample.path)
        dialect.hasHeader =
            try options.hasHeader
            ?? dialect.provenHeader(records, expecting: names + options.namedColumns, path: sample.path)
        if dialect.hasHeader, let header = records.first, records.count > 1 {
            dialect.hasTrailingDelimiter = records.dropFirst().allSatisfy {
                $0.count == header.count + 1 && $0[header.count].isEmpty
            }
        }
        if options.raggedRows == .skip {
            let rows = dialect.hasHeader && records.count > 1 ? Array(records.dropFirst()) : records
            dialect.rowWidth = usualCount(rows)
            let first = records[0]
            records.removeAll { $0.count != dialect.rowWidth && $0 != first }
        }
        return (dialect, records)
    }

    /// What is wrong with a file of one column.
    func oneColumn(_ path: String) -> GimbalError {
        .invalidFile(
            path: path,
            reason: "only one column, where inputs and a target are expected; fields are separated by "
                + "\(delimiter == "\t" ? "tabs" : "'\(delimiter)'") (delimiter, --delimiter)")
    }

    /// Passes over what stands before the table: titles, comments, Excel's line that names the delimiter.
    private mutating func findTable(
        in records: inout [[String]], _ sample: TableSample, hasSeparatorLine: Bool
    ) throws {
        if let mark = sample.commentMark { return try findComments(mark, in: &records, sample) }
        func pass() {
            preambleLines += 1
            records.removeFirst()
        }
        if hasSeparatorLine, !records.isEmpty { pass() }
        // A title has fewer fields than the lines of the table.
        while records.count > 2, preambleLines < 20, let width = Self.usualCount(Array(records.dropFirst())), width > 1
        {
            let filled = records[0].count { !$0.isEmpty }
            let isTitle = filled == 1 && width > 2 && FieldKind(records[0][0], numberReader) == .text
            // One field fewer has the header of a table whose rows begin with their names.
            guard records[0].count < width - 1 || (isTitle && !records[1].contains("")) else { break }
            pass()
        }
    }

    /// Lines before the table that begin with a mark are comments unless they have as many fields as those of the table.
    /// Names may stand behind a mark, as NumPy writes them; a column may be called by the mark alone; colours begin with it.
    private mutating func findComments(_ mark: UInt8, in records: inout [[String]], _ sample: TableSample) throws {
        let lines = sample.leadingLines(mark)
        guard let width = Self.usualCount(records), let line = lines.last else { return }
        let last = try? TableSample.records(
            in: Array(line), path: sample.path, delimiterByte, comment: 0, limit: 1, isWhole: true
        ).first
        let names = Self.uncommented(last ?? [])
        let reader = numberReader
        hasCommentedHeader =
            names.count == width && names.allSatisfy { FieldKind($0, reader) == .text }
            && records.first.map { $0.contains { FieldKind($0, reader) != .text } } ?? false
        if hasCommentedHeader {
            preambleLines += lines.count - 1
            records.insert(names, at: 0)
        } else if last?.count == width {
            records = try sample.records(delimiterByte, skipsComments: false)
            while records.first?.count != width, records.first?.first?.utf8.first == mark {
                records.removeFirst()
                preambleLines += 1
            }
        } else {
            commentMark = String(Character(Unicode.Scalar(mark)))
        }
    }

    /// The fields of a line without the mark of a comment before the first.
    static func uncommented(_ fields: [String]) -> [String] {
        guard let first = fields.first, first.first == "#" || first.first == "%" else { return fields }
        let rest = first.drop { $0 == "#" || $0 == "%" || $0 == " " }
        return rest.isEmpty && fields.count > 1 ? Array(fields.dropFirst()) : [String(rest)] + fields.dropFirst()
    }

    private static func told(_ delimiter: Character?) throws -> UInt8? {
        guard let delimiter else { return nil }
        guard let byte = delimiter.asciiValue, byte != 0, delimiter != "\"", !delimiter.isNewline else {
            throw GimbalError.invalidSetting(
                name: "delimiter", reason: "'\(shown(String(delimiter)))' cannot separate fields")
        }
        return byte
    }

    // MARK: What separates fields

    private static let candidates = ["\t", ";", "|", ",", "^", "~", " "].map { UInt8(ascii: $0 as Unicode.Scalar) }

    /// The character that cuts the lines into the same number of fields, each of them one thing.
    private static func provenDelimiter(_ sample: TableSample) throws -> (UInt8, [[String]]) {
        var best: (delimiter: UInt8, records: [[String]], score: Double)?
        var second = 0.0
        var failure: (any Error)?
        for candidate in candidates {
            // Spaces may be tabs.
            if candidate == UInt8(ascii: " "), best?.delimiter == UInt8(ascii: "\t") { continue }
            let records: [[String]]
            do {
                records = try sample.records(candidate, limit: 300)
            } catch {
                if candidate == UInt8(ascii: ",") || failure == nil { failure = error }
                continue
            }
            guard let score = score(records, candidate) else { continue }
            if score > best?.score ?? 0 {
                second = best?.score ?? 0
                best = (candidate, records, score)
            } else {
                second = max(second, score)
            }
        }
        // Quotes that are not as they should be are no reason to take spaces for what separates fields.
        let isLastResort = best?.delimiter == UInt8(ascii: " ")
        guard let best, failure == nil || !isLastResort else {
            let comma = UInt8(ascii: ",")
            if let best, best.score > 0.9, case GimbalError.invalidFile(let path, let reason)? = failure {
                throw GimbalError.invalidFile(
                    path: path,
                    reason: "\(reason); where spaces separate fields, say so (delimiter, --delimiter space)")
            }
            if let failure { throw failure }
            return (comma, try sample.records(comma))
        }
        guard best.score - second > 0.02 || second < 0.9 else {
            throw GimbalError.invalidFile(
                path: sample.path,
                reason: "several characters could separate its fields; say which does (delimiter, --delimiter)")
        }
        return (best.delimiter, try sample.records(best.delimiter))
    }

    /// How well a character separates fields, up to 1; nil where it does not occur in most lines.
    private static func score(_ records: [[String]], _ delimiter: UInt8) -> Double? {
        guard let width = usualCount(records), width > 1 else { return nil }
        let others = candidates.filter { $0 != delimiter && $0 != UInt8(ascii: " ") }
        let readers = [
            NumberReader(allowsDress: true), NumberReader(decimalMark: UInt8(ascii: ","), allowsDress: true),
        ]
        var clean = 0
        var all = 0
        for record in records where record.count == width {
            for field in record {
                all += 1
                var field = field
                field.withUTF8 { bytes in
                    let base = bytes.baseAddress
                    let isOne =
                        base == nil || readers.contains { $0(base!, bytes.count) != nil }
                        || DateForm.allCases.contains { readDate(base!, bytes.count, $0) != nil }
                        || !(bytes.contains(where: others.contains) || isNumbersBySpaces(bytes))
                    if isOne { clean += 1 }
                }
            }
        }
        return Double(records.count { $0.count == width }) / Double(records.count) * Double(clean) / Double(all)
    }

    private static func isNumbersBySpaces(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        let isNumeric = bytes.allSatisfy { $0 == 0x20 || $0 == 0x09 || 0x2B...0x39 ~= $0 || $0 | 0x20 == 0x65 }
        return isNumeric && bytes.contains { $0 == 0x20 || $0 == 0x09 }
    }

    /// The number of fields that most records have; of equals, that of the earlier.
    fileprivate static func usualCount(_ records: [[String]]) -> Int? {
        var counts: [Int: Int] = [:]
        for record in records { counts[record.count, default: 0] += 1 }
        let most = counts.values.max()
        return records.first { counts[$0.count] == most }?.count
    }

    /// Whether the first line is scikit-learn's: the number of rows, that of inputs, the names of the classes.
    private static func isCounts(_ records: [[String]], isWhole: Bool) -> Bool {
        guard records.count > 2, let width = usualCount(Array(records.dropFirst())), records[0].count >= 2,
            let rows = Int(records[0][0]), let inputs = Int(records[0][1]), inputs == width - 1,
            rows >= records.count - 1, !isWhole || records.count == 1000 || rows == records.count - 1
        else { return false }
        return records[0].dropFirst(2).allSatisfy { Double($0) == nil }
    }

    // MARK: Numbers

    private mutating func findMarks(_ records: [[String]], _ options: TableOptions, path: String) throws {
        for (name, mark) in [("decimal mark", options.decimalMark), ("thousands mark", options.thousandsMark)] {
            guard let mark, mark.isNumber || mark == "-" || mark == "+" || mark.isLetter else { continue }
            throw GimbalError.invalidSetting(name: name, reason: "'\(mark)' is part of a number")
        }
        if let mark = options.decimalMark, mark != ".", mark != "," {
            throw GimbalError.invalidSetting(
                name: "decimal mark", reason: "is a point or a comma, not '\(shown(String(mark)))'")
        }
        if let mark = options.decimalMark, mark == options.thousandsMark {
            throw GimbalError.invalidSetting(name: "thousands mark", reason: "'\(mark)' is the decimal mark")
        }
        let evidence = MarkEvidence(records)
        func conflict(_ words: String) -> GimbalError {
            GimbalError.invalidFile(
                path: path,
                reason:
                    "\(words); say what stands before a fraction (decimalMark, --decimal) and what between groups of "
                    + "digits (thousandsMark, --thousands)")
        }
        if let told = options.decimalMark {
            decimalMark = String(told)
        } else if let told = options.thousandsMark, told == "," || told == "." {
            decimalMark = told == "," ? "." : ","
        } else if evidence.commas > 0, evidence.points > 0, delimiter != "," {
            throw conflict(
                "has numbers such as '\(shown(evidence.commaExample))' and such as '\(shown(evidence.pointExample))'")
        } else if evidence.commas > 0, evidence.points == 0 {
            decimalMark = ","
        } else if evidence.points == 0, evidence.ambiguous[","] != nil {
            throw conflict("has numbers such as '\(shown(evidence.ambiguous[","]!))', whose comma may be either")
        }
        if let told = options.thousandsMark {
            thousandsMark = String(told)
        } else {
            let other: Character = decimalMark == "." ? "," : "."
            // A point that may be either is a decimal point unless commas are proven to be the decimal marks.
            thousandsMark = ([other] + MarkEvidence.spacings).first {
                evidence.groups.contains($0) || evidence.ambiguous[$0] != nil
            }.map(String.init)
        }
    }

    // MARK: The first line

    /// Whether the first record holds names: how likely it is as one more record of those that follow, against how likely
    /// as a header.
    private func provenHeader(_ records: [[String]], expecting names: [String], path: String) throws -> Bool {
        let first = records[0]
        if names.contains(where: { first.contains($0) }) { return true }
        let body = records.dropFirst().filter { $0.count == first.count }
        let reader = numberReader
        let kinds = first.map { FieldKind($0, reader) }
        guard !body.isEmpty else { return !kinds.contains { $0 == .whole || $0 == .fraction } }
        let isText = kinds.map { $0 == .text }
        // 0, 1, 2, … as a data frame without names is written, or 2019, 2020, …: names, unless other lines rise as well.
        var mayBeEither = false
        if let rise = Self.rise(first), rise.isUsual, first.count > 2,
            !body.prefix(100).contains(where: { Self.rise($0)?.step == rise.step })
        {
            let isOverFractions = body.contains { $0.contains { FieldKind($0, reader) == .fraction } }
            if first.count > 3 || isOverFractions { return true }
            mayBeEither = true
        }
        var odds = 0.0
        for column in first.indices {
            let fields = body.map { $0[column] }
            let bodyKinds = fields.map { FieldKind($0, reader) }
            let total = Double(body.count) + 1.5
            func share(_ kind: FieldKind) -> Double { (Double(bodyKinds.count { $0 == kind }) + 0.5) / total }
            let asData: Double
            let asName: Double
            switch kinds[column] {
            case .text:
                var counts: [String: Int] = [:]
                for field in fields { counts[field, default: 0] += 1 }
                let texts = zip(fields, bodyKinds).filter { $0.1 == .text }.map(\.0)
                let repeated = texts.count { counts[$0]! > 1 }
                let isSeen = counts[first[column]] != nil
                asData = (Double(isSeen ? repeated : texts.count - repeated) + 0.5) / total
                asName = isSeen ? 0.005 : 0.85
            case .whole: (asData, asName) = (share(.whole), 0.02)
            case .fraction: (asData, asName) = (share(.fraction), 0.002)
            case .date: (asData, asName) = (share(.date), 0.005)
            case .missing: (asData, asName) = (share(.missing), first[column].isEmpty ? 0.05 : 0.005)
            }
            odds += log(asName / asData)
        }
        if odds > log(15) { return true }
        if odds < -log(15), !mayBeEither { return false }
        // Where no field of the body is a text, texts are names.
        if isText.allSatisfy({ $0 }), body.allSatisfy({ !$0.contains { FieldKind($0, reader) == .text } }) {
            return true
        }
        throw GimbalError.invalidFile(
            path: path,
            reason: "line 1: '\(listed(first, limit: 5, length: 20))' may be a header or data; say which (hasHeader, "
                + "--header or --no-header)")
    }

    /// The step by which whole numbers rise from the first field to the last, or to the one before it where that is a
    /// text; usual are 0, 1, 2, …, 1, 2, 3, … and years.
    private static func rise(_ fields: [String]) -> (step: Int, isUsual: Bool)? {
        var fields = fields[...]
        if let last = fields.last, Int(last) == nil { fields = fields.dropLast() }
        let numbers = fields.map { Int($0) }
        guard numbers.count > 1, let first = numbers[0], let second = numbers[1], second > first else { return nil }
        let step = second &- first
        for (index, number) in numbers.enumerated() where number != first &+ index &* step { return nil }
        return (step, numbers.count > 2 && (step == 1 && 0...1 ~= first || 1500...2200 ~= first))
    }

    private enum FieldKind {
        case missing, whole, fraction, date, text

        init(_ text: String, _ reader: NumberReader) {
            var text = text
            self = text.withUTF8 { bytes in
                guard let base = bytes.baseAddress, bytes.count > 0, !MissingMarks.usual.contains(base, bytes.count)
                else { return .missing }
                if let number = reader(base, bytes.count) {
                    return number == number.rounded() && !bytes.contains(UInt8(ascii: ".")) ? .whole : .fraction
                }
                return DateForm.allCases.contains { readDate(base, bytes.count, $0) != nil } ? .date : .text
            }
        }
    }
}

extension TableOptions {
    /// Columns that are called by a name that is no number.
    fileprivate var namedColumns: [String] {
        var names = (columns ?? []) + excluded + ids + types.keys
        switch target {
        case .named(let name): return names.filter { Int($0) == nil } + [name]
        case .written(let name): names.append(name)
        case .last, .column: break
        }
        // A number beyond any table's width, such as a year, is a name as well.
        return names.filter { Int($0).map { $0 > 1000 } ?? true }
    }
}

/// What the numbers of a table say about the marks in them.
private struct MarkEvidence {
    /// Numbers that only a decimal comma explains, and that only a decimal point does.
    private(set) var commas = 0
    private(set) var points = 0
    private(set) var commaExample = ""
    private(set) var pointExample = ""
    /// Marks that are known to stand between groups of digits.
    private(set) var groups: Set<Character> = []
    /// Numbers of one mark and three digits behind it, by the mark.
    private(set) var ambiguous: [Character: String] = [:]

    static let spacings: [Character] = ["'", "’", " ", "\u{A0}", "\u{2009}", "\u{202F}"]
    private static let marks: Set<Character> = Set(spacings).union([",", "."])

    init(_ records: [[String]]) {
        guard let width = TableDialect.usualCount(records) else { return }
        for column in 0..<width {
            let fields = records.dropFirst().filter { $0.count == width && !$0[column].isEmpty }.map { $0[column] }
            let shapes = fields.map { Shape($0) }
            // Of a column of texts some may look like numbers.
            guard shapes.count(where: { $0 != nil }) * 5 >= fields.count * 4 else { continue }
            for (field, shape) in zip(fields, shapes) { if let shape { take(shape, field) } }
        }
    }

    private enum Shape {
        case plain
        case decimal(Character, groups: Character?)
        case grouped(Character)
        case either(Character)

        init?(_ dressed: String) {
            guard dressed.utf8.count < 40 else { return nil }
            var dressed = dressed
            let text = dressed.withUTF8 { bytes in
                bytes.baseAddress.flatMap { base in
                    NumberDress(base, bytes.count).map {
                        String(decoding: UnsafeBufferPointer(rebasing: bytes[$0.start..<$0.end]), as: UTF8.self)
                    }
                }
            }
            guard let text = text ?? (dressed.isEmpty ? nil : dressed), let first = text.first else { return nil }
            var body = text[...]
            if first == "-" || first == "+" { body = body.dropFirst() }
            var runs = [0]
            var marks: [Character] = []
            for character in body {
                if character.isASCII, character.isNumber {
                    runs[runs.count - 1] += 1
                } else if MarkEvidence.marks.contains(character) {
                    marks.append(character)
                    runs.append(0)
                } else {
                    // An exponent ends what is looked at.
                    guard character == "e" || character == "E", runs != [0] else { return nil }
                    break
                }
            }
            guard let last = marks.last else {
                if runs == [0] { return nil }
                self = .plain
                return
            }
            let isGrouped = { (runs: ArraySlice<Int>) in 1...3 ~= runs.first! && runs.dropFirst().allSatisfy { $0 == 3 }
            }
            let before = marks.dropLast()
            let isDecimalMark = last == "," || last == "."
            if before.isEmpty {
                if runs[1] == 3, 1...3 ~= runs[0], !(body.first == "0") {
                    self = .either(last)
                } else if isDecimalMark, runs[0] + runs[1] > 0 {
                    self = .decimal(last, groups: nil)
                } else {
                    return nil
                }
            } else if Set(marks).count == 1, isGrouped(runs[...]) {
                self = .grouped(last)
            } else if isDecimalMark, Set(before).count == 1, before[0] != last, isGrouped(runs.dropLast()) {
                self = .decimal(last, groups: before[0])
            } else {
                return nil
            }
        }
    }

    private mutating func take(_ shape: Shape, _ text: String) {
        func decimal(_ mark: Character) {
            if mark == "," {
                commas += 1
                if commaExample.isEmpty { commaExample = text }
            } else {
                points += 1
                if pointExample.isEmpty { pointExample = text }
            }
        }
        switch shape {
        case .plain: break
        case .decimal(let mark, let group):
            decimal(mark)
            if let group { groups.insert(group) }
        case .grouped(let mark):
            groups.insert(mark)
            if mark == "," { decimal(".") }
            if mark == "." { decimal(",") }
        case .either(let mark): ambiguous[mark] = ambiguous[mark] ?? text
        }
    }
}
