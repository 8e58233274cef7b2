import Foundation
import Gimbal

/// The pictures of a run in their parts, and how their files become inputs.
struct PictureParts {
    var train: Pictures
    var validation: Pictures?
    var test: Pictures
    var record: PictureRecord
    var fingerprints: [TableSplit.Part: String]
    /// What was left out, in sentences.
    var notes: [String] = []

    /// - Parameters:
    ///   - path: a folder or a list.
    ///   - options: how pictures become inputs.
    ///   - plan: how they are divided.
    ///   - known: what the run that goes on keeps of its data; nil for a new one.
    /// - Throws: `GimbalError.fileSystem`, `GimbalError.invalidFile`, `GimbalError.invalidSetting`.
    init(path: String, options: PictureOptions, table: TableOptions, plan: SplitPlan, continuing known: DataRecord?)
        throws
    {
        try options.validate()
        guard plan.fold == nil else {
            throw GimbalError.invalidSetting(name: "folds", reason: "is for tables; \(path) holds pictures")
        }
        let skips = (known?.pictures?.damaged ?? options.damaged) == .skip
        var listings = try PictureListings(path: path, table: table, skips: skips)
        func heldBack(_ path: String) throws -> PictureListing {
            let listing = try PictureListing(at: path, table: table, skips: skips)
            try listing.requireClasses(path)
            return listing
        }
        if let path = plan.validationPath { listings.validation = try heldBack(path) }
        if let path = plan.testPath { listings.test = try heldBack(path) }
        notes = listings.notes
        let classNames = known?.classNames ?? listings.train.classNames
        if known == nil { try listings.train.requireLearnable(path, classNames) }
        listings.divide(plan)
        fingerprints = [
            .training: listings.train.with(listings.train.entries + (listings.validation?.entries ?? [])).fingerprint,
            .test: listings.test!.fingerprint,
        ]
        var record = try known?.pictures ?? PictureRecord(options, for: listings.train)
        if skips {
            var damaged: [String] = []
            func sound(_ listing: PictureListing) throws -> PictureListing {
                let found = try listing.readable(by: record)
                damaged += found.damaged
                return found.listing
            }
            listings.train = try sound(listings.train)
            listings.validation = try listings.validation.map(sound)
            listings.test = try listings.test.map(sound)
            if !damaged.isEmpty {
                notes.append("left out, as they cannot be read, are \(damaged.count): \(listed(damaged, length: 120))")
            }
        }
        var training = try Pictures(listings.train, classNames: classNames, record: record)
        if known == nil {
            switch options.normalization {
            case .none: break
            case .data: (record.means, record.deviations) = try training.channelStatistics()
            case .imageNet: record.takeImageNet()
            }
            training = Pictures(training, normalizedBy: record)
        }
        self.record = record
        train = training
        validation = try listings.validation.map { try Pictures($0, classNames: classNames, record: record) }
        test = try Pictures(listings.test!, classNames: classNames, record: record)
    }
}

/// The listings of the parts, as far as they lie apart.
struct PictureListings {
    var train: PictureListing
    var validation: PictureListing?
    var test: PictureListing?

    /// What was passed over, in sentences.
    var notes: [String]

    /// A folder whose folders are called train, and test or val, holds the parts; any other is one. A part whose pictures are
    /// of no class, as where a competition keeps what is to be predicted, is none.
    /// - Parameters:
    ///   - path: of the folder, or of a list.
    ///   - table: how the list is written.
    ///   - skips: whether lines of the list that give no picture are left out.
    init(path: String, table: TableOptions, skips: Bool = false) throws {
        let names = isFolder(path) ? (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] : []
        func folder(_ wanted: [String]) -> String? {
            names.sorted().first { wanted.contains($0.lowercased()) && isFolder("\(path)/\($0)") }
        }
        let folders = (
            train: folder(["train", "training"]), validation: folder(["val", "valid", "validation", "dev"]),
            test: folder(["test", "testing"])
        )
        guard let training = folders.train, folders.validation != nil || folders.test != nil else {
            train = try PictureListing(at: path, table: table, skips: skips)
            notes = train.allNotes
            return
        }
        var unlabelled: [String] = []
        func part(_ name: String?) throws -> PictureListing? {
            guard let name else { return nil }
            let listing = try PictureListing(folder: "\(path)/\(name)")
            guard !listing.entries.isEmpty, listing.entries.allSatisfy({ $0.label == nil }) else {
                try listing.requireClasses("\(path)/\(name)")
                return listing
            }
            unlabelled.append(
                "the \(listing.entries.count) pictures in \(shown(name)) are in no folder of a class: they are left for "
                    + "gimbal predict")
            return nil
        }
        train = try PictureListing(folder: "\(path)/\(training)")
        train.name = URL(filePath: path).standardizedFileURL.lastPathComponent
        let found = (validation: try part(folders.validation), test: try part(folders.test))
        // One held-back part is what is tested at the end, as with ImageNet's val.
        validation = found.test == nil ? nil : found.validation
        test = found.test ?? found.validation
        let parts = [folders.train, folders.validation, folders.test]
        let beside = names.sorted().filter {
            !parts.contains($0) && !$0.hasPrefix(".") && PictureListing.isPictureFolder("\(path)/\($0)")
        }
        notes = train.allNotes + unlabelled
        if !beside.isEmpty {
            notes.append("folders beside those of the parts are passed over: \(listed(beside, length: 120))")
        }
    }

    /// Takes from the training part what has no part of its own yet, class by class.
    mutating func divide(_ plan: SplitPlan) {
        if test == nil {
            let parts = train.split(heldBack: plan.testFraction, seed: plan.seed)
            (train, test) = (parts.rest, parts.heldBack)
        }
        if validation == nil, let fraction = plan.validationFraction {
            let parts = train.split(heldBack: fraction, seed: plan.seed &+ 1)
            (train, validation) = (parts.rest, parts.heldBack)
        }
    }
}

extension PictureListing {
    /// A folder, or a list.
    init(at path: String, table: TableOptions, skips: Bool = false) throws {
        if isFolder(path) {
            try self.init(folder: path)
        } else {
            try self.init(list: path, options: table, skips: skips)
        }
    }

    /// All that was passed over, in sentences.
    fileprivate var allNotes: [String] {
        var notes = notes
        if !others.isEmpty { notes.append("files of kinds that are not read are passed over: \(listed(otherKinds))") }
        let labels = classNames
        if !labels.isEmpty, labels.allSatisfy({ Double($0) != nil }), labels.contains(where: { Int($0) == nil }) {
            notes.append("the classes are called by numbers with fractions: from pictures classes are told, no numbers")
        }
        return notes
    }

    /// - Throws: `GimbalError.invalidFile` where a picture is of no class.
    func requireClasses(_ path: String) throws {
        guard let stray else { return }
        throw GimbalError.invalidFile(
            path: path,
            reason: "\(shown(stray.path)) lies beside the folders of the classes: each class has a folder of its name, "
                + "with its pictures in it")
    }

    /// Two parts that share no picture, drawn class by class: of each, about the same share is held back.
    fileprivate func split(
        heldBack fraction: Double, seed: UInt64
    ) -> (rest: PictureListing, heldBack: PictureListing) {
        var places: [ExactText: [Int]] = [:]
        for (place, entry) in entries.enumerated() { places[ExactText(entry.label ?? ""), default: []].append(place) }
        var random = Philox(seed: seed, stream: .split)
        var isHeld = [Bool](repeating: false, count: entries.count)
        // What rounding gave or took before is made up for, so that many small classes come to the share as well.
        var debt = 0.0
        for (_, places) in places.sorted(by: { $0.key < $1.key }) {
            let wanted = Double(places.count) * fraction + debt
            let count = min(max(Int(wanted.rounded()), 0), places.count - 1)
            debt = wanted - Double(count)
            for place in random.permutation(of: places.count).prefix(count) { isHeld[places[place]] = true }
        }
        func part(_ held: Bool) -> PictureListing {
            with(entries.indices.filter { isHeld[$0] == held }.map { entries[$0] })
        }
        return (part(false), part(true))
    }

    /// - Throws: `GimbalError.invalidFile` where there are no pictures, or no classes to tell apart.
    fileprivate func requireLearnable(_ path: String, _ classNames: [String]) throws {
        func refuse(_ reason: String) -> GimbalError { .invalidFile(path: path, reason: reason) }
        guard !entries.isEmpty else {
            throw refuse(
                "holds no PNG or JPEG file"
                    + (others.isEmpty ? "" : ", but \(listed(otherKinds)), which are not read"))
        }
        try requireClasses(path)
        guard classNames.count > 1 else {
            throw refuse("every picture is of the class '\(shown(classNames[0]))': there is nothing to learn")
        }
    }

    /// The pictures that can be read, and the files that cannot, with the reasons.
    fileprivate func readable(by record: PictureRecord) throws -> (listing: PictureListing, damaged: [String]) {
        let entries = entries
        let paths = entries.map(path)
        let workers = min(max(ProcessInfo.processInfo.activeProcessorCount, 1), max(paths.count, 1))
        let reasons = Prefetcher<String?, Never>(capacity: 64, workers: workers) { number in
            guard number < paths.count else { return nil }
            do {
                _ = try record.pixels(ofFile: paths[number])
                return .some(nil)
            } catch {
                return .some(visible("\(error)".unicodeScalars))
            }
        }
        var result: [Entry] = []
        var damaged: [String] = []
        for entry in entries {
            guard let reason = reasons?.next() ?? nil else {
                result.append(entry)
                continue
            }
            damaged.append(reason)
        }
        return (with(result), damaged)
    }
}

extension PictureRecord {
    /// What options and files say: the sides and colours of pictures from all over the listing.
    /// - Throws: `GimbalError.invalidFile` for a picture that cannot be read, unless such are skipped.
    init(_ options: PictureOptions, for listing: PictureListing) throws {
        let entries = listing.entries
        let sample = evenPlaces(256, of: entries.count).map { entries[$0] }
        var size = options.size
        var channels = options.channels
        if size == nil || channels == nil {
            let heads = try sample.compactMap { entry in
                do {
                    return try PictureRecord.head(ofFile: listing.path(entry))
                } catch  where options.damaged == .skip {
                    return nil
                }
            }
            let own = heads.first?.size
            let isAlike = heads.allSatisfy { $0.size == own } && (own.map { max($0.height, $0.width) <= 512 } ?? false)
            size = size ?? (isAlike ? own : PictureSize(height: 224, width: 224))
            channels = channels ?? (heads.contains(where: \.isColour) ? 3 : 1)
        }
        self.init(size: size!, channels: channels!, fit: options.fit)
        damaged = options.damaged
    }

    /// Of red, green and blue over the pictures of ImageNet, as torchvision's models were trained with; of grey, what they
    /// come to by ITU-R BT.601.
    fileprivate mutating func takeImageNet() {
        (means, deviations) =
            channels == 3 ? ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]) : ([0.459], [0.226])
    }
}
