import CGimbalPictures
import Gimbal

/// How pictures become the inputs of a model: what a run keeps of it, so that other pictures are read in the same way.
public struct PictureRecord: Codable, Sendable, Equatable {
    /// The sides that pictures are brought to.
    public var size: PictureSize
    /// 1 for grey, 3 for red, green and blue.
    public var channels: Int
    /// How pictures of other sides come to `size`.
    public var fit: PictureFit
    /// What is taken from pixels of 0…1, for each channel.
    public var means: [Double]
    /// What they are then divided by, for each channel.
    public var deviations: [Double]
    /// What is done about files of the run's own data that cannot be read.
    public var damaged = PictureOptions.Damaged.refuse

    /// Pictures whose pixels stay within 0…1.
    /// - Parameters:
    ///   - size: the sides that they are brought to.
    ///   - channels: 1 or 3.
    ///   - fit: how those of other sides come to them.
    public init(size: PictureSize, channels: Int, fit: PictureFit = .crop) {
        (self.size, self.channels, self.fit) = (size, channels, fit)
        means = [Double](repeating: 0, count: channels)
        deviations = [Double](repeating: 1, count: channels)
    }

    /// The shape of one input: [channels, height, width].
    public var inputShape: Shape { [channels, size.height, size.width] }

    /// Checks what may have come from a file.
    /// - Throws: `GimbalError.invalidSetting`.
    func validate() throws {
        var options = PictureOptions()
        (options.size, options.channels) = (size, channels)
        try options.validate()
        try checkSetting(
            means.count == channels && deviations.count == channels && means.allSatisfy(\.isFinite)
                && deviations.allSatisfy { $0 > 0 && $0.isFinite }, "pictures",
            "has the means \(means) and the deviations \(deviations)")
    }

    // MARK: Pixels

    /// The pixels of a file, brought to `size`: a byte each, in the order of `inputShape`.
    /// - Throws: `GimbalError.fileSystem`, `GimbalError.invalidFile` with what is wrong with the picture.
    package func pixels(ofFile path: String) throws -> [UInt8] {
        let bytes = try PictureRecord.bytes(ofFile: path)
        var pixels = [UInt8](repeating: 0, count: inputShape.elementCount)
        var reason = [CChar](repeating: 0, count: Int(gimbal_picture_reason_size))
        guard
            gimbal_picture_load(
                bytes, bytes.count, Int32(channels), Int32(size.height), Int32(size.width), fit.code, &pixels, &reason)
        else { throw PictureRecord.damage(of: path, reason) }
        return pixels
    }

    /// The inputs that stand for each value of a byte, channel by channel: [channels, 256].
    var inputsOfBytes: [Float] {
        zip(means, deviations).flatMap { mean, deviation in
            (0..<256).map { Float((Double($0) / 255 - mean) / deviation) }
        }
    }

    /// What the file of a picture says of it.
    /// - Throws: as `pixels(ofFile:)`.
    static func head(ofFile path: String) throws -> (size: PictureSize, isColour: Bool) {
        let bytes = try bytes(ofFile: path)
        var head = gimbal_picture_head()
        var reason = [CChar](repeating: 0, count: Int(gimbal_picture_reason_size))
        guard gimbal_picture_describe(bytes, bytes.count, &head, &reason) else { throw damage(of: path, reason) }
        return (PictureSize(height: Int(head.height), width: Int(head.width)), head.is_colour)
    }

    private static func bytes(ofFile path: String) throws -> [UInt8] {
        let file = try FileReader(path: path, format: "a picture")
        guard let size = try file.size(), size <= largestFile else {
            throw GimbalError.invalidFile(path: path, reason: "larger than \(largestFile >> 20) MB")
        }
        return try file.start(size)
    }

    private static func damage(of path: String, _ reason: [CChar]) -> GimbalError {
        let text = reason.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return .invalidFile(path: path, reason: shown(String(decoding: text, as: UTF8.self), limit: 200))
    }

    private static let largestFile = 1 << 30
}

extension PictureFit {
    fileprivate var code: gimbal_picture_fit {
        switch self {
        case .crop: gimbal_picture_crop
        case .stretch: gimbal_picture_stretch
        case .pad: gimbal_picture_pad
        }
    }
}
