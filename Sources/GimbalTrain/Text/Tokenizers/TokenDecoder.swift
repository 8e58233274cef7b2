/// How the tokens of a byte-pair tokenizer spell a text.
enum TokenDecoder: Sendable, Equatable {
    /// By bytes.
    case byteLevel
    /// By characters, of which `mark` stands for a space.
    case marked(Marked)

    struct Marked: Sendable, Equatable {
        var mark: String
        /// How many spaces at the beginning of the text were none of its own.
        var strippedSpaces: Int
        /// Whether tokens such as `<0x0A>` stand for bytes.
        var hasBytes: Bool
        /// Whether a file tells it by a `Metaspace`, of this kind, or by its parts.
        var metaspace: PreTokenizer.MetaspacePrefix?
    }

    /// What each token adds to a text, but for spaces that are left out at its beginning.
    func pieces(_ model: BytePairModel) -> [[UInt8]] {
        guard case .marked(let marked) = self else { return model.spellings }
        let mark = Array(marked.mark.utf8)
        return zip(model.names, model.spellings).map { name, spelling in
            if marked.hasBytes, let name, let byte = BytePairModel.fallbackByte(name) { return [byte] }
            return spelling.replacing(mark, with: [0x20])
        }
    }

    /// How many spaces at the beginning of a text are left out.
    var strippedSpaces: Int {
        if case .marked(let marked) = self { return marked.strippedSpaces }
        return 0
    }
}
