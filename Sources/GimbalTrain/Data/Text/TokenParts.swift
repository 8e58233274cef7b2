import Gimbal

/// A text or pairs of texts in their parts.
struct TokenParts {
    var train: any SupervisedData
    var validation: (any SupervisedData)?
    var test: any SupervisedData
    /// How they became tokens.
    var record: TextRecord
    /// Of what is trained on, validation included, and of what is held back.
    var fingerprints: [TableSplit.Part: String]
    var notes: [String] = []
}

/// A hash of a text, in hexadecimal.
func textFingerprint(_ text: String) -> String {
    var text = text
    let hash = text.withUTF8 { bytes in bytes.baseAddress.map { contentHash($0, bytes.count) } ?? 0 }
    return hexadecimal(hash, digits: 16)
}

extension SplitPlan {
    /// - Throws: `GimbalError.invalidSetting` for folds of `path`, which is `what`.
    func requireNoFolds(_ path: String, _ what: String) throws {
        guard fold != nil else { return }
        throw GimbalError.invalidSetting(name: "folds", reason: "is for tables; \(path) holds \(what)")
    }
}
