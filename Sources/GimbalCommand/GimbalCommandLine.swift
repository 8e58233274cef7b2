import ArgumentParser

@main
struct GimbalCommandLine: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gimbal",
        abstract: "Trains neural networks that keep their gradients in balance, on OpenCL GPUs and on any CPU.",
        version: "0.1.0",
        subcommands: [DevicesCommand.self, TrainCommand.self, EvaluateCommand.self, BenchCommand.self])
}
