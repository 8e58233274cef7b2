import GimbalTrain

/// The runs that a path of a user stands for: itself, or those of the folds that it holds.
/// - Throws: `GimbalError.fileSystem` where that cannot be seen.
func runs(at path: String) throws -> [String] {
    let folds = try CrossValidation.runs(in: path)
    return folds.isEmpty ? [path] : folds
}

/// The folds of a cross-validation: what they came to together, and where each is.
struct FoldsInspection: Inspection {
    var path: String
    /// Absent before all have ended.
    var result: CrossValidation?
    var runs: [String]

    init(path: String, runs: [String]) throws {
        (self.path, self.runs) = (path, runs)
        result = try CrossValidation(folder: path)
    }

    var text: String {
        let head = "\(shown(path, limit: 200)): a cross-validation"
        return
            ([head, "  " + (result?.description ?? "not all of its folds have ended")]
            + runs.map { "  " + shown($0, limit: 200) }).joined(separator: "\n")
    }
}
