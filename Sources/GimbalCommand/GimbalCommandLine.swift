import ArgumentParser
import Foundation
import GimbalTrain

@main
enum Program {
    static func main() {
        restartWithoutThreadsOfBLAS()
        openStandardDescriptors()
        // A file that grows beyond `ulimit -f` is an error of its own, with its name.
        signal(SIGXFSZ, SIG_IGN)
        if let mistake = mistakeInArguments {
            try? FileHandle.standardError.write(contentsOf: Data("Error: \(mistake)\n".utf8))
            exit(64)
        }
        run(joiningNegativeNumbers(CommandLine.arguments.dropFirst()))
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

    /// As the parser's own `exit`, but what a message says of arguments neither moves a terminal nor fills it.
    private static func end(_ error: any Error) -> Never {
        let code = GimbalCommandLine.exitCode(for: error)
        guard !code.isSuccess else { GimbalCommandLine.exit(withError: error) }
        let lines = GimbalCommandLine.fullMessage(for: error).split(separator: "\n", omittingEmptySubsequences: false)
        let text = lines.map { line in
            let line = harmless(line.count > 4000 ? line.prefix(2000) + " … " + line.suffix(500) : line[...])
            return line + "\n"
        }
        if lines != [""] { try? FileHandle.standardError.write(contentsOf: Data(text.joined().utf8)) }
        exit(code.rawValue)
    }

    /// Flags whose value may be empty: a text to begin with, and columns, of which a file may leave one without a name.
    private static let flagsOfTexts: Set = ["--prompt", "--target", "--exclude", "--id", "--columns", "--missing"]

    /// What is wrong with the first argument that can mean nothing.
    private static var mistakeInArguments: String? {
        let arguments = CommandLine.arguments
        // The shell asks for completions with words that have not been begun.
        guard arguments.count > 1, !arguments[1].hasPrefix("---") else { return nil }
        for place in 1..<arguments.count {
            let (argument, before) = (arguments[place], arguments[place - 1])
            if let bytes = CommandLine.unsafeArgv[place], String(validatingCString: bytes) == nil {
                // What Swift makes of it is the name of something else.
                return "argument \(place) is not UTF-8: '\(shown(argument))'"
            }
            // As a path it would be the root, or this folder.
            if argument.isEmpty && !flagsOfTexts.contains(before) {
                return "argument \(place) is empty, after '\(shown(before))'; is a variable of the shell not set?"
            }
            if argument.hasPrefix("--"), argument.hasSuffix("="), !flagsOfTexts.contains(String(argument.dropLast())) {
                return "'\(shown(argument))' is empty; is a variable of the shell not set?"
            }
        }
        return nil
    }

    /// `--lr -1` as `--lr=-1`: the parser takes what begins with a dash for an option, and there is none that is a number.
    private static func joiningNegativeNumbers(_ arguments: some Sequence<String>) -> [String] {
        var result: [String] = []
        for argument in arguments {
            if argument.hasPrefix("-"), Double(argument) != nil, let last = result.last, last.hasPrefix("--"),
                last.count > 2, !last.hasPrefix("---"), !last.contains("=")
            {
                result[result.count - 1] = last + "=" + argument
            } else {
                result.append(argument)
            }
        }
        return result
    }

    /// OpenBLAS starts threads when it is loaded, of which none is used here. Each asks for 128 MiB, and where the process may not
    /// have them, without end, also when the program leaves. So where its memory is limited, it begins again without them.
    private static func restartWithoutThreadsOfBLAS() {
        guard !MappingLimit.all.isEmpty, getenv("OPENBLAS_NUM_THREADS") == nil else { return }
        setenv("OPENBLAS_NUM_THREADS", "1", 1)
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
