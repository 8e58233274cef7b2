import ArgumentParser
import GimbalTrain

@main
struct GimbalCommandLine: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gimbal",
        abstract: "Trains neural networks that keep their gradients in balance, on OpenCL GPUs and on any CPU.",
        version: gimbalVersion,
        subcommands: [DevicesCommand.self, TrainCommand.self, EvaluateCommand.self, BenchCommand.self])
}
