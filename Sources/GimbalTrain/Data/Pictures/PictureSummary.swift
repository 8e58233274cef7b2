import Gimbal

/// What is in a folder or a list of pictures: its parts and classes, and the sides and colours of its files.
///
/// ```swift
/// let summary = try PictureSummary(path: "flowers")
/// print(summary.parts.map(\.counts), summary.damaged)
/// ```
public struct PictureSummary: Encodable, Sendable {
    /// A part: the whole, or what a folder called train, val or test holds.
    public struct Part: Encodable, Sendable {
        /// What the part is for; nil for the whole.
        public var name: String?
        /// The classes in their order; none where pictures lie in no folders.
        public var classNames: [String]
        /// Pictures of each class.
        public var counts: [Int]
        /// Pictures of all classes and of none.
        public var pictures: Int
    }

    /// The folder or the list.
    public var path: String
    /// The parts, as far as they lie apart.
    public var parts: [Part]
    /// Files that were opened: all, or 1,000 from all over the data.
    public var opened: Int
    /// The least height and the least width of those; nil where none can be read.
    public var smallest: PictureSize?
    /// The largest height and the largest width of those; nil where none can be read.
    public var largest: PictureSize?
    /// How many of those have colours.
    public var coloured = 0
    /// What is wrong with those that cannot be read, each with its path.
    public var damaged: [String] = []
    /// What was passed over, in sentences.
    public var notes: [String]

    /// Looks through the names of all files and opens up to `limit` of them.
    /// - Parameters:
    ///   - path: a folder, or a table of paths and classes.
    ///   - table: how that is written.
    ///   - limit: the most files to open.
    /// - Throws: `GimbalError.fileSystem`, `GimbalError.invalidFile`.
    public init(path: String, table: TableOptions = TableOptions(), limit: Int = 1000) throws {
        self.path = path
        let listings = try PictureListings(path: path, table: table, skips: true)
        let named = [("training", listings.train), ("validation", listings.validation), ("test", listings.test)]
        let isWhole = listings.test == nil
        parts = named.compactMap { name, listing in
            guard let listing else { return nil }
            let names = listing.classNames
            let counts = Dictionary(grouping: listing.entries) { ExactText($0.label ?? "") }
            return Part(
                name: isWhole ? nil : name, classNames: names, counts: names.map { counts[ExactText($0)]?.count ?? 0 },
                pictures: listing.entries.count)
        }
        notes = listings.notes
        let strays = listings.train.entries.count { $0.label == nil }
        if strays > 0, !listings.train.classNames.isEmpty {
            notes.append("\(strays) pictures lie beside the folders of the classes, which cannot be trained on")
        }
        let paths = named.flatMap { $0.1.map { listing in listing.entries.map(listing.path) } ?? [] }
        let places = evenPlaces(limit, of: paths.count)
        opened = places.count
        for place in places {
            do {
                let (size, isColour) = try PictureRecord.head(ofFile: paths[place])
                smallest = smallest.map { $0.merged(with: size, by: min) } ?? size
                largest = largest.map { $0.merged(with: size, by: max) } ?? size
                coloured += isColour ? 1 : 0
            } catch {
                damaged.append("\(error)")
            }
        }
    }
}

extension PictureSize {
    fileprivate func merged(with other: PictureSize, by choose: (Int, Int) -> Int) -> PictureSize {
        PictureSize(height: choose(height, other.height), width: choose(width, other.width))
    }
}
