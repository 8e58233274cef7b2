// swift-tools-version: 6.2
import PackageDescription

/// A test target in `Tests/<name>`; all share `GimbalTestSupport`.
func test(_ name: String, dependencies: [Target.Dependency] = [], exclude: [String] = []) -> Target {
    .testTarget(
        name: name, dependencies: ["GimbalTestSupport"] + dependencies, path: "Tests/\(name)", exclude: exclude)
}

/// A program in `Examples/<name>`.
func example(_ name: String) -> Target {
    .executableTarget(name: name, dependencies: ["GimbalTrain"], path: "Examples/\(name)")
}

let cWarnings: [CSetting] = [.enableWarning("all"), .enableWarning("extra"), .treatAllWarnings(as: .error)]

let package = Package(
    name: "gimbal",
    products: [
        .library(
            name: "Gimbal",
            targets: [
                "GimbalBackend", "GimbalCPU", "GimbalOpenCL", "Gimbal", "GimbalNN", "GimbalOptim", "GimbalDoctor",
                "GimbalTrain", "GimbalONNX", "GimbalMPI",
            ]),
        .executable(name: "gimbal", targets: ["GimbalCommand"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
    ],
    targets: [
        // C floors
        .systemLibrary(name: "COpenCL", pkgConfig: "OpenCL", providers: [.apt(["ocl-icd-opencl-dev"])]),
        .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
        .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
        .systemLibrary(name: "CJPEG", pkgConfig: "libjpeg", providers: [.apt(["libjpeg-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .target(name: "CGimbalDigits", exclude: ["digits.bin", "NOTICE.md"], cSettings: cWarnings),
        .target(name: "CGimbalPictures", dependencies: ["CPNG", "CJPEG"], cSettings: cWarnings),
        .target(name: "CGimbalLoops", cSettings: cWarnings, linkerSettings: [.linkedLibrary("m")]),
        .target(name: "GimbalKernels", cSettings: cWarnings),
        .target(name: "CGimbalMPI", cSettings: cWarnings, linkerSettings: [.linkedLibrary("dl")]),

        // The house, floor by floor
        .target(name: "GimbalBackend"),
        .target(name: "GimbalCPU", dependencies: ["GimbalBackend", "CGimbalLoops", "COpenBLAS"]),
        .target(name: "GimbalOpenCL", dependencies: ["GimbalBackend", "GimbalKernels", "COpenCL"]),
        .target(
            name: "Gimbal",
            dependencies: ["GimbalBackend", "GimbalCPU", "GimbalOpenCL", "CGimbalLoops", "CZlib"]),
        .target(name: "GimbalNN", dependencies: ["Gimbal"]),
        .target(name: "GimbalOptim", dependencies: ["Gimbal"]),
        .target(name: "GimbalMPI", dependencies: ["Gimbal", "CGimbalMPI"]),
        .target(name: "GimbalDoctor", dependencies: ["Gimbal", "GimbalNN", "GimbalOptim"]),
        .target(
            name: "GimbalTrain",
            dependencies: [
                "Gimbal", "GimbalNN", "GimbalOptim", "GimbalDoctor", "CZlib", "CGimbalDigits", "CGimbalPictures",
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ]),
        .target(
            name: "GimbalONNX",
            dependencies: [
                "Gimbal", "GimbalNN", .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ]),
        .executableTarget(
            name: "GimbalCommand",
            dependencies: [
                "GimbalTrain", "GimbalONNX", "GimbalMPI",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),

        // Short programs to copy from
        example("TrainingLoop"),
        example("VanishingGradients"),
        example("InitializationAtDepth"),
        example("PlainAndResidual"),
        example("AddingProblem"),
        example("ExplodingGradients"),
        example("FineTuning"),
        example("TwoInputs"),
        example("VariationalAutoencoder"),
        example("AdversarialNetwork"),
        example("OwnFunction"),
        example("GradientPenalty"),
        example("GradientNorms"),
        example("CharacterModel"),
        example("OwnOperations"),
        example("OwnBackend"),

        // Tests: one target per floor, every backend against the reference, and PyTorch
        .target(name: "GimbalTestSupport", dependencies: ["GimbalTrain"], path: "Tests/Support"),
        test("GimbalOpenCLTests"),
        test("ConformanceTests"),
        test("GimbalTests", dependencies: ["ExchangeTrials"], exclude: ["Files/Fixtures"]),
        test("GimbalMPITests", dependencies: ["GimbalMPI", "RankProgram"]),
        test("GimbalNNTests"),
        test("GimbalOptimTests"),
        test("GimbalDoctorTests", dependencies: ["ClinicCases"]),
        test("GimbalTrainTests", exclude: ["Text/Fixtures", "Text/make_fixtures.py"]),
        test("GimbalONNXTests", dependencies: ["GimbalONNX"], exclude: ["compare.py"]),
        test("GimbalCommandTests"),
        test("ParityTests", exclude: ["make_fixtures.py", "Generators", "Fixtures"]),

        // Sick and healthy nets for the doctor, and the program that goes through them: Scripts/clinic
        .target(name: "ClinicCases", dependencies: ["GimbalTrain"], path: "Tests/Clinic/Cases"),
        .executableTarget(
            name: "Clinic",
            dependencies: ["ClinicCases", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            path: "Tests/Clinic/Program"),

        // What is asked of every exchange of gradients, and a rank that asks it of MPI
        .target(name: "ExchangeTrials", dependencies: ["Gimbal"], path: "Tests/Ranks/Trials"),
        .executableTarget(
            name: "RankProgram", dependencies: ["ExchangeTrials", "GimbalMPI"], path: "Tests/Ranks/Program"),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .gnu2x
)

// Warnings are errors, except where the package is a dependency by URL: SwiftPM leaves the settings out there.
// C's stand with C targets alone: of those of Swift targets it leaves out a half only, which stops the compiler.
for target in package.targets where target.type != .system {
    target.swiftSettings = [.treatAllWarnings(as: .error)]
}

// Readers under libFuzzer, which brings a `main` of its own: Scripts/fuzz asks for it, and no other build has it.
// Asked for "address" it is linked with AddressSanitizer as well, under which the rest is then to be built.
if let sanitizers = Context.environment["GIMBAL_FUZZ"] {
    let flags = [sanitizers == "address" ? "-sanitize=fuzzer,address" : "-sanitize=fuzzer"]
    package.targets.append(
        .executableTarget(
            name: "Fuzz", dependencies: ["GimbalTrain", "CGimbalPictures", "CZlib"], path: "Fuzzing/Program",
            swiftSettings: [.treatAllWarnings(as: .error), .unsafeFlags(flags)],
            linkerSettings: [.unsafeFlags(flags)]))
}

// SwiftPM compiles a module anew where one that its target names has changed, but not where one further below has, whose
// types it holds all the same, with their layout compiled in: so each names all that it stands on.
let targets = Dictionary(uniqueKeysWithValues: package.targets.map { ($0.name, $0) })
func named(_ target: Target) -> [String] {
    target.dependencies.compactMap { if case .byNameItem(let name, _) = $0 { name } else { nil } }
}
for target in package.targets {
    var all = named(target)
    var next = 0
    while next < all.count {
        let below = targets[all[next]].map(named) ?? []
        let new = below.filter { !all.contains($0) && targets[$0]?.type == .regular }
        target.dependencies += new.map { .byName(name: $0) }
        all += new
        next += 1
    }
}
