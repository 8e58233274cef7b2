import Gimbal

/// Data in the parts that a run looks at for different ends, and what is known of it.
public struct DataParts: Sendable {
    /// What weights are fitted to.
    public var train: Dataset
    /// What choices are made on; nil where nothing is held back for them.
    public var validation: Dataset?
    /// What is looked at once, at the end.
    public var test: Dataset
    /// What a run keeps of the data.
    public var record: DataRecord
    /// What was found in a table that is trained on for the first time.
    public var profile: TableProfile?
    /// What is not as in training, in sentences.
    public var notes: [String] = []

    fileprivate init(
        _ parts: TableParts, of source: DataSource, validationFraction: Double?, profile: TableProfile? = nil
    ) {
        train = parts.training
        validation = validationFraction == nil ? nil : parts.validation
        test = parts.test
        notes = parts.notes
        self.profile = profile
        record = DataRecord(train, validation: validation, test: test)
        (record.kind, record.path) = (.table, source.absolutePath)
        record.validationFraction = validationFraction
        record.seed = parts.split.request.seed
        record.table = TableRecord(schema: parts.schema, split: parts.split)
    }

    fileprivate init(
        images: (train: Dataset, test: Dataset), of source: DataSource, validationFraction: Double?, seed: UInt64
    ) {
        test = images.test
        if let validationFraction {
            let parts = images.train.split(trainFraction: 1 - validationFraction, seed: seed)
            (train, validation) = (parts.train, parts.test)
        } else {
            train = images.train
        }
        record = DataRecord(train, validation: validation, test: test)
        (record.kind, record.path) = (source.kind, source.absolutePath)
        record.validationFraction = validationFraction
        record.seed = seed
        record.fingerprints = [.training: images.train.fingerprint, .test: images.test.fingerprint]
    }
}

extension DataSource {
    /// The parts of the data for a new run. Of tables and the digits a fifth is held back for the test.
    /// - Parameters:
    ///   - validationFraction: the share of what is left that choices are made on, between 0 and 1; nil for none.
    ///   - seed: what the split follows from.
    /// - Throws: `GimbalError.fileSystem`, `GimbalError.invalidFile` with what is wrong and where,
    ///   `GimbalError.invalidSetting` for options that do not fit the data.
    public func parts(validationFraction: Double? = 0.1, seed: UInt64 = 0) throws -> DataParts {
        guard case .table(let path, let options) = self else {
            return DataParts(
                images: try images(seed: seed), of: self, validationFraction: validationFraction, seed: seed)
        }
        let request = TableSplit.Request(test: 0.2, validation: validationFraction ?? 0, seed: seed)
        let table = try Table(path: path, options: options, split: request)
        try table.profile.requireLearnable()
        return DataParts(
            try table.parts(), of: self, validationFraction: validationFraction, profile: table.profile)
    }

    /// The parts of the data for a run that goes on: split, and turned into numbers, as when the run began.
    /// - Parameter record: what the run keeps of its data.
    /// - Throws: as `parts(validationFraction:seed:)`, and where this is other data than the run began with.
    public func parts(continuing record: DataRecord) throws -> DataParts {
        try requireKind(of: record)
        guard case .table(let path, let options) = self else {
            let parts = DataParts(
                images: try images(seed: record.seed), of: self,
                validationFraction: record.validationFraction, seed: record.seed)
            guard parts.record.fingerprints == record.fingerprints else {
                throw GimbalError.invalidSetting(
                    name: "data", reason: "the run was trained on \(record.name), and \(self.path) is other data")
            }
            return parts
        }
        var parts = DataParts(
            try record.requiredTable().parts(path: path, options: options), of: self,
            validationFraction: record.validationFraction)
        let (now, before) = (parts.record.sampleCount, record.sampleCount)
        if now != before {
            parts.notes.append("\(path) has \(now) rows, where there were \(before) when the run began")
        }
        return parts
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
    ) throws -> (samples: Dataset, notes: [String]) {
        switch self {
        case .table(let path, var options):
            guard record.table != nil else {
                // A model of images, which the number of features tells.
                options.task = record.classNames.isEmpty ? .regression : .classification(names: record.classNames)
                return (try Dataset.csv(path: path, options: options), [])
            }
            let found = try record.requiredTable().evaluationRows(path: path, options: options, part: part)
            guard found.dataset.count > 0 else {
                throw GimbalError.invalidFile(
                    path: path, reason: "no row of it is of the \(part?.rawValue ?? "whole") part, so none is tested")
            }
            return (found.dataset, found.notes)
        case .digits where record.kind == .samples: return (Dataset.digits(), [])
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
            let isKnown = test.fingerprint == record.fingerprints[.test]
            let note =
                "\(folder) is not the data that the model was trained on, which is \(record.name): all "
                + "\(test.count) test images of it are tested"
            return (test, isKnown ? [] : [note])
        default:
            let parts = try parts(continuing: record)
            switch part {
            case .training: return (parts.train, [])
            case .validation: return (parts.validation ?? parts.train.prefix(0), [])
            case .test: return (parts.test, [])
            case nil:
                throw GimbalError.invalidSetting(
                    name: "part", reason: "\(self.path) comes in parts; name training, validation or test")
            }
        }
    }

    /// Both parts of images, before anything is held back from the first.
    private func images(seed: UInt64) throws -> (train: Dataset, test: Dataset) {
        guard case .images(let folder, let set) = self else {
            return Dataset.digits().split(trainFraction: 0.8, seed: seed)
        }
        return try Dataset.idx(folder: folder, name: set.title, classNames: set.classNames)
    }

    private func requireKind(of record: DataRecord) throws {
        guard record.kind != kind else { return }
        throw GimbalError.invalidSetting(
            name: "data", reason: "the run was trained on \(record.name), and \(path) is other data")
    }
}

extension DataRecord {
    /// Samples of all parts.
    var sampleCount: Int { counts.values.reduce(0, +) }

    /// - Throws: `GimbalError.invalidFile` where the run was trained on other data than a table.
    fileprivate func requiredTable() throws -> TableRecord {
        guard let table else {
            throw GimbalError.invalidSetting(name: "data", reason: "the run was trained on \(name), which is no table")
        }
        return table
    }
}
