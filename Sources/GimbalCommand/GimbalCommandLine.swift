import ArgumentParser
import Foundation
import GimbalTrain

@main
enum Program {
    static func main() {
        openStandardDescriptors()
        GimbalCommandLine.main()
    }

    /// Opens standard input, output and error on `/dev/null` where the program was started with them closed, as some
    /// service managers do: the next file opened would take their place, and the run's messages would go there.
    private static func openStandardDescriptors() {
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) == -1 {
            // The lowest number that is free is this one.
            _ = open("/dev/null", descriptor == STDIN_FILENO ? O_RDONLY : O_WRONLY)
        }
    }
}

struct GimbalCommandLine: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gimbal",
        abstract: "Trains neural networks that keep their gradients in balance, on OpenCL GPUs and on any CPU.",
        version: gimbalVersion,
        subcommands: [
            DevicesCommand.self, TrainCommand.self, EvaluateCommand.self, PredictCommand.self, InspectCommand.self,
            ReportCommand.self, CompareCommand.self,
            BenchCommand.self,
        ])
}
