import Gimbal

/// What a table holds, in one number: that of its rows in their order, in which they are shuffled as well, by the columns that a
/// model uses; of a table that is never held as a whole, that of the bytes which are looked at anyway, and of how many there are.
struct TableContents: Equatable {
    private var sum: UInt64 = 0
    private var rowCount = 0

    /// Adds the next row.
    /// - Parameter hash: of what is in it.
    mutating func add(row hash: UInt64) {
        add(hash, at: rowCount)
        rowCount += 1
    }

    private mutating func add(_ hash: UInt64, at place: Int) {
        sum &+= folded(hash ^ folded(UInt64(place), 0xE703_7ED1_A0B4_28DB), 0xA076_1D64_78BD_642F)
    }

    /// Adds bytes of the file, which count by their place.
    mutating func add(_ bytes: UnsafeRawBufferPointer, at place: Int) {
        let start = bytes.bindMemory(to: UInt8.self).baseAddress
        let hash = start.map { contentHash($0, bytes.count) } ?? 0
        add(hash, at: place)
    }

    /// As a run keeps it.
    var text: String { hexadecimal(sum, digits: 16) }
}
