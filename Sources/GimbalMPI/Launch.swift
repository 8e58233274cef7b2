import CGimbalLoops
import Foundation
import GimbalCPU

/// What a launcher of MPI has said in the environment of a process that it started.
package struct Launch: Sendable, Hashable {
    /// Which of all processes this is, and how many there are.
    package var rank, size: Int?
    /// Which of those on this machine.
    package var localRank, localSize: Int?

    /// Nil where no launcher started this process: `mpirun` of Open MPI, MPICH or Intel MPI, `mpirun_rsh` of MVAPICH, `srun` with
    /// PMI2 or PMIx. A script of Slurm's `sbatch` is started by none.
    package init?(_ environment: [String: String]) {
        func number(_ names: String...) -> Int? {
            for name in names { if let number = environment[name].flatMap({ Int($0) }), number >= 0 { return number } }
            return nil
        }
        rank = number("OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK", "MV2_COMM_WORLD_RANK")
        size = number("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")
        localRank = number("OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "MV2_COMM_WORLD_LOCAL_RANK")
        localSize = number("OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", "MV2_COMM_WORLD_LOCAL_SIZE")
        guard rank != nil || size != nil || localSize != nil else { return nil }
        // Slurm's own words are right for what `srun` started, and not for programs of other launchers in its scripts.
        if localRank == nil {
            localRank = number("SLURM_LOCALID")
            size = size ?? number("SLURM_STEP_NUM_TASKS", "SLURM_NTASKS")
            let node = number("SLURM_NODEID") ?? 0
            localSize =
                environment["SLURM_STEP_TASKS_PER_NODE"].flatMap { Self.tasks(on: node, of: $0) }
                ?? number("SLURM_NTASKS_PER_NODE")
        }
        if let (rank, size) = localRank.flatMap({ rank in localSize.map { (rank, $0) } }), rank >= size {
            (localRank, localSize) = (nil, nil)
        }
    }

    /// How many tasks a node has, by Slurm's list: `4(x2),1` is 4, 4 and 1.
    private static func tasks(on node: Int, of list: String) -> Int? {
        var first = 0
        for entry in list.split(separator: ",") {
            let parts = entry.split(separator: "(")
            guard let tasks = parts.first.flatMap({ Int($0) }) else { return nil }
            first += parts.count > 1 ? Int(parts[1].dropFirst().dropLast()) ?? 1 : 1
            if node < first { return tasks }
        }
        return nil
    }

    /// What a process that this one starts has to be given, so that it does not take itself for a rank of the launcher's.
    package static func environmentOfChildren(_ environment: [String: String]) -> [String: String] {
        let launchers = ["OMPI_", "PMIX_", "PMI_", "PRTE_", "HYDI_", "HYDRA_", "MPI_LOCAL", "MV2_"]
        return environment.filter { variable in !launchers.contains { variable.key.hasPrefix($0) } }
    }

    /// Of this process.
    package static let own = Launch(ProcessInfo.processInfo.environment)

    /// How many threads a process should compute with.
    /// - Parameters:
    ///   - available: processors that it may run on.
    ///   - all: those of the machine. A process that may run on fewer has them for itself, unless all ranks of the machine
    ///     together would have more than there are: Open MPI binds more than two ranks to sockets that several share.
    package static func threads(
        _ launch: Launch?, _ environment: [String: String], available: Int, of all: Int
    ) -> Int {
        if let given = CPUSettings.threads(in: environment) { return given }
        return max(1, min(available, all / max(1, launch?.localSize ?? 1)))
    }
}

extension MPIExchange {
    /// Whether a launcher of MPI has started this process, beside others or alone, as it says in the environment.
    public static var isLaunched: Bool { Launch.own != nil }
    /// Which of the ranks on this machine this process is, from 0; nil where the launcher does not say.
    public static var localRank: Int? { Launch.own?.localRank }
    /// How many ranks there are on this machine; nil where the launcher does not say.
    public static var localSize: Int? { Launch.own?.localSize }

    /// How many threads a rank should compute with: GIMBAL_THREADS of the environment; else the processors that the launcher
    /// has bound it to, and no more than its share of the machine's among the ranks there.
    ///
    /// Open MPI binds each of at most two ranks to one core, unless it is told `--bind-to none`, or `--map-by slot:PE=8` for
    /// eight cores each.
    public static var threads: Int {
        Launch.threads(
            .own, ProcessInfo.processInfo.environment, available: Int(gimbal_available_cores()),
            of: ProcessInfo.processInfo.processorCount)
    }
}
