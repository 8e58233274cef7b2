import Foundation
import Gimbal

/// Where data is, and how it is to be read.
///
/// ```swift
/// let options = TableOptions(target: .named("price"), task: .regression)
/// let parts = try DataSource.table(path: "houses.csv", options: options).parts()
/// let recipe = Recipe(model: ModelSettings(for: parts.train), training: TrainingSettings(), data: parts.record)
/// ```
public enum DataSource: Sendable {
    /// The digits that are part of Gimbal: `Dataset.digits()`.
    case digits
    /// A folder of IDX files: `Dataset.idx(folder:name:classNames:)`. To predict, also a single file of images.
    case images(folder: String, set: ImageSet = .other)
    /// PNG and JPEG files: a folder with a folder for each class, or a table of paths and classes. To predict, also a folder
    /// without classes, or a single file. `table` says how a table is written, and which column holds the classes.
    case pictures(path: String, options: PictureOptions = PictureOptions(), table: TableOptions = TableOptions())
    /// A table whose rows follow each other in time, and whose numbers are to be forecast. `table` says how it is written, which
    /// column is to be predicted, and by `columns` which others a model sees.
    case series(path: String, options: SeriesOptions = SeriesOptions(), table: TableOptions = TableOptions())
    /// A text, whose tokens are to be predicted.
    case text(path: String, options: TextOptions = TextOptions())
    /// Pairs of texts, the second of which is to be written from the first: see `PairFile`.
    case pairs(path: String, options: TextOptions = TextOptions())
    /// A table in a text file.
    case table(path: String, options: TableOptions = TableOptions())

    /// Sets of images whose files do not say what their classes are called.
    public enum ImageSet: String, Sendable, CaseIterable {
        /// LeCun, Cortes and Burges 1998.
        case mnist
        /// Xiao, Rasul and Vollgraf 2017.
        case fashionMNIST = "fashion-mnist"
        /// Any other: it is called by its folder, and its classes by their numbers.
        case other

        /// What reports call it; nil for its folder's name.
        var title: String? {
            switch self {
            case .mnist: "MNIST"
            case .fashionMNIST: "Fashion-MNIST"
            case .other: nil
            }
        }

        /// What its classes are called; nil for their numbers.
        var classNames: [String]? {
            switch self {
            case .mnist: (0...9).map(String.init)
            case .fashionMNIST:
                [
                    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
                    "Ankle boot",
                ]
            case .other: nil
            }
        }
    }

    /// Where a run's data lies; nil for data that a program gave it.
    /// - Parameters:
    ///   - record: what the run keeps of its data.
    ///   - options: how a table is written, where it is not as in training.
    public init?(_ record: DataRecord, options: TableOptions = TableOptions()) {
        switch (record.kind, record.path) {
        case (.digits, _): self = .digits
        case (.images, let path?):
            self = .images(folder: path, set: ImageSet.allCases.first { $0.title == record.name } ?? .other)
        case (.series, let path?): self = .series(path: path, table: options)
        case (.pictures, let path?): self = .pictures(path: path, table: options)
        case (.text, let path?): self = .text(path: path)
        case (.pairs, let path?): self = .pairs(path: path)
        case (.table, let path?): self = .table(path: path, options: options)
        default: return nil
        }
    }

    /// Whether this is a file of images, not a table.
    public static func isImageFile(_ path: String) -> Bool { IDX.isFile(path) }

    /// Whether a file or folder holds pictures in PNG or JPEG files, or names them in a table.
    /// - Parameters:
    ///   - path: of the file or folder.
    ///   - options: how the table is written.
    public static func isPictures(_ path: String, options: TableOptions = TableOptions()) -> Bool {
        if isFolder(path) { return PictureListing.isPictureFolder(path) }
        return PictureListing.isPictureName(path) || PictureListing.isList(path, options: options)
    }

    /// Whether a file is called as pictures are.
    package static func isPicture(_ path: String) -> Bool { PictureListing.isPictureName(path) }

    /// What messages call it.
    public var path: String {
        switch self {
        case .digits: "digits"
        case .images(let folder, _): folder
        case .pictures(let path, _, _), .series(let path, _, _): path
        case .table(let path, _), .text(let path, _), .pairs(let path, _): path
        }
    }

    /// What it is.
    public var kind: DataRecord.Kind {
        switch self {
        case .digits: .digits
        case .images: .images
        case .pictures: .pictures
        case .series: .series
        case .text: .text
        case .pairs: .pairs
        case .table: .table
        }
    }

    /// Whether the data is rows of a table, in whatever way they are looked at.
    package var isOfRows: Bool { kind == .table || kind == .series }

    /// Whether the data is texts.
    package var isOfTexts: Bool { kind == .text || kind == .pairs }

    /// A path that means the same wherever a command is given.
    var absolutePath: String? {
        kind == .digits ? nil : URL(fileURLWithPath: path).standardizedFileURL.path
    }
}
