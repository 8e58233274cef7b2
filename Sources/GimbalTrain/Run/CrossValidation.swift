import Foundation
import Gimbal

/// What the runs of a cross-validation came to on their test parts.
///
/// The runs lie in one folder as `fold-1`, `fold-2`, …; this is beside them as `folds.json` when all have ended.
public struct CrossValidation: Codable, Sendable, Equatable {
    /// How a figure spreads over the runs.
    public struct Spread: Codable, Sendable, Equatable {
        /// The mean.
        public var mean: Double
        /// The standard deviation (of the sample).
        public var deviation: Double
    }

    /// Version of the layout of `folds.json`; this version of Gimbal reads 1.
    public private(set) var formatVersion = Self.currentFormat
    /// How many runs there are.
    public var folds: Int
    /// Of classifiers.
    public var testAccuracy: Spread?
    /// Of regressions.
    public var testR2: Spread?
    /// Of regressions, in the units of the data.
    public var testRMSE: Spread?
    /// As trained with.
    public var testLoss: Spread?
    /// The folds without any of these, such as those without a row to test on, counted from 1; nil where there are none.
    public var foldsWithoutFigures: [Int]?

    private static let currentFormat = 1
    static let fileName = "folds.json"

    /// What runs came to together. A figure that one of them lacks, which has others, is absent.
    public init(_ results: [RunResult]) {
        folds = results.count
        let figures: [(RunResult) -> Double?] = [
            { $0.figures["accuracy"] }, { $0.figures["r2"] }, { $0.numbers?.rootMeanSquaredError },
            { $0.figures["loss"] },
        ]
        let isMeasured = results.map { result in figures.contains { $0(result) != nil } }
        let measured = zip(results, isMeasured).filter(\.1).map(\.0)
        func spread(_ figure: (RunResult) -> Double?) -> Spread? {
            let values = measured.compactMap { figure($0)?.ifFinite }
            guard values.count == measured.count, values.count > 1 else { return nil }
            var spread = GimbalTrain.Spread()
            for value in values { spread.add(value) }
            let count = Double(values.count)
            return Spread(mean: spread.mean, deviation: spread.deviation * (count / (count - 1)).squareRoot())
        }
        (testAccuracy, testR2) = (spread(figures[0]), spread(figures[1]))
        (testRMSE, testLoss) = (spread(figures[2]), spread(figures[3]))
        let without = isMeasured.indices.filter { !isMeasured[$0] }.map { $0 + 1 }
        if !without.isEmpty { foldsWithoutFigures = without }
    }

    /// The folders of the runs of a cross-validation in `folder`, in order; none where it is no such.
    /// - Throws: `GimbalError.fileSystem` for a folder that cannot be listed.
    public static func runs(in folder: String) throws -> [String] {
        guard isFolder(folder), try !RunFolder.isRun(at: folder) else { return [] }
        return try fileNames(in: folder).compactMap { name in name.hasPrefix("fold-") ? Int(name.dropFirst(5)) : nil }
            .sorted().map { path(of: $0, in: folder) }.filter(RunFolder.isRun)
    }

    /// The folder of a run of a cross-validation.
    /// - Parameters:
    ///   - number: from 1.
    ///   - folder: of the cross-validation.
    public static func path(of number: Int, in folder: String) -> String { "\(folder)/fold-\(number)" }

    /// Reads what the runs in `folder` came to; nil where they have not all ended.
    /// - Throws: `GimbalError.invalidFile` for a file that is damaged, `GimbalError.fileSystem` for one that cannot be read.
    public init?(folder: String) throws {
        let path = "\(folder)/\(Self.fileName)"
        guard try isThere(path) else { return nil }
        self = try decoded(path, format: Self.currentFormat)
    }

    /// Writes this beside the runs, whole or not at all.
    /// - Throws: `GimbalError.fileSystem`.
    public func write(to folder: String) throws {
        let text = String(decoding: try CheckpointManifest.encoder.encode(self), as: UTF8.self)
        try AtomicFile.write(text + "\n", to: "\(folder)/\(Self.fileName)")
    }
}

extension CrossValidation: CustomStringConvertible {
    /// One line: how many runs, and each figure with its deviation.
    public var description: String {
        let figures = [
            ("testAccuracy", testAccuracy), ("testR2", testR2), ("testRMSE", testRMSE), ("testLoss", testLoss),
        ]
        let texts = figures.compactMap { name, spread in
            spread.map { "\(name) \(decimal($0.mean)) ± \(decimal($0.deviation))" }
        }
        let without = foldsWithoutFigures.map { "without figures: \(listed($0.map { "fold \($0)" }))" }
        return "\(folds) folds: " + (texts + [without].compactMap { $0 }).joined(separator: "  ")
    }
}
