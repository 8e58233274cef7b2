/// `words` as one line that a shell takes apart again.
package func shellCommand(_ words: [String]) -> String {
    words.map { word in
        let plain = word.allSatisfy { $0.isLetter || $0.isNumber || "-_./:=,+".contains($0) }
        return plain && !word.isEmpty ? word : "'" + word.replacing("'", with: "'\\''") + "'"
    }.joined(separator: " ")
}
