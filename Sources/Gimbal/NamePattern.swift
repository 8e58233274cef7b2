extension Parameter {
    /// Whether the name fits a pattern: `*` stands for any characters, dots included, and `?` for one.
    ///
    /// ```swift
    /// model.parameters.filter { $0.matches("*.bias") }
    /// ```
    public func matches(_ pattern: String) -> Bool { name.matches(pattern: pattern) }
}

extension String {
    /// Whether the whole string fits `pattern`, in which `*` stands for any characters and `?` for one.
    package func matches(pattern: String) -> Bool {
        let text = Array(utf8)
        let pattern = Array(pattern.utf8)
        var (place, patternPlace) = (0, 0)
        // Where to go on if the text after the last star did not fit: the star takes one character more.
        var retry: (star: Int, place: Int)?
        while place < text.count {
            if patternPlace < pattern.count, pattern[patternPlace] == UInt8(ascii: "*") {
                retry = (patternPlace, place)
                patternPlace += 1
            } else if patternPlace < pattern.count,
                pattern[patternPlace] == text[place] || pattern[patternPlace] == UInt8(ascii: "?")
            {
                place += 1
                patternPlace += 1
            } else if let last = retry {
                retry = (last.star, last.place + 1)
                (place, patternPlace) = (last.place + 1, last.star + 1)
            } else {
                return false
            }
        }
        return pattern[patternPlace...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}
