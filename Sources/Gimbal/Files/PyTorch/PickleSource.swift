import GimbalBackend

/// The bytes of a pickle, read from the first to the last; no more of them are in memory than are asked for.
final class PickleSource {
    /// Gives the bytes from a place on, as many as are asked for; fewer where the source ends.
    typealias Fill = (_ place: Int, _ count: Int) throws -> [UInt8]

    /// What errors name.
    let path: String
    private let fill: Fill
    private var window: [UInt8] = []
    private var windowStart = 0

    /// The next byte's place.
    private(set) var place: Int

    init(path: String, from start: Int = 0, fill: @escaping Fill) {
        self.path = path
        self.fill = fill
        place = start
    }

    convenience init(_ bytes: [UInt8], path: String) {
        self.init(path: path) { place, count in Array(bytes[min(place, bytes.count)...].prefix(count)) }
    }

    /// A file's bytes from `start` on.
    convenience init(_ file: FileReader, from start: Int) throws {
        let size = try file.size() ?? 0
        self.init(path: file.path, from: start) { place, count in
            try [UInt8](refusable: max(0, min(count, size - place))) {
                try file.read(at: place, into: UnsafeMutableRawBufferPointer($0))
            }
        }
    }

    func byte() throws -> UInt8 {
        if !(windowStart..<windowStart + window.count).contains(place) {
            window = try fill(place, 1 << 16)
            windowStart = place
            guard !window.isEmpty else { throw ended() }
        }
        defer { place += 1 }
        return window[place - windowStart]
    }

    func bytes(_ count: Int) throws -> [UInt8] {
        let first = place - windowStart
        if first >= 0, first <= window.count, count <= window.count - first {
            place += count
            return Array(window[first..<first + count])
        }
        let found = try fill(place, count)
        guard found.count == count else { throw ended() }
        place += count
        return found
    }

    /// A little-endian number.
    func number<Number: FixedWidthInteger>(_ type: Number.Type) throws -> Number {
        try bytes(MemoryLayout<Number>.size).number(at: 0, as: type)
    }

    /// As many bytes as the number before them says.
    func counted<Number: FixedWidthInteger>(by _: Number.Type) throws -> [UInt8] {
        let count = try number(Number.self)
        guard let count = Int(exactly: count), count >= 0, count <= Int.max - place else { throw ended() }
        return try bytes(count)
    }

    /// The text up to the end of the line.
    func line() throws -> String {
        var bytes: [UInt8] = []
        while true {
            let next = try byte()
            if next == UInt8(ascii: "\n") { return String(decoding: bytes, as: UTF8.self) }
            bytes.append(next)
        }
    }

    private func ended() -> GimbalError {
        .invalidFile(path: path, reason: "truncated: what Python pickled in it does not end")
    }
}
