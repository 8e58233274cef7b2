import Gimbal

/// How the pictures of a folder become numbers, where something else is wanted than what suits most.
///
/// ```swift
/// var options = PictureOptions()
/// (options.size, options.normalization) = (PictureSize(height: 224, width: 224), .imageNet)
/// let parts = try DataSource.pictures(path: "flowers", options: options).parts()
/// ```
public struct PictureOptions: Sendable, Equatable {
    /// What is done about files that cannot be read.
    public enum Damaged: String, Codable, Sendable, CaseIterable {
        /// The first that is met ends the run, and is named.
        case refuse
        /// All files are looked at before training begins, and those that cannot be read are left out and named.
        case skip
    }

    /// The sides that all pictures are brought to; nil for their own where they all have the same, else 224 × 224.
    public var size: PictureSize?
    /// 1 for grey, 3 for colours; nil for grey where all pictures are.
    public var channels: Int?
    /// How pictures of other sides come to `size`.
    public var fit = PictureFit.crop
    /// What pixels of 0…1 are moved and scaled by.
    public var normalization = PictureNormalization.data
    /// What is done about files that cannot be read.
    public var damaged = Damaged.refuse

    /// What suits most pictures.
    public init() {}

    /// - Throws: `GimbalError.invalidSetting`.
    func validate() throws {
        try checkSetting(
            channels.map { $0 == 1 || $0 == 3 } ?? true, "channels", "must be 1 or 3, not \(channels ?? 0)")
        guard let size else { return }
        try checkSetting(
            (1...8192).contains(size.height) && (1...8192).contains(size.width), "size",
            "must have sides of 1 to 8192, not \(size)")
    }
}

/// The sides of a picture in pixels.
public struct PictureSize: Codable, Sendable, Equatable, CustomStringConvertible {
    /// Rows.
    public var height: Int
    /// Columns.
    public var width: Int

    /// A size in pixels.
    public init(height: Int, width: Int) { (self.height, self.width) = (height, width) }

    public var description: String { "\(height) × \(width)" }
}

/// How a picture of other sides comes to those that are wanted. Where it becomes smaller, every pixel of it counts.
public enum PictureFit: String, Codable, Sendable, CaseIterable {
    /// Scaled until it covers them, and its middle cut out, as torchvision's `Resize` and `CenterCrop` do.
    case crop
    /// Scaled in each direction by itself.
    case stretch
    /// Scaled until it fits into them, and black around it.
    case pad
}

/// What pixels of 0…1 are moved and scaled by, channel by channel.
public enum PictureNormalization: String, Codable, Sendable, CaseIterable {
    /// To mean 0 and deviation 1 over the pictures to train on.
    case data
    /// By the means and deviations of ImageNet, which weights that were trained there expect.
    case imageNet = "imagenet"
    /// By nothing: pixels stay within 0…1.
    case none
}
