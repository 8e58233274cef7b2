import Gimbal
import GimbalTestSupport
import GimbalTrain
import Testing

/// What each step does to images whose pixels tell where they came from.
@Suite struct AugmentationTests {
    /// `count` images of [channels, height, width] whose elements are all distinct.
    private func dataset(_ count: Int, _ shape: Shape = [2, 5, 7], classCount: Int = 3) -> Dataset {
        Dataset(
            name: "images", inputShape: shape, inputs: .floats((1...count * shape.elementCount).map(Float.init)),
            targets: .classes(
                (0..<count).map { Int32($0 % classCount) }, names: (0..<classCount).map { "\($0)" }))
    }

    private func batch(_ count: Int, _ shape: Shape = [2, 5, 7]) -> HostBatch {
        dataset(count, shape).batch(Array(0..<count))
    }

    /// The element of an image that padding puts at (row, column), by the definition of each mode.
    private func padded(_ image: [Float], _ h: Int, _ w: Int, _ row: Int, _ column: Int, _ mode: ImagePadding) -> Float
    {
        func place(_ index: Int, _ count: Int) -> Int? {
            switch mode {
            case .zero: return (0..<count).contains(index) ? index : nil
            case .edge: return min(max(index, 0), count - 1)
            case .reflect:
                var index = index
                while !(0..<count).contains(index) { index = index < 0 ? -index : 2 * (count - 1) - index }
                return index
            }
        }
        guard let row = place(row, h), let column = place(column, w) else { return 0 }
        return image[row * w + column]
    }

    // MARK: Places

    @Test(arguments: ImagePadding.allCases) func aCropIsAWindowOfThePaddedImage(_ mode: ImagePadding) {
        let images = batch(400)
        let cases: [(step: any ImageTransform, pad: (Int, Int), size: (Int, Int))] = [
            (RandomCrop(padding: 2, mode: mode), (2, 2), (5, 7)),
            (RandomCrop(padding: 1, size: (4, 8), mode: mode), (1, 1), (4, 8)),
            (RandomCrop(size: (3, 2), mode: mode), (0, 0), (3, 2)),
            (RandomShift(vertical: 1, horizontal: 3, mode: mode), (1, 3), (5, 7)),
            (RandomShift(9, mode: mode), (9, 9), (5, 7)),
        ]
        for (step, pad, size) in cases {
            let result = Augmentation(seed: 3) { step }(images, epoch: 1)
            #expect(result.inputShape == [400, 2, size.0, size.1])
            var seen: Set<[Int]> = []
            for image in 0..<400 {
                let planes = (0..<2).map { plane in
                    Array(images.inputs[(image * 2 + plane) * 35..<(image * 2 + plane + 1) * 35])
                }
                let count = size.0 * size.1
                let windows = (0..<2).map { plane in
                    Array(result.inputs[(image * 2 + plane) * count..<(image * 2 + plane + 1) * count])
                }
                let places = (-pad.0...5 + pad.0 - size.0).flatMap { top in
                    (-pad.1...7 + pad.1 - size.1).map { [top, $0] }
                }.filter { place in
                    (0..<2).allSatisfy { plane in
                        (0..<count).allSatisfy {
                            windows[plane][$0]
                                == padded(
                                    planes[plane], 5, 7, place[0] + $0 / size.1, place[1] + $0 % size.1, mode)
                        }
                    }
                }
                #expect(!places.isEmpty, "\(step), image \(image)")
                if places.count == 1 { seen.insert(places[0]) }
            }
            // Every place comes up, except where many look alike.
            if pad.0 < 9 { #expect(seen.count == (6 + 2 * pad.0 - size.0) * (8 + 2 * pad.1 - size.1), "\(step)") }
        }
    }

    @Test func flipsMirrorHalfOfTheImages() {
        let images = batch(1000)
        for (step, isHorizontal) in [
            (RandomHorizontalFlip() as any ImageTransform, true), (RandomVerticalFlip(), false),
        ] {
            let result = Augmentation(seed: 1) { step }(images, epoch: 0)
            var flipped = 0
            for image in 0..<1000 {
                let range = image * 70..<(image + 1) * 70
                let (before, after) = (Array(images.inputs[range]), Array(result.inputs[range]))
                let mirrored = (0..<70).map { place -> Float in
                    let (plane, row, column) = (place / 35, place / 7 % 5, place % 7)
                    return before[plane * 35 + (isHorizontal ? row * 7 + 6 - column : (4 - row) * 7 + column)]
                }
                #expect(after == before || after == mirrored)
                flipped += after == mirrored ? 1 : 0
            }
            // Five standard deviations.
            #expect(abs(flipped - 500) < 80)
        }
        let never = Augmentation {
            RandomHorizontalFlip(0)
            RandomVerticalFlip(0)
        }
        #expect(never(images, epoch: 0) == images)
        let twice = Augmentation {
            RandomHorizontalFlip(1)
            RandomHorizontalFlip(1)
            RandomVerticalFlip(1)
            RandomVerticalFlip(1)
        }
        #expect(twice(images, epoch: 0) == images)
    }

    @Test func turningByNothingChangesNothingAndByHalfMirrorsTwice() {
        let images = batch(3)
        for interpolation in Interpolation.allCases {
            let still = Augmentation { RandomRotation(0...0, interpolation: interpolation) }
            #expect(still(images, epoch: 0) == images)
        }
        let half = Augmentation { RandomRotation(180...180, interpolation: .nearest) }
        let mirrored = Augmentation {
            RandomHorizontalFlip(1)
            RandomVerticalFlip(1)
        }
        #expect(half(images, epoch: 0) == mirrored(images, epoch: 0))
    }

    @Test func cutoutAndErasingBlankRectangles() {
        let images = batch(300, [3, 12, 10])
        func blanks(_ step: any ImageTransform) -> [(rows: Set<Int>, columns: Set<Int>, count: Int)] {
            let result = Augmentation(seed: 5) { step }(images, epoch: 2).inputs
            return (0..<300).map { image in
                let zeros = (0..<360).filter { place in
                    let value = result[image * 360 + place]
                    #expect(value == 0 || value == images.inputs[image * 360 + place])
                    return value == 0
                }
                return (Set(zeros.map { $0 / 10 % 12 }), Set(zeros.map { $0 % 10 }), zeros.count)
            }
        }
        for blank in blanks(Cutout(size: 5)) {
            #expect(blank.count == 3 * blank.rows.count * blank.columns.count)
            #expect((3...5).contains(blank.rows.count) && (3...5).contains(blank.columns.count))
        }
        #expect(blanks(Cutout(size: 0)).allSatisfy { $0.count == 0 })
        #expect(blanks(Cutout(size: 99)).allSatisfy { $0.count == 360 })
        let erased = blanks(RandomErasing(0.5))
        for blank in erased { #expect(blank.count == 3 * blank.rows.count * blank.columns.count) }
        #expect(abs(erased.count { $0.count > 0 } - 150) < 45)
        // A share of 0.02 to 0.33, its sides rounded to whole pixels.
        #expect(erased.allSatisfy { $0.rows.count * $0.columns.count <= 48 })
        #expect(blanks(RandomErasing(0)).allSatisfy { $0.count == 0 })
    }

    @Test func normalizeMovesAndScalesEachChannel() {
        let images = batch(2, [2, 1, 3])
        let result = Augmentation { Normalize(means: [1, 2], deviations: [2, 4]) }(images, epoch: 0)
        #expect(result.inputs == [0, 0.5, 1, 0.5, 0.75, 1, 3, 3.5, 4, 2, 2.25, 2.5])
    }

    // MARK: Mixing

    @Test func mixupMixesImagesAsItMixesTargets() throws {
        let images = batch(12)
        let result = Augmentation(seed: 4) { Mixup(alpha: 1, classCount: 3) }(images, epoch: 0)
        guard case .values(let targets, let shape) = result.targets else {
            Issue.record("targets are still classes")
            return
        }
        #expect(shape == [12, 3])
        for row in 0..<12 {
            let sum = targets[row * 3..<row * 3 + 3].reduce(0, +)
            #expect(abs(sum - 1) < 1e-6)
            // Elements of an image differ from those of another by a constant, which tells the partner.
            let moves = (0..<70).map { result.inputs[row * 70 + $0] - images.inputs[row * 70 + $0] }
            #expect(moves.allSatisfy { abs($0 - moves[0]) < 1e-3 })
        }
    }

    @Test func cutMixPutsInOneRectangleAndCountsItsArea() {
        let images = batch(60, [1, 8, 8])
        for epoch in 0..<20 {
            let result = Augmentation(seed: 9) { CutMix(classCount: 3) }(images, epoch: epoch)
            guard case .values(let targets, _) = result.targets else {
                Issue.record("targets are still classes")
                return
            }
            var changed: [[Int]] = []
            for start in stride(from: 0, to: 60 * 64, by: 64) {
                changed.append((0..<64).filter { result.inputs[start + $0] != images.inputs[start + $0] })
            }
            let largest = changed.max { $0.count < $1.count } ?? []
            let (lines, columns) = (Set(largest.map { $0 / 8 }), Set(largest.map { $0 % 8 }))
            #expect(largest.count == lines.count * columns.count)
            let share = 1 - Float(largest.count) / 64
            for row in 0..<60 {
                #expect(changed[row].isEmpty || changed[row] == largest)
                // An image whose partner is of its own class keeps its target.
                let own = targets[row * 3 + row % 3]
                let isMixed = abs(own - share) < 1e-6
                #expect(own == 1 || isMixed)
            }
        }
    }

    /// Mean ½ and variance 1 / (4 (2α + 1)).
    @Test(arguments: [0.05, 0.2, 1.0, 3.5]) func betaHasItsMoments(_ alpha: Double) {
        var random = AugmentationRandom(seed: 11, epoch: 0, item: 0, step: 0)
        let count = 40_000
        let draws = (0..<count).map { _ in random.symmetricBeta(alpha) }
        #expect(draws.allSatisfy { (0...1).contains($0) })
        let mean = draws.reduce(0, +) / Double(count)
        let variance = draws.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count)
        let expected = 1 / (4 * (2 * alpha + 1))
        // Five standard errors of the mean; the variance of a bounded number is known to about as much.
        #expect(abs(mean - 0.5) < 5 * (expected / Double(count)).squareRoot())
        #expect(abs(variance / expected - 1) < 0.03)
    }

    // MARK: What it depends on

    @Test func anImageIsChangedAlikeInWhateverBatchItIs() {
        let data = dataset(20)
        let augmentation = Augmentation(seed: 8) {
            RandomCrop(padding: 3, mode: .reflect)
            RandomHorizontalFlip()
            RandomRotation(30)
            Cutout(size: 2)
            RandomErasing()
        }
        let whole = augmentation(data.batch(Array(0..<20)), epoch: 3)
        let part = augmentation(data.batch([17, 4]), epoch: 3)
        #expect(part.inputs == Array(whole.inputs[17 * 70..<18 * 70] + whole.inputs[4 * 70..<5 * 70]))
        #expect(part.targets == .classes([2, 1]))
        #expect(augmentation(data.batch([17, 4]), epoch: 4) != part)
        let other = Augmentation(seed: 9) { RandomCrop(padding: 3) }
        #expect(other(data.batch([17, 4]), epoch: 3) != part)
        #expect(augmentation(data.batch([]), epoch: 0).count == 0)
    }

    /// Pinned, so that a run of an earlier version can be repeated.
    @Test func theNumbersOfASeedStay() {
        var random = AugmentationRandom(seed: 42, epoch: 1, item: 2, step: 3)
        #expect(
            (0..<5).map { _ in random.next() } == [
                3_664_129_213, 3_386_598_022, 1_259_580_356, 63_320_246, 3_213_765_974,
            ])
    }
}
