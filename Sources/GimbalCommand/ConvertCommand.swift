import ArgumentParser
import Foundation
import GimbalTrain

struct ConvertCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert", abstract: "Puts weights into a file of another format, or images into PNG files.",
        discussion: """
            Read are safetensors, what torch.save wrote (.pt, .pth, .bin; the new and the old format) and arrays of \
            NumPy (.npz, .npy). What is written follows from the name of OUT: .safetensors, .pt or .pth, .npz, .npy. \
            Nothing that a file of PyTorch holds is run; one that needs Python's code to be loaded is refused. Of the folder \
            of a run, the chosen weights of its newest checkpoint are read.

            A folder of IDX files, or digits, becomes a folder of PNG files, with train and test in it and a folder for each \
            class in these.

            EXAMPLES:
              gimbal convert resnet18.pth resnet18.safetensors
              gimbal convert checkpoint.pt model.safetensors --rename 'model_state_dict.*=*' --only 'model_state_dict.*'
              gimbal convert model.safetensors model.pt --type float16
              gimbal convert runs/churn churn.pt
              gimbal convert digits digit-pictures
            """)

    @Argument(
        help: ArgumentHelp(
            "The file to read, a run or a checkpoint; or digits, or a folder of IDX files.", valueName: "in"),
        completion: .file())
    var source: String
    @Argument(help: ArgumentHelp("The file, or the folder, to write.", valueName: "out"), completion: .file())
    var target: String
    @Option(
        help: ArgumentHelp(
            "Tensors to take, by a pattern with * and ?; all unless given. May be given several times.",
            valueName: "pattern"))
    var only: [NamePattern] = []
    @Option(
        help: ArgumentHelp(
            "Gives tensors that fit a pattern the name behind the =, in which a * stands for what the pattern's found, or "
                + "leaves them out where nothing stands there. May be given several times; the first that fits counts.",
            valueName: "pattern=name"), transform: FineTuning.Renaming.init(parsing:))
    var rename: [FineTuning.Renaming] = []
    @Option(help: "The type that real numbers are written in; their own unless given.")
    var type: RealType?
    @Flag(help: "Replace OUT where it is there, and is what gimbal convert writes.")
    var force = false
    @Flag(help: "Print one JSON object on standard output, and nothing else there.")
    var json = false

    /// Whether images are to become pictures.
    private var isOfImages: Bool {
        get throws { try source == "digits" || (isFolder(source) && ModelWeights.file(in: source) == nil) }
    }

    func validate() throws {
        guard try isOfImages || WeightFile.Format(path: target) != nil else {
            throw ValidationError(
                "\(target): the name must end in .safetensors, .pt, .pth, .bin, .ckpt, .npz or .npy, which says what to "
                    + "write")
        }
    }

    func run() throws { try SettingFlags.translating(convert) }

    private func convert() throws {
        try requireOutput(target, "OUT", inputs: [source])
        try isOfImages ? requireOwnPictures() : requireOwnWeights()
        if !force { try requireNothing(at: target) }
        // No run holds the folder: what a conversion that was killed has left is the next one's to remove.
        let place = URL(fileURLWithPath: target).standardizedFileURL
        AtomicFile.removePartials(in: place.deletingLastPathComponent().path) { $0 == place.lastPathComponent }
        if try isOfImages { return try writePictures() }
        guard let format = WeightFile.Format(path: target) else { return }
        let file = try WeightFile(path: ModelWeights.intactFile(in: source) ?? source)
        let names = NameMap(rename)
        let named = file.namedEntries
        try FineTuning.Renaming.requireUse(of: rename, in: named.map(\.name), path: source)
        let chosen = named.filter { name, _ in only.isEmpty || only.contains { $0.matches(name) } }
        guard !chosen.isEmpty || named.isEmpty else {
            throw GimbalError.invalidSetting(
                name: "--only", reason: "no tensor fits; \(source) has \(listed(named.map(\.name)))")
        }
        let losses = NarrowingLosses()
        var seen: [String: String] = [:]
        var items: [SafeTensors.Item] = []
        var leftOut: [String] = []
        for (oldName, entry) in chosen {
            guard entry.type.isRead else {
                leftOut.append("'\(shown(oldName))' is left out: it is \(entry.type.reasonAgainstReading)")
                continue
            }
            guard let name = names.name(for: oldName) else { continue }
            if let other = seen.updateValue(oldName, forKey: name) {
                throw GimbalError.invalidSetting(
                    name: "--rename",
                    reason: "'\(shown(other))' and '\(shown(oldName))' both become '\(shown(name))'")
            }
            items.append(try item(entry, called: name, of: file, losses))
        }
        for (name, reason) in file.unreadable where !chosen.contains(where: { $0.name == name }) {
            leftOut.append("'\(shown(name))' is left out: it is \(reason)")
        }
        // An older OUT is not given up for nothing.
        guard !items.isEmpty else {
            throw GimbalError.invalidFile(
                path: source,
                reason: leftOut.first.map { "no tensor in it can be written: \($0)" } ?? "there are no tensors in it")
        }
        if format == .npz || format == .npy, items.contains(where: { $0.type == .bfloat16 }) {
            printNotice("note: NumPy has no bfloat16, which is written as float32")
        }
        try WeightFile.write(items, as: format, metadata: freeText(of: file), to: target)
        let numbers = items.reduce(0) { $0 + $1.shape.elementCount }
        if json {
            try printJSON(
                Report(
                    source: source, target: target, format: format.rawValue, tensors: items.count, numbers: numbers,
                    leftOut: leftOut, warnings: losses.lines))
            return
        }
        for line in leftOut + losses.lines { printNotice("warning: " + line) }
        try printLine(
            "\(shown(target, limit: 200)): \(counted(items.count, "tensor")), \(counted(numbers, "number")), as "
                + format.rawValue)
    }

    /// What safetensors say beside their tensors and the other names of these.
    private func freeText(of file: WeightFile) -> [String: String] {
        guard file.format == .safeTensors else { return [:] }
        let others = Set(file.otherNames.map(\.name))
        return Dictionary(file.notes.filter { !others.contains($0.name) }, uniquingKeysWith: { first, _ in first })
    }

    /// - Throws: `GimbalError.fileSystem` where OUT is there and holds something else than weights.
    private func requireOwnWeights() throws {
        var status = stat()
        guard stat(target, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size > 0,
            (try? WeightFile(path: target)) == nil
        else { return }
        throw GimbalError.fileSystem(
            operation: "replace", path: target, reason: "it holds no weights, and is left as it is; name another file")
    }

    /// - Throws: `GimbalError.fileSystem` where OUT is a folder of something else than pictures as they are written here.
    private func requireOwnPictures() throws {
        func refuse(_ reason: String) -> GimbalError {
            .fileSystem(
                operation: "replace", path: target, reason: "\(reason), and is left as it is; name another folder")
        }
        guard isFolder(target) else { return }
        if source != "digits", isWithin(source, target) {
            throw refuse("it holds what is read, \(shown(source, limit: 200))")
        }
        if try RunFolder.isRun(at: target) { throw refuse("it is the folder of a run") }
        if let other = Dataset.entryBesidePictures(in: target, parts: Self.parts) {
            throw refuse("it holds \(shown(other)), which gimbal convert has not written")
        }
    }

    /// The folders that images are put into.
    private static let parts = ["train", "test"]

    private func writePictures() throws {
        let source: DataSource = source == "digits" ? .digits : .images(folder: source)
        let parts = try source.parts(SplitPlan(validationFraction: nil))
        let data = zip(Self.parts, [parts.train, parts.test])
        try AtomicFile.writeFolder(at: target) { folder in
            for (name, part) in data {
                // Images are held in memory as they are.
                try (part as? Dataset)?.writePictures(to: "\(folder)/\(name)")
            }
        }
        let counts = data.map { "\($1.count) in \($0)" }.joined(separator: ", ")
        try printLine("\(shown(target, limit: 200)): pictures of \(parts.train.classNames.count) classes, \(counts)")
    }

    /// An entry as it is to be written, read when its turn comes.
    private func item(
        _ entry: WeightFile.Entry, called name: String, of file: WeightFile, _ losses: NarrowingLosses
    ) throws -> SafeTensors.Item {
        guard let type, let dtype = entry.type.dtype, dtype.isFloatingPoint, entry.type != type.element else {
            return SafeTensors.Item(name: name, type: entry.type, shape: entry.shape) { try file.bytes(of: entry) }
        }
        return SafeTensors.Item(name: name, type: type.element, shape: entry.shape) {
            let bytes = try file.bytes(of: entry)
            let tensor = bytes.withUnsafeBytes { Tensor(copying: $0, entry.shape, dtype, .cpu) }
            let result = try tensor.cast(to: type.dtype).bytes()
            losses.compare(bytes, of: entry.type, with: result, of: type.element, name: name)
            return result
        }
    }

    private struct Report: Encodable {
        var source: String
        var target: String
        var format: String
        var tensors: Int
        var numbers: Int
        var leftOut: [String]
        var warnings: [String]
    }
}

/// Numbers that a type of less range has no place for, by the tensors that hold them.
private final class NarrowingLosses {
    private var (overflows, underflows): ([(name: String, count: Int)], [(name: String, count: Int)]) = ([], [])
    private var typeName = ""

    /// - Parameters:
    ///   - old: elements of type `type`.
    ///   - new: the same in type `newType`.
    ///   - name: of the tensor.
    func compare(
        _ old: [UInt8], of type: SafeTensors.ElementType, with new: [UInt8], of newType: SafeTensors.ElementType,
        name: String
    ) {
        guard newType.byteCount <= type.byteCount else { return }
        typeName = "\(newType)"
        var (infinite, zero) = (0, 0)
        // In pieces: as float64, a large tensor would be several times as large.
        let (count, piece) = (old.count / type.byteCount, 1 << 16)
        for start in stride(from: 0, to: count, by: piece) {
            let range = start..<min(start + piece, count)
            func doubles(_ bytes: [UInt8], _ type: SafeTensors.ElementType) -> [Double] {
                bytes.withUnsafeBytes {
                    let bounds = range.lowerBound * type.byteCount..<range.upperBound * type.byteCount
                    return type.doubles(UnsafeRawBufferPointer(rebasing: $0[bounds]))
                }
            }
            for (before, after) in zip(doubles(old, type), doubles(new, newType)) {
                if after.isInfinite, before.isFinite { infinite += 1 }
                if after == 0, before != 0 { zero += 1 }
            }
        }
        if infinite > 0 { overflows.append((name, infinite)) }
        if zero > 0 { underflows.append((name, zero)) }
    }

    /// A line for what became infinite, and one for what became 0.
    var lines: [String] {
        let losses = [
            ("became infinite, beyond what a \(typeName) holds", overflows),
            ("became 0, too small for a \(typeName)", underflows),
        ]
        return losses.filter { !$0.1.isEmpty }.map { what, tensors in
            let names = tensors.map { "\($0.name) (\($0.count))" }
            return "\(counted(tensors.reduce(0) { $0 + $1.count }, "number")) \(what): \(listed(names, length: 80))"
        }
    }
}

/// Makes sure that a file that is to be written takes the place of none.
func requireNothing(at path: String) throws {
    guard FileManager.default.fileExists(atPath: path) else { return }
    throw GimbalError.fileSystem(
        operation: "write", path: path, reason: "it is there already; --force replaces it")
}

/// What `--type` takes.
enum RealType: String, ExpressibleByArgument, CaseIterable {
    case float64, float32, float16, bfloat16

    var dtype: DType {
        switch self {
        case .float64: .float64
        case .float32: .float32
        case .float16: .float16
        case .bfloat16: .bfloat16
        }
    }
    var element: SafeTensors.ElementType { .init(dtype) }
}
