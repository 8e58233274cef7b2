/// How data is divided into the parts that a run looks at for different ends.
public struct SplitPlan: Codable, Sendable, Equatable {
    /// The share of what is trained on that choices are made on, between 0 and 1; nil for none.
    public var validationFraction: Double? = 0.1
    /// The absolute path of a file of a table all of which choices are made on; nil for a share.
    public var validationPath: String?
    /// The share of a table, or of the digits, that is held back for the test, from 0 to below 1.
    public var testFraction = 0.2
    /// The absolute path of a file of a table all of which is held back for the test; nil for a share.
    public var testPath: String?
    /// The fold of a cross-validation that is the test part, from 0, and how many there are; nil for no folds.
    public var fold: Fold?
    /// What the split follows from.
    public var seed: UInt64 = 0

    /// One of the folds of a cross-validation.
    public struct Fold: Codable, Sendable, Equatable {
        /// Which, from 0.
        public var number: Int
        /// Of how many.
        public var count: Int

        /// The fold `number`, from 0, of `count`.
        public init(_ number: Int, of count: Int) {
            self.number = number
            self.count = count
        }
    }

    /// A fifth for the test and a tenth of the rest for validation.
    public init(validationFraction: Double? = 0.1, seed: UInt64 = 0) {
        self.validationFraction = validationFraction
        self.seed = seed
    }

    var hasValidation: Bool { validationFraction != nil || validationPath != nil }

    /// Checks each setting by itself and with the others.
    /// - Throws: `GimbalError.invalidSetting`.
    public func validate() throws {
        try checkSetting(
            validationFraction.map { $0 > 0 && $0 < 1 } ?? true, "validationFraction", "must lie between 0 and 1")
        try checkSetting((0..<1).contains(testFraction), "testFraction", "must lie between 0 and 1")
        guard let fold else { return }
        try checkSetting(
            fold.count > 1 && (0..<fold.count).contains(fold.number), "folds",
            "has a fold \(fold.number + 1) of \(fold.count)")
        try checkSetting(testPath == nil, "folds", "are parts of the table; a file for the test leaves nothing to fold")
    }
}
