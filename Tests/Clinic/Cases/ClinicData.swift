import Foundation
import GimbalTrain

/// The data of the clinic's cases: what comes with Gimbal, what is made here, and what lies in `../shared/data`.
package enum ClinicData {
    package typealias Batches = (Int) -> ClinicBatch

    /// Samples of the digits in a mixed order, [count, 64] in 0...1, and their classes.
    package static func digits(_ size: Int = 128) -> Batches { batches(of: mixed(Dataset.digits().flattened), size) }

    /// MNIST's test images, [count, 1, 28, 28] in 0...1, and their classes.
    static func mnist(_ size: Int = 64) throws -> Batches { batches(of: try images("mnist"), size) }

    /// Fashion-MNIST's test images, [count, 1, 28, 28] in 0...1, and their classes.
    static func fashion(_ size: Int = 64) throws -> Batches { batches(of: try images("fashion-mnist"), size) }

    /// Windows of Tiny Shakespeare: characters int32 [count, length], and what follows each, [count · length].
    static func shakespeare(length: Int, _ size: Int = 16) throws -> (batches: Batches, vocabulary: Int) {
        let text = try String(contentsOfFile: try path("tinyshakespeare/input.txt"), encoding: .utf8).prefix(60_000)
        let vocabulary = CharacterVocabulary(String(text))
        let windows = TextWindows(try vocabulary.encode(String(text)), length: length)
        let starts = windows.starts(epoch: 0, seed: 1)
        return (
            { step in
                let chosen = (0..<size).map { starts[(step * size + $0) % starts.count] }
                return ClinicBatch(
                    x: Tensor(chosen.flatMap { windows.tokens[$0..<$0 + length] }, [size, length]),
                    y: Tensor(chosen.flatMap { windows.tokens[$0 + 1..<$0 + 1 + length] }))
            }, vocabulary.count
        )
    }

    /// Rows of a table in `../shared/data/sklearn-toy`, as they are written, in a mixed order: all columns but the last,
    /// and the last as a class.
    static func toyTable(_ name: String) throws -> Dataset {
        let lines = try String(contentsOfFile: try path("sklearn-toy/\(name).csv"), encoding: .utf8).split(
            separator: "\n")
        // The first line has the numbers of rows and columns, and the names of the classes.
        let names = lines[0].split(separator: ",").dropFirst(2).map(String.init)
        let rows = lines.dropFirst().map { $0.split(separator: ",").map { Float($0)! } }
        return mixed(
            Dataset(
                name: name, inputShape: [rows[0].count - 1], inputs: .floats(rows.flatMap { $0.dropLast() }),
                targets: .classes(rows.map { Int32($0.last!) }, names: names)))
    }

    /// The weekly CO₂ of Mauna Loa in ppm, without missing weeks unless they are kept as NaN: windows of 24 weeks, and the
    /// week that follows.
    static func carbonDioxide(keepsMissing: Bool = false) throws -> Dataset {
        let text = try String(contentsOfFile: try path("timeseries/co2-mauna-loa-weekly.csv"), encoding: .utf8)
        let values = text.split(separator: "\n").dropFirst().map { line in
            line.split(separator: ",").dropFirst().first.flatMap { Float($0) } ?? .nan
        }
        return mixed(.windows(of: keepsMissing ? values : values.filter { !$0.isNaN }, window: 24, name: "CO2"))
    }

    /// Standardised features, and a number that depends on them, times `scale` plus `shift`.
    static func regression(_ features: Int, scale: Double = 1, shift: Double = 0, _ size: Int = 128) -> Batches {
        let weights = Tensor.normal([features, 1])
        return { _ in
            let x = Tensor.normal([size, features])
            let y = (x.matrixMultiplied(by: weights) / Double(features).squareRoot()).tanh() * scale + shift
            return ClinicBatch(x: x, y: y)
        }
    }

    /// Standardised features, and whether a number that depends on them is positive, as 0 or 1 [count, 1].
    static func yesOrNo(_ features: Int, _ size: Int = 128) -> Batches {
        let batches = regression(features, size)
        return { step in
            var batch = batches(step)
            batch.y = batch.y.isGreater(than: batch.y.scalar(0)).cast(to: .float32)
            return batch
        }
    }

    /// The adding problem (Hochreiter and Schmidhuber 1997): [steps, count, 2], numbers and two marks, and the sum of the
    /// numbers that are marked [count, 1].
    static func adding(_ steps: Int, _ size: Int = 32) -> Batches {
        { _ in
            let numbers = Tensor.uniform([steps, size, 1])
            let places = Tensor.uniform([2, size])
            var marks = [Float](repeating: 0, count: steps * size)
            for (index, share) in try! places.floats().enumerated() {
                let half = steps / 2
                let step = (index < size ? 0 : half) + min(half - 1, Int(share * Float(half)))
                marks[step * size + index % size] = 1
            }
            let marked = Tensor(marks, [steps, size, 1])
            return ClinicBatch(x: .concatenated([numbers, marked], axis: 2), y: (numbers * marked).sum([0]))
        }
    }

    // MARK: Parts

    /// Batches of `size` rows in the order of `dataset`, which is gone through again and again.
    static func batches(of dataset: Dataset, _ size: Int) -> Batches {
        { step in
            let batch = dataset.batch((0..<size).map { (step * size + $0) % dataset.count }).to(.current)
            return ClinicBatch(x: batch.inputs, y: batch.targets)
        }
    }

    /// The examples of `dataset` in an order that has nothing to do with what is in them: every 7919th, a prime.
    static func mixed(_ dataset: Dataset) -> Dataset {
        dataset.subset((0..<dataset.count).map { $0 * 7919 % dataset.count })
    }

    /// Digits that are to be given back.
    @Sendable static func givenBack(_ step: Int) -> ClinicBatch {
        let batch = digits()(step)
        return ClinicBatch(x: batch.x, y: batch.x)
    }

    /// The examples of `set` with what `label` makes of each number and all classes.
    static func relabelled(_ set: Dataset, _ label: (Int, [Int32]) -> Int32) -> Dataset {
        guard case .classes(let classes, let names) = set.targets else { return set }
        return Dataset(
            name: set.name, inputShape: set.inputShape, inputs: set.inputs,
            targets: .classes(classes.indices.map { label($0, classes) }, names: names))
    }

    /// Two thousand of the test images of a folder of IDX files.
    static func images(_ name: String) throws -> Dataset {
        let folder = try path(name)
        let all = try Dataset.idx(
            images: folder + "/t10k-images-idx3-ubyte.gz", labels: folder + "/t10k-labels-idx1-ubyte.gz", name: name,
            classNames: (0..<10).map(String.init))
        return mixed(all.prefix(2000))
    }

    /// Where the shared data lies beside the checkout.
    static func path(_ name: String) throws -> String {
        let path = "../shared/data/" + name
        guard FileManager.default.fileExists(atPath: path) else { throw MissingData(path: path) }
        return path
    }
}

extension ClinicBatch {
    /// The batch with other inputs.
    func inputs(_ change: (Tensor) -> Tensor) -> ClinicBatch { ClinicBatch(x: change(x), y: y) }
    /// The batch with other targets.
    func targets(_ change: (Tensor) -> Tensor) -> ClinicBatch { ClinicBatch(x: x, y: change(y)) }
}

/// Batches with what `change` makes of each.
func changing(_ batches: @escaping ClinicData.Batches, _ change: @escaping (ClinicBatch) -> ClinicBatch)
    -> ClinicData.Batches
{
    { change(batches($0)) }
}
