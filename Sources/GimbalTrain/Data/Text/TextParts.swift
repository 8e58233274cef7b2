import Foundation
import Gimbal

extension TokenParts {
    /// The parts of a text, which follow each other.
    /// - Parameters:
    ///   - path: of the text.
    ///   - options: how it becomes tokens.
    ///   - plan: which shares of it are held back, the end for the test, what stands before it for validation.
    ///   - known: how the run that goes on has made tokens; nil for a new one.
    /// - Throws: `GimbalError.fileSystem`, `GimbalError.invalidFile`, `GimbalError.invalidSetting`.
    init(text path: String, options: TextOptions, plan: SplitPlan, continuing known: TextRecord?) throws {
        try options.validate()
        try plan.requireNoFolds(path, "a text")
        let encoding = options.encoding ?? known?.encoding
        var rest = try TextFile.read(path, encoding: encoding)[...]
        let tested = try Self.share(of: &rest, plan.testFraction, plan.testPath, encoding)
        let trainedAndValidated = rest
        let validated =
            plan.hasValidation
            ? try Self.share(of: &rest, plan.validationFraction ?? 0, plan.validationPath, encoding) : nil
        let tokenizer =
            try known?.makeTokenizer()
            ?? options.makeTokenizer(
                trainedOn: [String(rest)],
                all: { [String(trainedAndValidated), validated ?? "", tested].joined() }, usual: .characters, size: 8192
            )
        let record =
            known ?? TextRecord(tokenizer: tokenizer.json, length: options.length ?? 128, encoding: options.encoding)
        func part(_ text: String, _ own: String?) throws -> TextPart {
            try TextPart(own ?? path, text, tokenizer, length: record.length)
        }
        let train = try part(String(rest), nil)
        let validation = try validated.map { try part($0, plan.validationPath) }
        let test = try part(tested, plan.testPath)
        self.init(
            train: train, validation: validation, test: test, record: record,
            fingerprints: [
                .training: textFingerprint(String(trainedAndValidated)), .test: textFingerprint(tested),
            ])
        if let validated { fingerprints[.validation] = textFingerprint(validated) }
        notes = [("to train on", train), ("to validate on", validation), ("to test on", test)].compactMap { use, part in
            part?.noteOnUnknown.map { "of what is \(use), \($0)" }
        }
        let tokens = train.windows.tokens
        guard tokens.count < 2 || tokens.contains(where: { $0 != tokens[0] }) else {
            throw GimbalError.invalidFile(
                path: path,
                reason:
                    "every token to train on is '\(shown(tokenizer.decode(tokens.prefix(1))))': there is nothing to "
                    + "learn")
        }
        guard train.windows.count > 0 else {
            throw GimbalError.invalidFile(
                path: path,
                reason:
                    "\(tokens.count == 1 ? "1 token is" : "\(tokens.count) tokens are") left to train on, too few for one window of \(record.length) and "
                    + "the token behind it; a shorter `length` takes less")
        }
    }

    /// A part of the text: that of a file of its own, or a share at the end of `rest`, which it is taken from.
    private static func share(
        of rest: inout Substring, _ fraction: Double, _ path: String?, _ encoding: String?
    ) throws -> String {
        if let path { return try TextFile.read(path, encoding: encoding) }
        let count = rest.utf8.count
        var place = rest.utf8.index(
            rest.startIndex, offsetBy: count - Int((Double(count) * fraction).rounded()))
        // At the beginning of a character.
        while place < rest.endIndex, rest.utf8[place] & 0xC0 == 0x80 { place = rest.utf8.index(after: place) }
        defer { rest = rest[..<place] }
        return String(rest[place...])
    }
}
