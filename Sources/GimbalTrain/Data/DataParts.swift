import Foundation
import Gimbal

/// Data in the parts that a run looks at for different ends, and what is known of it.
public struct DataParts: Sendable {
    /// What weights are fitted to.
    public var train: any SupervisedData
    /// What choices are made on; nil where nothing is held back for them.
    public var validation: (any SupervisedData)?
    /// What is looked at once, at the end.
    public var test: any SupervisedData
    /// What a run keeps of the data.
    public var record: DataRecord
    /// What was found in a table that is trained on for the first time.
    public var profile: TableProfile?
    /// Of a series: forecasts that need no model, tried on the test part.
    public var baselines: [ForecastBaseline] = []
    /// What is not as in training, in sentences.
    public var notes: [String] = []

    fileprivate init(_ data: TableData, of source: DataSource, plan: SplitPlan, profile: TableProfile? = nil) {
        train = data.training
        validation = plan.hasValidation ? data.validation : nil
        test = data.test
        notes = data.notes
        self.profile = profile
        record = DataRecord(train, validation: validation, test: test, of: source, plan: plan)
        (record.table, record.contents) = (data.record, data.contents.text)
        if data.isStreamed {
            notes.insert("the table is larger than memory is used for: it is read as it is trained on", at: 0)
        }
    }

    fileprivate init(_ series: SeriesParts, of source: DataSource, plan: SplitPlan) {
        (train, validation, test, notes) = (series.train, series.validation, series.test, series.notes)
        baselines = series.baselines
        record = DataRecord(train, validation: validation, test: test, of: source, plan: plan)
        record.series = series.record
        record.standardization = series.record.standardization
    }

    fileprivate init(_ tokens: TokenParts, of source: DataSource, plan: SplitPlan) {
        (train, validation, test, notes) = (tokens.train, tokens.validation, tokens.test, tokens.notes)
        record = DataRecord(train, validation: validation, test: test, of: source, plan: plan)
        (record.text, record.fingerprints) = (tokens.record, tokens.fingerprints)
    }

    fileprivate init(_ pictures: PictureParts, of source: DataSource, plan: SplitPlan) {
        (train, validation, test, notes) = (pictures.train, pictures.validation, pictures.test, pictures.notes)
        record = DataRecord(train, validation: validation, test: test, of: source, plan: plan)
        record.pictures = pictures.record
        record.fingerprints = pictures.fingerprints
    }

    fileprivate init(
        images: (train: Dataset, test: Dataset), of source: DataSource, plan: SplitPlan
    ) {
        test = images.test
        if let fraction = plan.validationFraction {
            let parts = images.train.split(trainFraction: 1 - fraction, seed: plan.seed)
            (train, validation) = (parts.train, parts.test)
        } else {
            train = images.train
        }
        record = DataRecord(train, validation: validation, test: test, of: source, plan: plan)
        record.inputRange = images.train.inputRange
        record.fingerprints = [.training: images.train.fingerprint, .test: images.test.fingerprint]
    }
}

extension DataParts {
    /// - Throws: `GimbalError.invalidSetting` for a part that there is not, or for none, where data comes in parts.
    fileprivate func requiredPart(_ part: TableSplit.Part?, of path: String) throws -> any SupervisedData {
        func refuse(_ reason: String) -> GimbalError { .invalidSetting(name: "part", reason: reason) }
        switch part {
        case .training: return train
        case .validation:
            guard let validation else { throw refuse("the run held nothing back for validation") }
            return validation
        case .test: return test
        case nil: throw refuse("\(path) comes in parts; name training, validation or test")
        }
    }
}

extension DataSource {
    /// The parts of the data for a new run.
    /// - Parameter plan: how they are divided; images have a test part of their own.
    /// - Throws: `GimbalError.fileSystem`, `GimbalError.invalidFile` with what is wrong and where,
    ///   `GimbalError.invalidSetting` for options that do not fit the data.
    public func parts(_ plan: SplitPlan = SplitPlan()) throws -> DataParts {
        try plan.validate()
        return try parts(plan, continuing: nil)
    }

    /// The parts of the data for a new run, or for the run of `record`.
    private func parts(_ plan: SplitPlan, continuing record: DataRecord?) throws -> DataParts {
        switch self {
        case .table(let path, let options):
            guard let record else { return try newParts(ofTable: path, options, plan) }
            return try parts(ofTable: path, options, continuing: record)
        case .pictures(let path, let options, let table):
            return DataParts(
                try PictureParts(path: path, options: options, table: table, plan: plan, continuing: record), of: self,
                plan: plan)
        case .series(let path, let options, let table):
            return DataParts(
                try SeriesParts(
                    path: path, options: options, table: table, plan: plan,
                    continuing: try record?.requiredSeries(path)), of: self, plan: plan)
        case .text(let path, let options):
            return DataParts(
                try TokenParts(text: path, options: options, plan: plan, continuing: record?.text), of: self, plan: plan
            )
        case .pairs(let path, let options):
            return DataParts(
                try TokenParts(pairs: path, options: options, plan: plan, continuing: record?.text), of: self,
                plan: plan)
        case .digits, .images:
            try requireShares(plan)
            return DataParts(images: try images(plan), of: self, plan: plan)
        }
    }

    private func newParts(ofTable path: String, _ options: TableOptions, _ plan: SplitPlan) throws -> DataParts {
        let request = TableSplit.Request(
            test: plan.testPath == nil ? plan.testFraction : 0,
            validation: plan.validationPath == nil ? plan.validationFraction ?? 0 : 0, seed: plan.seed)
        var table = try Table(path: path, options: options, split: request)
        try table.profile.requireLearnable()
        if let fold = plan.fold { table = try table.fold(fold.number, of: fold.count) }
        return DataParts(
            try table.data(validation: plan.validationPath, test: plan.testPath), of: self, plan: plan,
            profile: table.profile)
    }

    /// The parts of the data for a run that goes on: split, and turned into numbers, as when the run began.
    /// - Parameter record: what the run keeps of its data.
    /// - Throws: as `parts(_:)`, and where this is other data than the run began with.
    public func parts(continuing record: DataRecord) throws -> DataParts {
        try requireKind(of: record)
        let parts = try parts(record.plan, continuing: record)
        guard parts.record.fingerprints == record.fingerprints else {
            let (now, before) = (parts.record.sampleCount, record.sampleCount)
            let change = now == before ? "" : ": it has \(now) samples, where there were \(before)"
            throw GimbalError.invalidSetting(
                name: "data",
                reason:
                    "the run was trained on \(record.name), and \(self.path) is other data\(change); what stood there before goes on, and "
                    + "data in another place can be tested")
        }
        return parts
    }

    private func parts(
        ofTable path: String, _ options: TableOptions, continuing record: DataRecord
    ) throws -> DataParts {
        let plan = record.plan
        var parts = DataParts(
            try record.requiredTable().data(
                path: path, validation: plan.validationPath, test: plan.testPath, options: options), of: self,
            plan: plan)
        guard
            try parts.train.count == 0 || TableSource.isReadOnce(path)
                || record.requiredTable().sharesRows(withFileAt: path, options: options)
        else {
            throw GimbalError.invalidFile(
                path: path,
                reason:
                    "shares no row with the table that the run was trained on, \(record.path ?? record.name): a run goes "
                    + "on with its own data; evaluation takes other data, and another run may begin with it")
        }
        let (now, before) = (parts.record.sampleCount, record.sampleCount)
        if now != before, parts.train.isCountExact {
            parts.notes.append("\(path) has \(now) rows, where there were \(before) when the run began")
        } else if let note = record.note(onChanged: parts.record.contents, path: path) {
            parts.notes.append(note)
        }
        return parts
    }

    /// Images and digits are divided by shares alone.
    private func requireShares(_ plan: SplitPlan) throws {
        let files = [("validationPath", plan.validationPath), ("testPath", plan.testPath)].first { $0.1 != nil }
        guard let name = files?.0 ?? (plan.fold == nil ? nil : "folds") else { return }
        throw GimbalError.invalidSetting(name: name, reason: "is for tables; \(path) holds images")
    }

    /// What a model may be judged by: a part of the data of its run, or all of other data.
    /// - Parameters:
    ///   - record: what the run keeps of its data.
    ///   - part: the part of the run's data that is asked for; nil for all rows of a table, whatever they were used for.
    /// - Returns: the samples, and in words which they are.
    /// - Throws: as `parts(continuing:)`, and for data that the model cannot read: without a column that it was trained
    ///   with, or of other classes.
    public func evaluationData(
        of record: DataRecord, part: TableSplit.Part? = .test
    ) throws -> (samples: any SupervisedData, notes: [String]) {
        if let copy = copy(of: record) {
            let place = "\(path) is the data that the model was trained on, in another place"
            return (try copy.requiredPart(part, of: path), [place])
        }
        switch self {
        case .table(let path, var options):
            guard record.table != nil else {
                // A model of images, which the number of features tells.
                options.task = record.classNames.isEmpty ? .regression : .classification(names: record.classNames)
                let rows = try Dataset.csv(path: path, options: options)
                try record.requireInputRange(of: rows, path: path)
                return (rows, [])
            }
            // A part that had a file of its own is that file, where no other is named.
            let own = part == .test ? record.plan.testPath : part == .validation ? record.plan.validationPath : nil
            if let own, absolutePath == record.path {
                let found = try record.requiredTable().allRows(path: own, options: options)
                return (found.data, found.notes)
            }
            let found = try record.requiredTable().evaluatedRows(path: path, options: options, part: part)
            guard found.data.count > 0 else {
                throw GimbalError.invalidFile(
                    path: path, reason: "no row of it is of the \(part?.rawValue ?? "whole") part, so none is tested")
            }
            // What else is to stand for a missing value makes other rows of the same table.
            let isOwn = absolutePath == record.path && options.missingMarks == nil
            let change = isOwn ? record.note(onChanged: found.contents.text, path: path) : nil
            return (found.data, found.notes + [change].compactMap { $0 })
        case .digits where record.kind == .samples: return (Dataset.digits(), [])
        case .series(let path, _, let table) where absolutePath != record.path:
            // Another series is tested as a whole.
            let series = try record.requiredSeries(path)
            let table = try SeriesTable(path: path, options: table, known: series)
            try series.requireWindow(table, path: path, ahead: series.horizon)
            let all = series.examples(table, predicting: 0..<table.count, isJudged: true, name: table.name)
            guard all.count > 0 else {
                throw GimbalError.invalidFile(
                    path: path, reason: "so many values are missing that there is no forecast to be judged")
            }
            return (all, table.notes + [record.note(onOtherData: path, "of it is")])
        case .pictures(let path, _, let table) where absolutePath != record.path:
            // Another folder is tested as a whole, with classes by name.
            let pictures = try record.requiredPictures(path)
            let listing = try PictureListing(at: path, table: table, skips: pictures.damaged == .skip)
            guard !listing.entries.isEmpty, listing.entries.allSatisfy({ $0.label != nil }) else {
                throw GimbalError.invalidFile(
                    path: path, reason: "has no pictures in folders called by their classes: there is nothing to test")
            }
            return (
                try Pictures(listing, classNames: record.classNames, record: pictures),
                listing.notes + [record.note(onOtherData: path, "\(listing.entries.count) pictures of it are")]
            )
        case .text(let path, let options) where absolutePath != record.path:
            try requireKind(of: record)
            // Another text is tested as a whole.
            let text = try record.requiredText()
            let all = try TextPart(
                path, TextFile.read(path, encoding: options.encoding), text.makeTokenizer(), length: text.length)
            let notes = [record.note(onOtherData: path, "of it is"), all.noteOnUnknown]
            return (all, notes.compactMap { $0 })
        case .pairs(let path, var options) where absolutePath != record.path:
            try requireKind(of: record)
            var plan = SplitPlan(validationFraction: nil)
            plan.testFraction = 0
            var text = try record.requiredText()
            // Another file need not be in the encoding of the run's.
            (text.encoding, options.length) = (nil, nil)
            let all = try TokenParts(pairs: path, options: options, plan: plan, continuing: text)
            return (all.train, all.notes + [record.note(onOtherData: path, "\(all.train.count) pairs of it are")])
        case .images(let folder, let set) where part == .test:
            if record.kind != .samples { try requireKind(of: record) }
            let names = set.classNames ?? record.classNames
            guard names.elementsEqual(record.classNames, by: { $0.utf8.elementsEqual($1.utf8) }) else {
                throw GimbalError.invalidFile(
                    path: folder,
                    reason: "has the classes \(listed(names)), where the model was trained on \(record.name) with the "
                        + "classes \(listed(record.classNames))")
            }
            let test = try Dataset.idxTest(folder: folder, name: set.title, classNames: names)
            try record.requireInputRange(of: test, path: folder)
            let isKnown = test.fingerprint == record.fingerprints[.test]
            return (test, isKnown ? [] : [record.note(onOtherData: folder, "\(test.count) test images of it are")])
        default:
            let chosen = try parts(continuing: record).requiredPart(part, of: path)
            return (chosen, [(chosen as? TextPart)?.noteOnUnknown].compactMap { $0 })
        }
    }

    /// The parts, where pictures, a text or pairs in another place than that of `record` are the same.
    private func copy(of record: DataRecord) -> DataParts? {
        guard [.pictures, .text, .pairs].contains(kind), absolutePath != record.path else { return nil }
        return try? parts(continuing: record)
    }

    /// Both parts of images, before anything is held back from the first.
    private func images(_ plan: SplitPlan) throws -> (train: Dataset, test: Dataset) {
        guard case .images(let folder, let set) = self else {
            return Dataset.digits().split(trainFraction: 1 - plan.testFraction, seed: plan.seed)
        }
        let images = try Dataset.idx(folder: folder, name: set.title, classNames: set.classNames)
        if case .classes(let classes, let names) = images.train.targets, let only = classes.first,
            classes.allSatisfy({ $0 == only })
        {
            throw GimbalError.invalidFile(
                path: folder,
                reason: "every image to train on has the class '\(shown(names[Int(only)]))': there is nothing to learn")
        }
        return images
    }

    private func requireKind(of record: DataRecord) throws {
        guard record.kind != kind else { return }
        throw GimbalError.invalidSetting(
            name: "data", reason: "the run was trained on \(record.name), and \(path) is other data")
    }
}

extension DataRecord {
    /// What is known of the parts of `source`.
    fileprivate init(
        _ train: any SupervisedData, validation: (any SupervisedData)?, test: any SupervisedData, of source: DataSource,
        plan: SplitPlan
    ) {
        self.init(train, validation: validation, test: test)
        (kind, path, self.plan) = (source.kind, source.absolutePath, plan)
    }

    /// Samples of all parts.
    var sampleCount: Int { counts.values.reduce(0, +) }

    /// What is said of an evaluation on all of other data.
    fileprivate func note(onOtherData path: String, _ all: String) -> String {
        "\(path) is not the data that the model was trained on, which is \(name): all \(all) tested, what it may have of that "
            + "data as well"
    }

    /// How texts are read for a model of this data.
    /// - Throws: `GimbalError.invalidSetting` for a model of something else.
    func requiredText() throws -> TextRecord {
        guard let text else {
            throw GimbalError.invalidSetting(name: "data", reason: "the run was trained on \(name), which is no text")
        }
        return text
    }

    /// How a series is read for a model of this data.
    /// - Throws: `GimbalError.invalidSetting` for a model of something else.
    func requiredSeries(_ path: String) throws -> SeriesRecord {
        guard let series else {
            throw GimbalError.invalidSetting(
                name: "data", reason: "\(path) is read as a series, and the run was trained on \(name), which is none")
        }
        return series
    }

    /// How pictures are read for a model of this data: one of images without colours takes them as well.
    /// - Throws: `GimbalError.invalidSetting` for a model of something else.
    func requiredPictures(_ path: String) throws -> PictureRecord {
        if let pictures { return pictures }
        guard kind == .images, inputShape.count == 3, inputShape[0] == 1 else {
            throw GimbalError.invalidSetting(
                name: "data", reason: "\(path) holds pictures, and the run was trained on \(name), which is none")
        }
        return PictureRecord(size: PictureSize(height: inputShape[1], width: inputShape[2]), channels: 1)
    }

    /// - Throws: `GimbalError.invalidFile` where the run was trained on other data than a table.
    fileprivate func requiredTable() throws -> TableRecord {
        guard let table else {
            throw GimbalError.invalidSetting(name: "data", reason: "the run was trained on \(name), which is no table")
        }
        return table
    }
}
