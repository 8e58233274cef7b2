import Foundation
import Gimbal
import GimbalTestSupport
import GimbalTrain
import Testing

@Suite("Data sets")
struct DatasetTests {
    private static func numbered(_ count: Int) -> Dataset {
        Dataset(
            name: "numbered", inputShape: [2], inputs: .floats((0..<2 * count).map { Float($0) }),
            targets: .values((0..<count).map { Float($0) }, width: 1))
    }

    @Test("A subset has the examples asked for, in the order asked for")
    func subset() {
        let part = Self.numbered(5).subset([3, 0, 3])
        #expect(part.count == 3)
        #expect(part.batch([0, 1, 2]).inputs == [6, 7, 0, 1, 6, 7])
        #expect(part.batch([0, 1, 2]).targets == .values([3, 0, 3], shape: [3, 1]))
        #expect(Self.numbered(5).prefix(2).count == 2 && Self.numbered(5).prefix(9).count == 5)
        #expect(Self.numbered(5).subset([]).count == 0)
    }

    @Test("A part by classes keeps their numbers, and all of a data set is one batch")
    func classesAndAll() throws {
        let digits = Dataset.digits()
        let odd = digits.subset { $0 % 2 == 1 }
        let batch = odd.batch(on: .cpu)
        #expect(batch.count == odd.count && batch.inputs.shape == Shape([odd.count] + digits.inputShape.sizes))
        let classes = Set(try batch.targets.integers())
        #expect(classes == [1, 3, 5, 7, 9])
        #expect(odd.outputCount == 10)
        #expect(digits.subset { _ in false }.count == 0)
    }

    @Test("Printed, a data set tells its name, its sizes and what is to be predicted, not its contents")
    func description() {
        #expect("\(Self.numbered(1))" == "numbered: 1 example of [2], a number to predict")
        #expect("\(Dataset.digits())" == "digits: 1797 examples of [1, 8, 8], 10 classes")
    }

    @Test("A split shares no example, loses none, and is decided by the seed")
    func split() {
        let data = Self.numbered(10)
        func members(_ part: Dataset) -> [Float] {
            guard case .values(let values, _) = part.targets else { return [] }
            return values
        }
        let (train, test) = data.split(trainFraction: 0.8, seed: 1)
        #expect(train.count == 8 && test.count == 2)
        #expect((members(train) + members(test)).sorted() == (0..<10).map { Float($0) })
        #expect(members(train) != members(train).sorted())
        let again = data.split(trainFraction: 0.8, seed: 1)
        #expect(members(again.train) == members(train) && members(again.test) == members(test))
        #expect(members(data.split(trainFraction: 0.8, seed: 2).test) != members(test))
        // Inputs go with their targets.
        #expect(train.batch([0]).inputs[0] == 2 * members(train)[0])
    }

    @Test("A split leaves neither part empty unless asked to")
    func smallSplits() {
        for (count, fraction, trainCount) in [
            (2, 0.99, 1), (2, 0.01, 1), (1, 0.5, 1), (0, 0.5, 0), (4, 1, 4), (4, 0, 0),
        ] {
            let (train, test) = Self.numbered(count).split(trainFraction: fraction)
            #expect(train.count == trainCount && test.count == count - trainCount, "\(count) \(fraction)")
        }
    }

    @Test("Inputs are seen in other shapes")
    func shapes() {
        #expect(Dataset.digits().reshaped([8, 8]).batch([0, 1]).inputShape == [2, 8, 8])
        #expect(Dataset.digits().flattened.inputShape == [64])
    }

    @Test("Bytes are divided exactly, as Float division rounds")
    func bytes() {
        let data = Dataset(
            name: "b", inputShape: [1], inputs: .bytes(Array(0...255), divisor: 255),
            targets: .classes([Int32](repeating: 0, count: 256), names: ["x"]))
        #expect(data.batch(Array(0..<256)).inputs == (0..<256).map { Float($0) / 255 })
    }

    // MARK: Standardising

    @Test("Each feature gets mean 0 and deviation 1 over the training part")
    func standardizes() {
        let data = Dataset(
            name: "s", inputShape: [2], inputs: .floats([1, 100, 3, 300, 5, 200, 7, 400]),
            targets: .values([0, 0, 0, 0], width: 1))
        let standardization = Standardization(fittedTo: data)
        #expect(standardization.means == [4, 250])
        #expect(standardization.deviations == [Double(5).squareRoot(), Double(12_500).squareRoot()])
        let inputs = standardization(data).batch([0]).inputs
        #expect(inputs == [Float(-3 / 5.0.squareRoot()), Float(-150 / 12_500.0.squareRoot())])
    }

    @Test("A constant feature becomes 0, and no other is blown up by it")
    func constantFeature() {
        let data = Dataset(
            name: "c", inputShape: [2], inputs: .floats((0..<2000).map { $0 % 2 == 0 ? 0.1 : Float($0) }),
            targets: .values([Float](repeating: 0, count: 1000), width: 1))
        let standardization = Standardization(fittedTo: data)
        #expect(standardization.deviations[0] == 1)
        let inputs = standardization(data).batch(Array(0..<1000)).inputs
        #expect(inputs.allSatisfy { abs($0) < 2 })
        #expect(inputs[0] == 0)
    }

    @Test("Bytes are standardised as the numbers they stand for")
    func standardizesBytes() {
        let data = Dataset(
            name: "b", inputShape: [1], inputs: .bytes([0, 16], divisor: 16), targets: .classes([0, 0], names: ["x"]))
        #expect(Standardization(fittedTo: data)(data).batch([0, 1]).inputs == [-1, 1])
    }

    @Test("Numbers to be predicted are standardised, and come back in their own units")
    func standardizesTargets() {
        let data = Dataset(
            name: "r", inputShape: [1], inputs: .floats([1, 2, 3]), targets: .values([10, 1, 20, 1, 30, 1], width: 2))
        let standardization = Standardization(fittedTo: data)
        #expect(standardization.targetMeans == [20, 1])
        #expect(standardization.targetDeviations[1] == 1)
        guard case .values(let scaled, let width) = standardization(data).targets else {
            Issue.record("the targets are no longer numbers")
            return
        }
        #expect(width == 2 && abs(scaled[0] + 1.2247449) < 1e-6 && scaled[2] == 0 && scaled[1] == 0)
        let restored = standardization.restoringTargets(scaled.map(Double.init))
        #expect(zip(restored, [10, 1, 20, 1, 30, 1]).allSatisfy { abs($0 - $1) < 1e-5 })
    }

    @Test("An empty data set is standardised by nothing")
    func standardizesEmpty() {
        let standardization = Standardization(fittedTo: Self.numbered(0))
        #expect(
            standardization
                == Standardization(means: [0, 0], deviations: [1, 1], targetMeans: [0], targetDeviations: [1]))
        #expect(standardization(Self.numbered(0)).count == 0)
    }

    // MARK: Records

    @Test("A record from a file whose sizes or counts cannot be is refused")
    func records() throws {
        func refusal(_ change: (inout DataRecord) -> Void) -> String {
            var record = DataRecord()
            record.inputShape = [3, 4]
            change(&record)
            do { try record.validate() } catch { return "\(error)" }
            return ""
        }
        #expect(refusal { _ in } == "")
        for shape in [[0, 4], [-1, 4], [-2, -2], [1 << 40, 1 << 40]] {
            #expect(refusal { $0.inputShape = shape }.contains("has the sizes \(shape)"), "\(shape)")
        }
        #expect(refusal { $0.classNames = ["a", "b", "a"] }.contains("two classes of one name"))
        #expect(refusal { $0.counts[.test] = -1 }.contains("-1 samples in test"))
    }

    // MARK: Digits

    @Test("The digits are part of the program")
    func digits() {
        let digits = Dataset.digits()
        #expect(digits.count == 1797 && digits.inputShape == [1, 8, 8] && digits.classCount == 10)
        let all = digits.batch(Array(0..<1797))
        #expect(all.inputs.allSatisfy { (0...1).contains($0) } && all.inputs.max() == 1)
        // The number of each digit, as the source states it.
        guard case .classes(let classes) = all.targets else { return }
        #expect(
            (0..<10).map { digit in classes.count { $0 == digit } } == [
                178, 182, 177, 183, 181, 182, 181, 179, 174, 180,
            ])
        #expect(Array(all.inputs[..<8]) == [0, 0, 5, 13, 9, 1, 0, 0].map { Float($0) / 16 })
    }

    @Test(
        "The digits are scikit-learn's",
        .enabled(
            if: FileManager.default.fileExists(atPath: packagePath("../shared/data/sklearn-toy/digits.csv.gz")),
            "digits.csv.gz is not in ../shared/data/sklearn-toy"))
    func digitsAgainstSource() throws {
        let source = try Dataset.csv(path: packagePath("../shared/data/sklearn-toy/digits.csv.gz"))
        let everything = Array(0..<1797)
        let (ours, theirs) = (Dataset.digits().batch(everything), source.batch(everything))
        #expect(ours.inputs == theirs.inputs.map { $0 / 16 })
        #expect(ours.targets == theirs.targets)
    }
}
