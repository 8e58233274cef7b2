import Gimbal

/// Where records begin in a table's file, evenly over it, and about how many there are: what it takes to look at a sample
/// of a large file, and to read it from several places at once.
///
/// It follows from the file and how it is written alone: a run that is taken up again finds the same.
struct TableLayout {
    /// Stretches of the file that begin and end with a record, from behind the header to the end; none where a reader may
    /// not begin anywhere in the file, as in one that is compressed.
    var stretches: [Range<Int>] = []
    /// About how many records there are; exact where there are no stretches.
    var recordCount = 0
    /// What tells the file from others, by its size and what was looked at.
    var contents = TableContents()

    /// Stretches that are looked for.
    static let stretchCount = 64
    /// Bytes that are looked at behind each place.
    private static let windowSize = 1 << 20
    /// Records behind a line end that must have the right number of fields before it is taken for the end of a record.
    private static let proofCount = 100
    private static let candidateLimit = 1000

    /// - Parameters:
    ///   - knownRecordCount: where all records were counted before.
    init(_ source: TableSource, _ dialect: TableDialect, knownRecordCount: Int? = nil) throws {
        contents.add(UnsafeRawBufferPointer(start: nil, count: 0), at: source.byteCount)
        let reader = try source.open(dialect)
        let start = reader.nextPlace
        guard try reader.next() else { return }
        guard try source.canSeek(encoding: dialect.encoding) else {
            recordCount = try knownRecordCount ?? Self.count(reader)
            return
        }
        let (width, firstSize) = (reader.count, reader.nextPlace - start)
        var hasStrayQuotes = reader.hasStrayQuote
        var seen = 1
        while seen < Self.candidateLimit, try reader.next() {
            hasStrayQuotes = hasStrayQuotes || reader.hasStrayQuote
            seen += 1
        }
        let probe = RecordProbe(
            source: source, dialect: dialect, width: width, allowsStrayQuotes: hasStrayQuotes)
        let (all, end) = (source.byteCount - start, source.byteCount)
        var starts = [start]
        var (records, bytes) = (0, 0)
        for number in 0..<Self.stretchCount {
            let place = start + all / Self.stretchCount * number
            guard number == 0 || place > starts.last! else { continue }
            guard
                let found = try probe.records(
                    from: place, isStart: number == 0, size: Self.windowSize, adding: &contents)
            else { continue }
            if number > 0 { starts.append(found.start) }
            records += found.count
            bytes += found.byteCount
        }
        stretches = zip(starts, starts.dropFirst() + [end]).map { $0..<$1 }
        if bytes == 0 { (records, bytes) = (1, firstSize) }
        recordCount = max(Int((Double(all) * Double(records) / Double(bytes)).rounded()), 1)
    }

    private static func count(_ reader: TableReader) throws -> Int {
        var count = 1
        while try reader.next() { count += 1 }
        return count
    }

    /// About `size` bytes from the beginnings of all stretches.
    func sample(of size: Int) -> [Range<Int>] {
        stretches.map { $0.lowerBound..<min($0.lowerBound + max(size / stretches.count, 1), $0.upperBound) }
    }

    /// Finds records in the middle of a file.
    private struct RecordProbe {
        let source: TableSource
        let dialect: TableDialect
        let width: Int
        /// Whether quotes stand within fields that are not quoted, as in 5" for five inches.
        let allowsStrayQuotes: Bool

        /// The first record behind a place, and how many follow it in how many bytes.
        ///
        /// A line end within quotes is none of a record: what follows it has another number of fields, or quotes where none
        /// may be.
        /// - Parameter contents: is given the bytes that are looked at.
        func records(
            from place: Int, isStart: Bool, size: Int, adding contents: inout TableContents
        ) throws -> (start: Int, count: Int, byteCount: Int)? {
            let count = min(size, source.byteCount - place)
            let stream = try source.open(bytes: place..<place + count)
            var bytes = [UInt8](repeating: 0, count: count)
            var filled = 0
            while filled < count {
                let read = try bytes.withUnsafeMutableBytes { try stream.read(into: .init(rebasing: $0[filled...])) }
                if read == 0 { break }
                filled += read
            }
            bytes.withUnsafeBytes { contents.add($0, at: place) }
            let isAtEnd = place + count == source.byteCount
            if isStart { return proven(bytes, from: 0, isAtEnd).map { (place, $0.count, $0.byteCount) } }
            let mark = bytes.contains(UInt8(ascii: "\n")) ? UInt8(ascii: "\n") : UInt8(ascii: "\r")
            var candidates = 0
            for index in 0..<bytes.count where bytes[index] == mark && index + 1 < bytes.count {
                if let found = proven(bytes, from: index + 1, isAtEnd) {
                    return (place + index + 1, found.count, found.byteCount)
                }
                candidates += 1
                if candidates > TableLayout.candidateLimit { break }
            }
            return nil
        }

        /// How many records follow in how many bytes; nil where they are none.
        private func proven(_ bytes: [UInt8], from start: Int, _ isAtEnd: Bool) -> (count: Int, byteCount: Int)? {
            let near = start + min(bytes.count - start, 1 << 16)
            if near < bytes.count, let found = proven(Array(bytes[start..<near]), isWhole: false) { return found }
            return proven(Array(bytes[start...]), isWhole: isAtEnd)
        }

        private func proven(_ bytes: [UInt8], isWhole: Bool) -> (count: Int, byteCount: Int)? {
            guard
                let stream = try? TextStream(path: source.path, input: .memory(bytes), encoding: nil, isPart: true),
                let reader = try? TableReader(stream, dialect)
            else { return nil }
            reader.rowWidth = dialect.rowWidth
            var count = 0
            var byteCount = 0
            do {
                while count < TableLayout.proofCount, try reader.next() {
                    // What ends with the bytes may go on behind them.
                    if reader.nextPlace >= bytes.count, !isWhole { break }
                    guard reader.count == width, allowsStrayQuotes || !reader.hasStrayQuote else { return nil }
                    count += 1
                    byteCount = reader.nextPlace
                }
            } catch {
                // A quote that closes behind the bytes.
                if isWhole || count < 3 { return nil }
            }
            return count > reader.raggedRecords ? (count, byteCount) : nil
        }
    }
}
