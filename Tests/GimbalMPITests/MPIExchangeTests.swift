import Foundation
import GimbalMPI
import GimbalTestSupport
import Testing

/// Exchanges among processes, by `Tests/Ranks/Program` under the launchers of MPI that are installed; without one there is
/// nothing to try.
@Suite struct MPIExchangeTests {
    private static let program = builtProgram("RankProgram")

    @Test("All functions", arguments: Launcher.found, [1, 2, 3])
    func functions(_ launcher: Launcher, ranks: Int) throws {
        let outcome = try launcher.start(ranks, Self.program, ["trial"]).outcome().succeeded()
        // Lines of two ranks may come to stand on one.
        let parts = outcome.output.components(separatedBy: ": right")
        #expect(parts.count == 2 * ranks + 1, "\(outcome)")
    }

    @Test("Large sums, whose parts are exchanged at the same time", arguments: Launcher.found, [2, 3])
    func large(_ launcher: Launcher, ranks: Int) throws {
        let outcome = try launcher.start(ranks, Self.program, ["large", "1200007"]).outcome().succeeded()
        #expect(outcome.output.components(separatedBy: ": sums right").count == ranks + 1, "\(outcome)")
        #expect(outcome.output.components(separatedBy: ": gathered right").count == ranks + 1, "\(outcome)")
    }

    @Test("One that is late is named while others wait, and met", arguments: Launcher.found)
    func late(_ launcher: Launcher) throws {
        let outcome = try launcher.start(3, Self.program, ["late", "3"]).outcome().succeeded()
        #expect(outcome.errors.contains("rank 2 has not come"))
        #expect(outcome.output.components(separatedBy: "met the others").count == 4)
    }

    @Test(
        "What becomes of one ends all within seconds", arguments: Launcher.found,
        ["lost", "killed", "stopped", "exits", "leaves", "unborn"])
    func failures(_ launcher: Launcher, task: String) throws {
        let began = ContinuousClock.now
        let child = try launcher.start(3, Self.program, [task, "mark-\(task)-\(getpid())"])
        let outcome = try child.outcome()
        if let stopped = launcher.process(rank: 2, of: Self.program, mark: "mark-\(task)-\(getpid())") {
            kill(stopped, SIGKILL)
        }
        #expect(outcome.status != 0 && ContinuousClock.now - began < .seconds(30), "\(outcome)")
        if ["lost", "stopped"].contains(task) {
            #expect(outcome.errors.contains("rank 2: has not come"), "\(outcome.errors)")
        }
        if task == "unborn" {
            let said = outcome.errors.components(separatedBy: "MPI has not begun within 2 s")
            #expect(said.count == 2, "\(outcome.errors)")
        }
        if task == "leaves" { #expect(outcome.errors.contains("Error on rank 2"), "\(outcome.errors)") }
    }

    @Test("Who is not launched does not begin")
    func alone() throws {
        let outcome = try ChildProcess(Self.program, ["trial"], timeLimit: .seconds(30)).outcome().succeeded()
        #expect(outcome.output == "not launched\n")
    }

    @Test("A library that is none is told", arguments: Launcher.found)
    func library(_ launcher: Launcher) throws {
        let words = ["-n", "1", "env", "GIMBAL_MPI_LIBRARY=/no/such/library.so", Self.program, "trial"]
        let outcome = try ChildProcess(launcher.words[0], launcher.words.dropFirst() + words, timeLimit: .seconds(30))
            .outcome()
        #expect(outcome.status != 0 && outcome.errors.contains("/no/such/library.so"), "\(outcome)")
    }
}

/// What launchers say in the environment.
@Suite struct LaunchTests {
    @Test func nobodyHasLaunchedAShell() {
        #expect(Launch(["HOME": "/root", "PATH": "/bin"]) == nil)
        // A script of sbatch.
        #expect(Launch(["SLURM_JOB_ID": "7", "SLURM_NTASKS": "8", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"]) == nil)
    }

    @Test func launchersAreKnown() {
        let open = Launch([
            "OMPI_COMM_WORLD_RANK": "5", "OMPI_COMM_WORLD_SIZE": "8", "OMPI_COMM_WORLD_LOCAL_RANK": "1",
            "OMPI_COMM_WORLD_LOCAL_SIZE": "4",
        ])
        #expect(open?.rank == 5 && open?.size == 8 && open?.localRank == 1 && open?.localSize == 4)
        let mpich = Launch(["PMI_RANK": "2", "PMI_SIZE": "3", "MPI_LOCALRANKID": "0", "MPI_LOCALNRANKS": "1"])
        #expect(mpich?.rank == 2 && mpich?.size == 3 && mpich?.localRank == 0 && mpich?.localSize == 1)
        let slurm = Launch([
            "PMIX_RANK": "6", "SLURM_NTASKS": "9", "SLURM_LOCALID": "2", "SLURM_NODEID": "1",
            "SLURM_STEP_TASKS_PER_NODE": "4(x2),1",
        ])
        #expect(slurm?.rank == 6 && slurm?.size == 9 && slurm?.localRank == 2 && slurm?.localSize == 4)
        #expect(
            Launch(["PMIX_RANK": "0", "OMPI_COMM_WORLD_LOCAL_RANK": "9", "OMPI_COMM_WORLD_LOCAL_SIZE": "2"])?.localRank
                == nil)
    }

    @Test func ranksOfAMachineShareItsProcessors() {
        let two = Launch(["PMI_RANK": "0", "PMI_SIZE": "2", "MPI_LOCALRANKID": "0", "MPI_LOCALNRANKS": "2"])
        #expect(Launch.threads(two, [:], available: 16, of: 16) == 8)
        // Bound to some, it has these for itself.
        #expect(Launch.threads(two, [:], available: 4, of: 16) == 4)
        // Bound to a socket that both share.
        #expect(Launch.threads(two, [:], available: 12, of: 16) == 8)
        #expect(Launch.threads(two, ["GIMBAL_THREADS": "3"], available: 16, of: 16) == 3)
        #expect(Launch.threads(nil, [:], available: 16, of: 16) == 16)
        #expect(Launch.threads(two, [:], available: 1, of: 1) == 1)
    }
}
