import Gimbal
import GimbalTestSupport
import GimbalTrain
import Testing

@Suite struct TextFileTests {
    private func read(
        _ bytes: [UInt8], encoding: String? = nil, lineEnds: TextFile.LineEnds = .normalized, allowsNUL: Bool = false
    ) throws -> String {
        try withTemporaryFolder { folder in
            try AtomicFile.write(bytes, to: folder + "/t.txt")
            return try TextFile.read(folder + "/t.txt", encoding: encoding, lineEnds: lineEnds, allowsNUL: allowsNUL)
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

    /// Where a letter and the marks on it are bytes of their own, a letter is kept back until it is known what follows.
    @Test("The last character of a text is read", arguments: ["windows-1258", "TCVN", "windows-1255", "iso-2022-jp"])
    func lastCharacter(encoding: String) throws {
        #expect(try read(Array("abc".utf8), encoding: encoding) == "abc")
        #expect(try read(Array("ab\n".utf8), encoding: encoding) == "ab\n")
        #expect(try read(Array("a".utf8), encoding: encoding) == "a")
        #expect(try read(Array(repeating: 0x61, count: 70_000), encoding: encoding).utf8.count == 70_000)
    }

    @Test("UTF-7 ends with or without a word of it, but not within a character", arguments: ["UTF-7", "utf7"])
    func utf7(encoding: String) throws {
        for whole in ["ab+AOQ-", "ab+AOQ"] { #expect(try read(Array(whole.utf8), encoding: encoding) == "abä") }
        #expect(try read(Array("ab+2D3eAA".utf8), encoding: encoding) == "ab😀")
        for cut in ["ab\n+AO", "ab\n+A", "ab\n+2D0", "ab\n+2D3e"] {
            let error = #expect(throws: GimbalError.self) { _ = try read(Array(cut.utf8), encoding: encoding) }
            #expect("\(String(describing: error))".contains("line 2: the text ends within a character"), "\(cut)")
        }
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
