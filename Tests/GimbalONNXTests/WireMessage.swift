import Foundation
import GimbalTrain

/// A protobuf message as its bytes say, without a schema: what a reader of another maker finds under each number.
struct WireMessage {
    enum Value {
        case number(UInt64)
        case bytes([UInt8])
    }
    private(set) var fields: [(number: Int, value: Value)] = []

    init(_ bytes: [UInt8]) throws {
        var place = 0
        func fail() -> GimbalError { .invalidFile(path: "message", reason: "it ends too early") }
        func varint() throws -> UInt64 {
            var (result, shift) = (UInt64(0), UInt64(0))
            while true {
                guard place < bytes.count, shift < 64 else { throw fail() }
                let byte = bytes[place]
                place += 1
                result |= UInt64(byte & 0x7F) << shift
                if byte < 0x80 { return result }
                shift += 7
            }
        }
        while place < bytes.count {
            let key = try varint()
            let number = Int(key >> 3)
            switch key & 7 {
            case 0: fields.append((number, .number(try varint())))
            case 2:
                let count = Int(try varint())
                guard place + count <= bytes.count else { throw fail() }
                fields.append((number, .bytes([UInt8](bytes[place..<place + count]))))
                place += count
            case 5:
                guard place + 4 <= bytes.count else { throw fail() }
                let bits = (0..<4).reduce(UInt64(0)) { $0 | UInt64(bytes[place + $1]) << UInt64(8 * $1) }
                fields.append((number, .number(bits)))
                place += 4
            default: throw GimbalError.invalidFile(path: "message", reason: "wire type \(key & 7)")
            }
        }
    }

    func messages(_ number: Int) throws -> [WireMessage] { try bytes(number).map(WireMessage.init) }
    func texts(_ number: Int) -> [String] { bytes(number).map { String(decoding: $0, as: UTF8.self) } }
    func text(_ number: Int) -> String { texts(number).first ?? "" }
    func bytes(_ number: Int) -> [[UInt8]] {
        fields.compactMap { if $0.number == number, case .bytes(let bytes) = $0.value { bytes } else { nil } }
    }
    func numbers(_ number: Int) -> [Int] {
        fields.compactMap { if $0.number == number, case .number(let value) = $0.value { Int(value) } else { nil } }
    }
}
