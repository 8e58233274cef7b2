import GimbalTrain

/// A folder of IDX files, or one of images.
struct ImageInspection: Inspection {
    struct Part: Encodable {
        var name: String
        var images: Int
        var shape: [Int]
        /// Images of each class, by its name; absent where classes are not known.
        var classes: [ClassCount]?
    }

    var path: String
    var parts: [Part]

    init(folder: String) throws {
        path = folder
        let (train, test) = try Dataset.idx(folder: folder)
        parts = [Part(train, "training"), Part(test, "test")]
    }

    init(file: String) throws {
        path = file
        parts = [Part(try Dataset(idxImages: file), nil)]
    }

    var text: String {
        let lines = parts.map { part in
            let classes = part.classes.map { classes in
                "; \(classes.count) classes: " + listed(classes.map { "\($0.name) \($0.count)" }, limit: 50)
            }
            return "  \(part.name): \(part.images) images of \(part.shape)\(classes ?? "")"
        }
        return (["\(shown(path, limit: 200)): images in the IDX format"] + lines).joined(separator: "\n")
    }
}

extension ImageInspection.Part {
    /// - Parameter name: nil where classes are not known.
    fileprivate init(_ dataset: Dataset, _ name: String?) {
        self.name = name ?? dataset.name
        images = dataset.count
        shape = dataset.inputShape.sizes
        if name != nil { classes = ClassCount.list(dataset.classNames, dataset.classCounts()) }
    }
}
