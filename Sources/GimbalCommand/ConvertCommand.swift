import ArgumentParser
import Foundation
import GimbalTrain

struct ConvertCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert", abstract: "Puts weights into a file of another format, or images into PNG files.",
        discussion: """
            Read are safetensors, what torch.save wrote (.pt, .pth, .bin; the new and the old format) and arrays of \
            NumPy (.npz, .npy). What is written follows from the name of OUT: .safetensors, .pt or .pth, .npz, .npy. \
            Nothing that a file of PyTorch holds is run; one that needs Python's code to be loaded is refused.

            A folder of IDX files, or digits, becomes a folder of PNG files, with train and test in it and a folder for each \
            class in these.

            EXAMPLES:
              gimbal convert resnet18.pth resnet18.safetensors
              gimbal convert checkpoint.pt model.safetensors --rename 'model_state_dict.*=*' --only 'model_state_dict.*'
              gimbal convert model.safetensors model.pt --type float16
              gimbal convert digits digit-pictures
            """)

    @Argument(
        help: ArgumentHelp("The file to read; or digits, or a folder of IDX files.", valueName: "in"),
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
            "Gives tensors that fit a pattern another name, in which a * stands for what the pattern's found, or leaves "
                + "them out where none is given. May be given several times; the first that fits counts.",
            valueName: "pattern=name"))
    var rename: [FineTuning.Renaming] = []
    @Option(help: "The type that real numbers are written in; their own unless given.")
    var type: RealType?
    @Flag(help: "Replace OUT where it is there.")
    var force = false
    @Flag(help: "Print one JSON object on standard output, and nothing else there.")
    var json = false

    /// Whether images are to become pictures.
    private var isOfImages: Bool { source == "digits" || isFolder(source) }

    func validate() throws {
        guard isOfImages || WeightFile.Format(path: target) != nil else {
            throw ValidationError(
                "\(target): the name must end in .safetensors, .pt, .pth, .bin, .ckpt, .npz or .npy, which says what to "
                    + "write")
        }
    }

    func run() throws { try SettingFlags.translating(convert) }

    private func convert() throws {
        if !force { try requireNothing(at: target) }
        if isOfImages { return try writePictures() }
        guard let format = WeightFile.Format(path: target) else { return }
        let file = try WeightFile(path: source)
        let names = NameMap(rename)
        let chosen = file.entries.filter { entry in only.isEmpty || only.contains { $0.matches(entry.name) } }
        guard !chosen.isEmpty || file.entries.isEmpty else {
            throw GimbalError.invalidSetting(
                name: "--only", reason: "no tensor fits; \(source) has \(listed(file.entries.map(\.name)))")
        }
        var seen: [String: String] = [:]
        var items: [SafeTensors.Item] = []
        var leftOut: [String] = []
        for entry in chosen {
            guard entry.type.isRead else {
                leftOut.append("'\(shown(entry.name))' is left out: it is \(entry.type.reasonAgainstReading)")
                continue
            }
            guard let name = names.name(for: entry.name) else { continue }
            if let other = seen.updateValue(entry.name, forKey: name) {
                throw GimbalError.invalidSetting(
                    name: "--rename",
                    reason: "'\(shown(other))' and '\(shown(entry.name))' both become '\(shown(name))'")
            }
            items.append(try item(entry, called: name, of: file))
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
        try WeightFile.write(items, as: format, to: target)
        let numbers = items.reduce(0) { $0 + $1.shape.elementCount }
        if json {
            try printJSON(
                Report(
                    source: source, target: target, format: format.rawValue, tensors: items.count, numbers: numbers,
                    leftOut: leftOut))
            return
        }
        for line in leftOut { printNotice("warning: " + line) }
        try printLine("\(shown(target, limit: 200)): \(items.count) tensors, \(numbers) numbers, as \(format.rawValue)")
    }

    private func writePictures() throws {
        let source: DataSource = source == "digits" ? .digits : .images(folder: source)
        let parts = try source.parts(SplitPlan(validationFraction: nil))
        let data = [("train", parts.train), ("test", parts.test)]
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
        _ entry: WeightFile.Entry, called name: String, of file: WeightFile
    ) throws -> SafeTensors.Item {
        guard let type, let dtype = entry.type.dtype, dtype.isFloatingPoint, entry.type != type.element else {
            return SafeTensors.Item(name: name, type: entry.type, shape: entry.shape) { try file.bytes(of: entry) }
        }
        return SafeTensors.Item(name: name, type: type.element, shape: entry.shape) {
            let tensor = try file.bytes(of: entry).withUnsafeBytes { Tensor(copying: $0, entry.shape, dtype, .cpu) }
            return try tensor.cast(to: type.dtype).bytes()
        }
    }

    private struct Report: Encodable {
        var source: String
        var target: String
        var format: String
        var tensors: Int
        var numbers: Int
        var leftOut: [String]
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
