import ArgumentParser
import Foundation
import GimbalTrain

@main
enum Program {
    static func main() {
        refuseSmallStack()
        restartWithinLimit()
        openStandardDescriptors()
        // A file that grows beyond `ulimit -f` is an error of its own, with its name.
        signal(SIGXFSZ, SIG_IGN)
        if let mistake = Arguments.mistake {
            try? FileHandle.standardError.write(contentsOf: Data("Error: \(mistake)\n".utf8))
            exit(64)
        }
        run(Arguments.joiningNegativeNumbers(CommandLine.arguments.dropFirst()))
    }

    /// As the parser's own `main`, but that ranks tell each other of a mistake in the arguments.
    private static func run(_ arguments: [String]) {
        do {
            var command: any ParsableCommand
            do { command = try GimbalCommandLine.parseAsRoot(arguments) } catch {
                let isForRanks = ["train", "bench"].contains(arguments.first)
                if isForRanks, !GimbalCommandLine.exitCode(for: error).isSuccess { CommandRanks.refuse(error) }
                throw error
            }
            try command.run()
        } catch {
            end(error)
        }
    }

    /// As the parser's own `exit`, but what a message says of arguments neither moves a terminal nor fills it, and help that
    /// could not be written is no success.
    private static func end(_ error: any Error) -> Never {
        let code = GimbalCommandLine.exitCode(for: error)
        let message = GimbalCommandLine.fullMessage(for: error)
        guard !code.isSuccess else {
            do { try printText(message.isEmpty ? "" : message + "\n") } catch { end(error) }
            exit(code.rawValue)
        }
        let lines = message.split(separator: "\n", omittingEmptySubsequences: false)
        let text = lines.map { line in
            harmless(line.count > mostShown ? line.prefix(mostShown - 300) + " … " + line.suffix(300) : line[...])
                + "\n"
        }
        if lines != [""] { try? FileHandle.standardError.write(contentsOf: Data(text.joined().utf8)) }
        exit(code.rawValue)
    }

    /// Characters of a line of an error; a longer one is cut in the middle.
    private static let mostShown = 1500

    /// Calls that go deeper than the stack reaches end the program without a word.
    private static func refuseSmallStack() {
        var limit = rlimit()
        let least = 256 << 10
        guard getrlimit(__rlimit_resource_t(RLIMIT_STACK.rawValue), &limit) == 0, limit.rlim_cur < least else { return }
        let message = "Error: \(limit.rlim_cur >> 10) KiB of stack (ulimit -s) are too few: \(least >> 10) are needed\n"
        try? FileHandle.standardError.write(contentsOf: Data(message.utf8))
        exit(1)
    }

    /// What may be read only when a program is loaded, and takes memory that a limited one does not have. OpenBLAS starts threads,
    /// of which none is used here: each asks for 128 MiB, and where the process may not have them, without end, also when
    /// the program leaves. And `malloc` gives each thread an arena of 64 MiB, for which it maps 128 MiB first: meanwhile other
    /// threads get nothing, not even the few bytes that Swift's runtime ends the program without.
    private static func restartWithinLimit() {
        let settings = ["OPENBLAS_NUM_THREADS", "MALLOC_ARENA_MAX"]
        guard !MappingLimit.all.isEmpty, settings.contains(where: { getenv($0) == nil }) else { return }
        for setting in settings { setenv(setting, "1", 0) }
        execv("/proc/self/exe", CommandLine.unsafeArgv)
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
        discussion: HelpTexts.gimbal,
        version: gimbalVersion,
        subcommands: [
            TrainCommand.self, SearchCommand.self, DiagnoseCommand.self, EvaluateCommand.self, PredictCommand.self,
            GenerateCommand.self, InspectCommand.self, ConvertCommand.self, ExportCommand.self, ReportCommand.self,
            WatchCommand.self, CompareCommand.self, RecipesCommand.self, DevicesCommand.self, BenchCommand.self,
            NewCommand.self,
        ])
}
