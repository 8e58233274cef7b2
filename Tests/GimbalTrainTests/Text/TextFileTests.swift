import Gimbal
import GimbalTestSupport
import GimbalTrain
import Testing

@Suite struct TextFileTests {
    private func read(
        _ bytes: [UInt8], lineEnds: TextFile.LineEnds = .normalized, allowsNUL: Bool = false
    ) throws -> String {
        try withTemporaryFolder { folder in
            try AtomicFile.write(bytes, to: folder + "/t.txt")
            return try TextFile.read(folder + "/t.txt", lineEnds: lineEnds, allowsNUL: allowsNUL)
        }
    }

    private func expect(_ bytes: [UInt8], _ words: String, _ location: SourceLocation = #_sourceLocation) {
        let error = #expect(throws: GimbalError.self, sourceLocation: location) { _ = try read(bytes) }
        #expect(
            "\(String(describing: error))".contains(words), "\(String(describing: error))", sourceLocation: location)
    }

    @Test func marksAndLineEnds() throws {
        #expect(try read(Array("a\r\nb\rc\n\r\n".utf8)).utf8.elementsEqual("a\nb\nc\n\n".utf8))
        #expect(try read(Array("a\r\nb\r".utf8), lineEnds: .kept).utf8.elementsEqual("a\r\nb\r".utf8))
        #expect(try read([0xEF, 0xBB, 0xBF] + Array("é".utf8)).utf8.elementsEqual("é".utf8))
        // One inside is a character.
        #expect(try read(Array("a\u{FEFF}b".utf8)).unicodeScalars.count == 3)
    }

    @Test func utf16() throws {
        let text = "aé中😀\r\n"
        let units = Array(text.utf16)
        let little: [UInt8] =
            [0xFF, 0xFE] + units.flatMap { unit -> [UInt8] in [UInt8(unit & 0xFF), UInt8(unit >> 8)] }
        let big: [UInt8] = [0xFE, 0xFF] + units.flatMap { unit -> [UInt8] in [UInt8(unit >> 8), UInt8(unit & 0xFF)] }
        #expect(try read(little).utf8.elementsEqual("aé中😀\n".utf8))
        #expect(try read(big, lineEnds: .kept).utf8.elementsEqual(text.utf8))
        expect([0xFF, 0xFE, 0x41], "half a character at its end, at byte 2")
        expect([0xFF, 0xFE, 0x0A, 0, 0x00, 0xD8, 0x41, 0], "half a surrogate pair at byte 4, in line 2")
        expect([0xFF, 0xFE, 0x00, 0xDC], "half a surrogate pair at byte 2")
        expect([0xFF, 0xFE], "nothing but a byte order mark")
        expect([0xFF, 0xFE, 0, 0, 0x41, 0, 0, 0], "UTF-32")
    }

    @Test func whatIsNoText() throws {
        expect([], "an empty file")
        expect([0xEF, 0xBB, 0xBF], "nothing but a byte order mark")
        expect(Array("ab\ncd".utf8) + [0xE9, 0x21], "the byte 0xE9 at byte 5, in line 2, is not UTF-8")
        expect([0x41, 0xC0, 0xAF], "the byte 0xC0 at byte 1, in line 1")
        expect(Array("a\nb\0".utf8), "NUL at byte 3, in line 2")
        #expect(try read(Array("a\0".utf8), allowsNUL: true) == "a\0")
        let error = #expect(throws: GimbalError.self) { _ = try TextFile.read("/nowhere/t.txt") }
        #expect("\(String(describing: error))".contains("No such file"))
    }
}
