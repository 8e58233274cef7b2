import Gimbal

/// What a run keeps of the data it was trained on: where it lies, what tells it from other data, which of it was held
/// back, and what reads other data in the same way.
public struct DataRecord: Codable, Sendable, Equatable {
    /// Where data comes from.
    public enum Kind: String, Codable, Sendable {
        /// A program gave it: it has to give it again.
        case samples
        /// The digits that are part of Gimbal.
        case digits
        /// A folder of IDX files.
        case images
        /// PNG and JPEG files.
        case pictures
        /// A text.
        case text
        /// Pairs of texts.
        case pairs
        /// A table in a text file whose rows follow each other in time.
        case series
        /// A table in a text file.
        case table
    }

    /// Where the data comes from.
    public var kind = Kind.samples
    /// What messages and reports call the data.
    public var name = ""
    /// The absolute path of the file or folder; nil for data that lies in none.
    public var path: String?
    /// The shape of one sample, such as [1, 28, 28].
    public var inputShape: [Int] = []
    /// The names of the classes in the order of their numbers; empty where numbers are predicted.
    public var classNames: [String] = []
    /// The least and the largest number in the images that were trained on; nil for other data.
    public var inputRange: ClosedRange<Double>?
    /// Samples of each part; of a table larger than memory, about as many.
    public var counts: [TableSplit.Part: Int] = [:]
    /// Of images and texts: a hash of what is in each part, training with validation, by which the data is known again.
    public var fingerprints: [TableSplit.Part: String] = [:]
    /// Of a table: what tells what it held when it was last trained on from what it may hold later; nil where that is not known.
    public var contents: String?
    /// Of a table: how its rows become numbers, and which are held back.
    public var table: TableRecord?
    /// Of pictures: how their files become inputs.
    public var pictures: PictureRecord?
    /// Of a series: how its columns become examples.
    public var series: SeriesRecord?
    /// Of texts: how they become tokens.
    public var text: TextRecord?
    /// What was done to numbers before training, where it is not in `table`; nil for data that is taken as it is.
    public var standardization: Standardization?
    /// How the data was divided into parts.
    public var plan = SplitPlan(validationFraction: nil)

    /// A record of data that a program holds.
    public init(
        _ training: any SupervisedData, validation: (any SupervisedData)? = nil, test: (any SupervisedData)? = nil
    ) {
        name = training.name
        inputShape = training.inputShape.sizes
        classNames = training.classNames
        counts[.training] = training.count
        if let validation { counts[.validation] = validation.count }
        if let test { counts[.test] = test.count }
    }

    /// A record of nothing yet: a run that is made fills it.
    public init() {}

    /// What was done to the numbers to be predicted; nil for classes, and for numbers that are taken as they are.
    public var targetStandardization: Standardization? { table?.schema.targetStandardization ?? standardization }

    /// What tells the data and its parts from others; nil where nothing is known that does.
    var fingerprint: String? {
        let known =
            fingerprints.sorted { $0.key.rawValue < $1.key.rawValue }.map(\.value)
            + [table?.split.fingerprint, series?.fingerprint].compactMap { $0 }
        return known.isEmpty ? nil : known.joined(separator: " ")
    }

    /// The files and folders that the data lies in.
    package var files: [String] { [path, plan.validationPath, plan.testPath].compactMap { $0 } }

    /// What is said of a table that is another than was trained on, under the same name; nil where it is the same, or where that
    /// is not known.
    func note(onChanged contents: String?, path: String) -> String? {
        guard let known = self.contents, let contents, known != contents else { return nil }
        let place = shown(path, limit: 200)
        return "\(place) has changed: its rows, or their order, are not those that the run was trained on"
    }

    /// Checks what may have come from a file.
    /// - Throws: `GimbalError.invalidSetting`.
    public func validate() throws {
        try checkSetting(
            inputShape.allSatisfy { $0 > 0 } && inputShape.reduce(1.0) { $0 * Double($1) } <= 1e15, "inputShape",
            "has the sizes \(inputShape)")
        try checkSetting(
            Set(classNames.map { Array($0.utf8) }).count == classNames.count, "classNames", "two classes of one name")
        for (part, count) in counts {
            try checkSetting((0...1_000_000_000_000).contains(count), "counts", "\(count) samples in \(part.rawValue)")
        }
        try plan.validate()
        try table?.validate()
        try pictures?.validate()
        try series?.validate()
        try text?.validate()
    }
}

extension DataRecord {
    /// Pixels of 0…255 are not 0…1: a model of the one knows nothing of the other.
    /// - Throws: `GimbalError.invalidFile` for images whose numbers are of another size than those that were trained on.
    func requireInputRange(of images: Dataset, path: String) throws {
        guard let inputRange, let found = images.inputRange else { return }
        func size(_ range: ClosedRange<Double>) -> Double { max(abs(range.lowerBound), abs(range.upperBound)) }
        let (known, given) = (size(inputRange), size(found))
        // Some images are dark: only what is no larger than 1 is taken for another scale.
        guard given > 16 * known || (known >= 16 && 0 < given && given <= 1) else { return }
        func words(_ range: ClosedRange<Double>) -> String {
            "\(TableProfile.short(range.lowerBound)) to \(TableProfile.short(range.upperBound))"
        }
        throw GimbalError.invalidFile(
            path: path,
            reason:
                "has pixels from \(words(found)), where the model was trained on \(words(inputRange)): scale them as those "
                + "were (bytes of 0 to 255 are read as 0 to 1, other numbers as they are)")
    }
}

extension TableSplit.Part: CodingKeyRepresentable {}

extension Dataset {
    /// The least and the largest number of the inputs; of bytes, what they may stand for. Nil for none.
    var inputRange: ClosedRange<Double>? {
        switch inputs {
        case .bytes(let bytes, let divisor):
            return bytes.max().map { 0...max(Double($0) / Double(divisor), 1) }
        case .floats(let floats):
            guard let least = floats.min(), let most = floats.max(), least <= most else { return nil }
            return Double(least)...Double(most)
        case .tokens: return nil
        }
    }

    /// A hash of all inputs and targets, in hexadecimal: alike for the same data however its file is compressed.
    var fingerprint: String {
        func hash<Element: BitwiseCopyable>(_ elements: [Element]) -> UInt64 {
            elements.withUnsafeBytes { bytes in
                guard let start = bytes.bindMemory(to: UInt8.self).baseAddress else { return 0 }
                return contentHash(start, bytes.count)
            }
        }
        let inputs: UInt64
        switch self.inputs {
        case .bytes(let bytes, _): inputs = hash(bytes)
        case .floats(let floats): inputs = hash(floats)
        case .tokens(let tokens): inputs = hash(tokens)
        }
        let targets: UInt64
        switch self.targets {
        case .classes(let classes, _): targets = hash(classes)
        case .values(let values, _): targets = hash(values)
        case .tokens(let tokens, _, _): targets = hash(tokens)
        }
        return hexadecimal(folded(inputs, targets ^ 0xE703_7ED1_A0B4_28DB), digits: 16)
    }
}
