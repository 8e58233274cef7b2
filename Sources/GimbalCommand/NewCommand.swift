import ArgumentParser
import Foundation
import GimbalTrain

struct NewCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "new", abstract: "Writes a package of Swift with a program that trains a net.",
        discussion: HelpTexts.new)

    @Argument(
        help: "The folder to be made; the program is called as it is, as far as a name allows.", completion: .directory)
    var name: String
    @Option(
        help: ArgumentHelp("A checkout of Gimbal to build with, instead of a published version.", valueName: "dir"),
        completion: .directory)
    var path: String?
    @Option(help: ArgumentHelp("The repository that Gimbal comes from. (default: \(Template.repository))"))
    var url: String?

    func validate() throws {
        if path != nil && url != nil { throw ValidationError("--path and --url cannot be given together") }
    }

    func run() throws {
        let folder = URL(fileURLWithPath: name).standardizedFileURL
        let template = try Template(folderName: folder.lastPathComponent, dependency: dependency(from: folder))
        try template.write(to: folder)
        try printLine(
            "\(name) is ready: \(shellCommand(["cd", name])) && swift run -c release\n"
                + "its program is \(name)/\(template.programPath)")
    }

    private func dependency(from folder: URL) throws -> String {
        guard let path else {
            return ".package(url: \(literal(url ?? Template.repository)), from: \"\(gimbalVersion)\")"
        }
        let checkout = URL(fileURLWithPath: path).standardizedFileURL
        let manifest = try? String(contentsOf: checkout.appending(path: "Package.swift"), encoding: .utf8)
        guard manifest?.contains("name: \"gimbal\"") ?? false else {
            throw GimbalError.invalidSetting(name: "--path", reason: "\(path) holds no checkout of Gimbal")
        }
        // SwiftPM calls a package at a path by its folder, whatever that is called.
        return ".package(name: \"gimbal\", path: \(literal(path.hasPrefix("/") ? path : checkout.path)))"
    }
}

/// A package that depends on Gimbal.
private struct Template {
    /// Where Gimbal is published.
    static let repository = "https://example.org/gimbal.git"

    let name: String
    let dependency: String

    /// A program that is called as its folder is, made a name that a module of its own can have.
    init(folderName: String, dependency: String) {
        let plain = folderName.folding(options: .diacriticInsensitive, locale: nil)
        var name = plain.split { !($0.isASCII && ($0.isLetter || $0.isNumber)) && $0 != "-" && $0 != "_" }.joined(
            separator: "-")
        while name.first == "-" || name.first == "_" { name.removeFirst() }
        if name.first.map({ !$0.isLetter }) ?? true { name = name.isEmpty ? "net" : "net-" + name }
        // SwiftPM takes two modules, or two packages, of one name for one.
        let lower = name.lowercased()
        if lower.hasPrefix("gimbal") || ["swift", "foundation", "test", "main"].contains(lower) { name = "my-" + name }
        self.name = name
        self.dependency = dependency
    }

    var programPath: String { "Sources/\(name)/Program.swift" }

    /// - Throws: `GimbalError.fileSystem`, also where there is something already, which is left as it is.
    func write(to folder: URL) throws {
        let files = FileManager.default
        if let found = try? files.contentsOfDirectory(atPath: folder.path) {
            guard found.isEmpty else {
                throw GimbalError.fileSystem(
                    operation: "write", path: folder.path, reason: "the folder is not empty; name another")
            }
        }
        for (path, text) in [
            ("Package.swift", manifest), (".gitignore", ".build/\nruns/\n"), (programPath, Self.program),
        ] {
            let file = folder.appending(path: path)
            try AtomicFile.makeFolder(at: file.deletingLastPathComponent().path)
            try AtomicFile.write(text, to: file.path)
        }
    }

    private var manifest: String {
        """
        // swift-tools-version: 6.2
        import PackageDescription

        let package = Package(
            name: "\(name)",
            dependencies: [
                \(dependency)
            ],
            targets: [
                .executableTarget(
                    name: "\(name)", dependencies: [.product(name: "Gimbal", package: "gimbal")])
            ]
        )

        """
    }

    /// The main part is in a type: what stands at the top of a `main.swift` belongs to the main actor, and no function
    /// could use it.
    private static let program = """
        import GimbalTrain

        /// Trains a net to read digits.
        @main
        struct Program {
            static func main() throws {
                let (train, test) = Dataset.digits().flattened.split(trainFraction: 0.8)
                let model = makeModel(inputs: 64, classes: 10)
                print(model)
                try fit(model, to: train, epochs: 10)
                print(try Evaluation(of: model, on: test))  // loss and accuracy
                try model.save(to: "digits.safetensors")
            }
        }

        func makeModel(inputs: Int, classes: Int) -> Sequential {
            Sequential {
                Linear(inputs, 128)
                BatchNorm1d(128)
                ReLU()
                Linear(128, classes)
            }
        }

        func fit(_ model: Sequential, to data: Dataset, epochs: Int) throws {
            let optimizer = SGD(model.parameters, learningRate: 0.05, momentum: 0.9)
            let loader = DataLoader(data, batchSize: 64)
            for epoch in 0..<epochs {
                var last: Tensor?
                for batch in loader.batches(epoch: epoch, on: .current) {
                    optimizer.zeroGradients()
                    let loss = crossEntropy(model(batch.inputs), batch.targets)
                    try loss.backward()
                    try clipGradientNorm(model.parameters, maxNorm: 1.0)
                    try optimizer.step()
                    last = loss
                }
                if let last { print("epoch \\(epoch + 1)  loss \\(try last.item())") }
            }
        }

        """
}

/// `text` as a string of Swift.
private func literal(_ text: String) -> String {
    "\"" + text.replacingOccurrences(of: "\\", with: "\\\\").replacingOccurrences(of: "\"", with: "\\\"") + "\""
}
