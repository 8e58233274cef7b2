import Gimbal

/// Pictures in files, each of a class, which are decoded as they are needed: any number of them, of any size.
///
/// ```swift
/// let parts = try DataSource.pictures(path: "flowers").parts()
/// if let pictures = parts.train as? Pictures {
///     let stream = PictureStream(pictures, batchSize: 32)  // what a `Trainer` takes
/// }
/// ```
/// What was decoded is kept in memory where all of it takes little of that.
public struct Pictures: SupervisedData {
    public let name: String
    public let classNames: [String]
    /// How files become inputs.
    public let record: PictureRecord
    /// Where each picture's file is.
    let paths: [String]
    /// The class of each picture.
    let classes: [Int32]
    private let kept: KeptPictures
    private let inputsOfBytes: [Float]

    /// Pictures of a listing.
    /// - Parameters:
    ///   - listing: each of whose pictures is of one of `classNames`.
    ///   - classNames: all classes, in the order of their numbers.
    ///   - record: how files become inputs.
    init(_ listing: PictureListing, classNames: [String], record: PictureRecord) throws {
        name = listing.name
        self.classNames = classNames
        self.record = record
        paths = listing.entries.map(listing.path)
        let numbers = Dictionary(uniqueKeysWithValues: classNames.enumerated().map { (ExactText($1), Int32($0)) })
        classes = try listing.entries.map { entry in
            guard let label = entry.label else { return 0 }
            guard let number = numbers[ExactText(label)] else {
                throw GimbalError.invalidFile(
                    path: listing.path(entry),
                    reason: "is of the class '\(shown(label))', which is none of \(listed(classNames))")
            }
            return number
        }
        kept = KeptPictures(count: paths.count, size: record.inputShape.elementCount)
        inputsOfBytes = record.inputsOfBytes
    }

    /// The pictures of `other`, with inputs made by `record`, which has the same sides.
    init(_ other: Pictures, normalizedBy record: PictureRecord) {
        (name, classNames, paths, classes, kept) = (
            other.name, other.classNames, other.paths, other.classes, other.kept
        )
        self.record = record
        inputsOfBytes = record.inputsOfBytes
    }

    public var count: Int { paths.count }
    public var isCountExact: Bool { true }
    public var inputShape: Shape { record.inputShape }
    public var outputCount: Int { classNames.count }

    public func classCounts() -> [Int] {
        classes.reduce(into: [Int](repeating: 0, count: classNames.count)) { $0[Int($1)] += 1 }
    }

    // MARK: Reading

    /// The pixels of a picture, a byte each.
    /// - Throws: `GimbalError.invalidFile`, `GimbalError.fileSystem`.
    func pixels(_ index: Int) throws -> [UInt8] {
        if let known = kept[index] { return known }
        let pixels = try record.pixels(ofFile: paths[index])
        kept[index] = pixels
        return pixels
    }

    /// The pictures at `indices` as a batch.
    /// - Throws: as `pixels(_:)`.
    func batch(_ indices: [Int], number: Int = 0) throws -> HostBatch {
        let (size, plane) = (inputShape.elementCount, record.size.height * record.size.width)
        let pictures = try indices.map(pixels)
        let inputs = [Float](count: indices.count * size) { result in
            inputsOfBytes.withUnsafeBufferPointer { inputsOfBytes in
                for (place, pixels) in pictures.enumerated() {
                    pixels.withUnsafeBufferPointer { pixels in
                        for channel in 0..<record.channels {
                            let inputs = UnsafeBufferPointer(
                                rebasing: inputsOfBytes[256 * channel..<256 * (channel + 1)])
                            let target = place * size + channel * plane
                            for i in 0..<plane { result[target + i] = inputs[Int(pixels[channel * plane + i])] }
                        }
                    }
                }
            }
        }
        return HostBatch(
            number: number, indices: indices, inputs: inputs, inputShape: Shape([indices.count] + inputShape.sizes),
            targets: .classes(indices.map { classes[$0] }))
    }

    /// Pictures from all over the data.
    public func examples(limit: Int) throws -> Dataset {
        let batch = try batch(evenPlaces(limit, of: count))
        guard case .classes(let classes) = batch.targets else { stop("Pictures", "examples without classes") }
        return Dataset(
            name: name, inputShape: inputShape, inputs: .floats(batch.inputs),
            targets: .classes(classes, names: classNames))
    }

    /// A `PictureStream`.
    public func trainingBatches(
        of size: Int, leastSize: Int, seed: UInt64, augmentation: Augmentation?
    ) -> any TrainingData<Batch> {
        PictureStream(
            self, batchSize: size, dropsLast: dropsLast(of: size, leastSize: leastSize), seed: seed,
            augmentation: augmentation)
    }

    public func forEachBatch(of size: Int, _ body: (HostBatch) throws -> Void) throws {
        let batches = PictureStream(self, batchSize: size, shuffles: false).hostBatches(epoch: 0)
        while let batch = try batches.next() { try body(batch) }
    }

    /// The means and deviations of each channel over pictures from all over the data, as pixels of 0…1.
    func channelStatistics(limit: Int = 1024) throws -> (means: [Double], deviations: [Double]) {
        let plane = record.size.height * record.size.width
        let indices = evenPlaces(limit, of: count)
        var sums = [Int](repeating: 0, count: record.channels)
        var squares = sums
        for index in indices {
            let pixels = try pixels(index)
            for channel in 0..<record.channels {
                for pixel in pixels[channel * plane..<(channel + 1) * plane] {
                    sums[channel] += Int(pixel)
                    squares[channel] += Int(pixel) * Int(pixel)
                }
            }
        }
        let total = Double(max(indices.count * plane, 1))
        let means = sums.map { Double($0) / total }
        let deviations = zip(squares, means).map { square, mean in
            max(Double(square) / total - mean * mean, 0).squareRoot() / 255
        }
        // A channel that never changes stays as it is.
        return (means.map { $0 / 255 }, deviations.map { $0 > 0 ? $0 : 1 })
    }
}
