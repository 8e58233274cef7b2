import GimbalBackend

/// `words` as one line that a shell takes apart again, and a terminal shows as it is.
package func shellCommand(_ words: [String]) -> String {
    words.map { word in
        let plain = word.allSatisfy { $0.isLetter || $0.isNumber || "-_./:=,+".contains($0) }
        if plain && !word.isEmpty { return word }
        guard visible(word.unicodeScalars) != word else { return "'" + word.replacing("'", with: "'\\''") + "'" }
        // Bash and its kin write what does not show in this form.
        let bytes = word.unicodeScalars.map { scalar in
            switch scalar {
            case "'", "\\": "\\\(scalar)"
            case _ where visible([scalar]) == String(scalar): String(scalar)
            default: String(scalar).utf8.map { String(format: "\\x%02x", $0) }.joined()
            }
        }
        return "$'" + bytes.joined() + "'"
    }.joined(separator: " ")
}
