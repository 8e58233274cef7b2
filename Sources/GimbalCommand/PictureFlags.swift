import ArgumentParser
import GimbalTrain

/// How pictures become the inputs of a model. What was said when a run began, it keeps.
struct PictureFlags: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The sides that pictures are brought to, in pixels. (default: their own where they all have the same, else 224)",
            valueName: "side|HEIGHTxWIDTH"))
    var imageSize: PictureSize?
    @Option(help: "1 for grey, 3 for colours. (default: 1 where all pictures are grey)")
    var imageChannels: Int?
    @Option(
        help:
            "How a picture of other sides comes to --image-size: scaled and its middle cut out, scaled in each direction by itself, or scaled and black around it. (default: \(PictureOptions().fit.rawValue))"
    )
    var imageFit: PictureFit?
    @Option(
        help:
            "What pixels are moved and scaled by: means and deviations of the training data, those of ImageNet, which weights trained there expect, or nothing. (default: \(PictureOptions().normalization.rawValue))"
    )
    var normalize: PictureNormalization?
    @Option(
        help:
            "What is done about pictures that cannot be read: end and name the first, or look at all beforehand and leave them out. (default: \(PictureOptions().damaged.rawValue))"
    )
    var damaged: PictureOptions.Damaged?

    /// What is to be made of pictures.
    var options: PictureOptions {
        var options = PictureOptions()
        (options.size, options.channels) = (imageSize, imageChannels)
        options.fit = imageFit ?? options.fit
        options.normalization = normalize ?? options.normalization
        options.damaged = damaged ?? options.damaged
        return options
    }

    /// Makes sure that what was given has a meaning, and is what the run began with.
    func check(_ source: DataSource, _ record: DataRecord?) throws {
        let given: [(name: String, isGiven: Bool)] = [
            ("--image-size", imageSize != nil), ("--image-channels", imageChannels != nil),
            ("--image-fit", imageFit != nil), ("--normalize", normalize != nil), ("--damaged", damaged != nil),
        ]
        if source.kind != .pictures, let first = given.first(where: \.isGiven) {
            throw GimbalError.invalidSetting(
                name: first.name, reason: "is for PNG and JPEG files; \(source.path) holds none")
        }
        guard let known = record?.pictures else { return }
        if let imageSize, imageSize != known.size { throw begunOtherwise("--image-size", "\(known.size)") }
        if let imageChannels, imageChannels != known.channels {
            throw begunOtherwise("--image-channels", "\(known.channels)")
        }
        if let imageFit, imageFit != known.fit { throw begunOtherwise("--image-fit", known.fit.rawValue) }
        if normalize != nil {
            throw begunOtherwise("--normalize", "the means \(known.means) and the deviations \(known.deviations)")
        }
    }
}

extension PictureSize: ExpressibleByArgument {
    /// A side, or height and width with an x between them.
    public init?(argument: String) {
        let sides = argument.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
        guard (1...2).contains(sides.count), let height = sides[0], let width = sides[sides.count - 1] else {
            return nil
        }
        self.init(height: height, width: width)
    }
}

extension PictureFit: ExpressibleByArgument {}
extension PictureNormalization: ExpressibleByArgument {}
extension PictureOptions.Damaged: ExpressibleByArgument {}
