/// The parts that the patterns of `SplitPattern` are made of. Each begins at a place of a text and gives where it ends.
struct PatternScan {
    /// Valid UTF-8.
    let bytes: UnsafeBufferPointer<UInt8>
    let end: Int

    /// 0 at the end.
    func byte(_ position: Int) -> UInt8 { position < end ? bytes[position] : 0 }

    func kind(_ position: Int) -> CharacterClass { CharacterClass.of(UTF8Scan.scalar(at: position, bytes).value) }

    private func next(_ position: Int) -> Int { position + UTF8Scan.scalar(at: position, bytes).length }

    /// Characters for as long as `isPart` holds, from `start` on.
    func run(_ start: Int, _ isPart: (CharacterClass) -> Bool) -> Int {
        var position = start
        while position < end {
            let scalar = UTF8Scan.scalar(at: position, bytes)
            guard isPart(CharacterClass.of(scalar.value)) else { break }
            position += scalar.length
        }
        return position
    }

    /// 's, 't, 're, 've, 'm, 'll or 'd.
    func contraction(_ start: Int, ignoresCase: Bool) -> Int? {
        guard byte(start) == 0x27 else { return nil }
        func letter(_ offset: Int) -> UInt8 {
            let byte = byte(start + offset)
            return ignoresCase && (0x41...0x5A).contains(byte) ? byte | 0x20 : byte
        }
        switch (letter(1), letter(2)) {
        case (UInt8(ascii: "r"), UInt8(ascii: "e")), (UInt8(ascii: "v"), UInt8(ascii: "e")),
            (UInt8(ascii: "l"), UInt8(ascii: "l")):
            return start + 3
        case (UInt8(ascii: "s"), _), (UInt8(ascii: "t"), _), (UInt8(ascii: "m"), _), (UInt8(ascii: "d"), _):
            return start + 2
        // ſ, which is an s where case does not count.
        case (0xC5, 0xBF) where ignoresCase: return start + 3
        default: return nil
        }
    }

    /// Behind the one character, neither letter, number nor line end, that goes with a word; `start` where another is there.
    func wordStart(_ start: Int) -> Int {
        let byte = bytes[start]
        guard byte != 0x0A, byte != 0x0D, kind(start).isDisjoint(with: [.letter, .number]) else { return start }
        return next(start)
    }

    /// Capitals and then small letters, or only one of both; letters without case and marks are either.
    func casedWord(_ start: Int) -> Int? {
        let capitals = run(start) { $0.contains(.notLowercase) }
        let word = run(capitals) { $0.contains(.notUppercase) }
        if word > capitals { return word }
        // The expression asks for a small letter first: the last of the capitals that may be one.
        var position = capitals
        while position > start {
            let scalar = UTF8Scan.scalar(before: position, bytes)
            if CharacterClass.of(scalar.value).contains(.notUppercase) { return position }
            position -= scalar.length
        }
        return capitals > start ? capitals : nil
    }

    /// Up to `digits` digits; or signs, with a space before them and `lineEnds` behind; or white space.
    func numberOrSigns(_ start: Int, digits: Int, lineEnds: [UInt8]) -> Int {
        var position = start
        for _ in 0..<digits where position < end && kind(position).contains(.number) { position = next(position) }
        if position > start { return position }
        let signs = byte(start) == 0x20 ? start + 1 : start
        if signs < end, kind(signs).isOther {
            position = run(signs) { $0.isOther }
            while position < end, lineEnds.contains(bytes[position]) { position += 1 }
            return position
        }
        return space(start, splitsLines: true)
    }

    /// White space: all but its last character where something else follows, which takes that; at least one.
    /// - Parameter splitsLines: whether a piece ends behind the last line end, if there is one.
    func space(_ start: Int, splitsLines: Bool) -> Int {
        let all = run(start) { $0.contains(.space) }
        if splitsLines, let last = bytes[start..<all].lastIndex(where: { $0 == 0x0A || $0 == 0x0D }) { return last + 1 }
        if all == end { return all }
        let last = all - UTF8Scan.scalar(before: all, bytes).length
        return last > start ? last : all
    }
}
