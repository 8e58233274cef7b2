import Foundation
import Gimbal
import Testing

/// A launcher of MPI that is installed here.
package struct Launcher: Sendable, CustomTestStringConvertible {
    /// The program and its first options.
    package var words: [String]
    /// What it calls a process's rank in its environment.
    package var rankVariable: String
    /// Which signal to the launcher it hands on to its processes.
    package var handedOn: Int32
    package var testDescription: String { URL(fileURLWithPath: words[0]).lastPathComponent }

    /// Open MPI and MPICH, by the names that Debian gives them beside each other.
    package static let found: [Launcher] = {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        func path(_ name: String) -> String? {
            folders.map { "\($0)/\(name)" }.first { FileManager.default.isExecutableFile(atPath: $0) }
        }
        var found: [Launcher] = []
        if let path = path("mpirun.openmpi") {
            found.append(
                Launcher(
                    words: [path, "--allow-run-as-root", "--oversubscribe"], rankVariable: "OMPI_COMM_WORLD_RANK",
                    handedOn: SIGUSR2))
        }
        if let path = path("mpiexec.mpich") {
            found.append(Launcher(words: [path], rankVariable: "PMI_RANK", handedOn: SIGUSR1))
        }
        if found.isEmpty {
            print("no mpirun.openmpi and no mpiexec.mpich here: tests of several processes are skipped")
        }
        return found
    }()

    /// Starts `program` on so many ranks of one thread each.
    package func start(
        _ ranks: Int, _ program: String, _ arguments: [String], timeLimit: Duration = .seconds(120)
    ) throws -> ChildProcess {
        try ChildProcess(
            words[0], words.dropFirst() + ["-n", "\(ranks)", program] + arguments,
            environment: ["GIMBAL_DEVICE": "", "GIMBAL_THREADS": "1"], timeLimit: timeLimit)
    }

    /// The process that is rank `rank` of those that run `program` with an argument that holds `mark`.
    package func process(rank: Int, of program: String, mark: String) -> pid_t? {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
            guard let number = pid_t(name), let words = FileManager.default.contents(atPath: "/proc/\(name)/cmdline"),
                let variables = FileManager.default.contents(atPath: "/proc/\(name)/environ"),
                String(decoding: words, as: UTF8.self).contains(mark),
                variables.split(separator: 0).contains(where: { $0 == Data("\(rankVariable)=\(rank)".utf8) }),
                (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(name)/exe")) == program
            else { continue }
            return number
        }
        return nil
    }
}
