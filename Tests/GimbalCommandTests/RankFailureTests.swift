import Foundation
import GimbalTestSupport
import Testing

/// Failures of five kinds at random instants of a run of several ranks: all end within the stated time, by one line at the most,
/// which names the rank where one is the cause, and the run goes on, on another number of ranks, to the losses of one that was not
/// disturbed. `GIMBAL_RANK_FAILURES` says how many there are to be, 5 unless set, and has each tell of itself in a line.
@Suite("Ranks that fail at random")
struct RankFailureTests {
    private static let wanted = ProcessInfo.processInfo.environment["GIMBAL_RANK_FAILURES"].flatMap {
        Int($0)
    }

    enum Kind: Int, CaseIterable { case killed, stopped, fullDisk, corruptedShard, closedInterface }

    /// Kinds take turns, so that each comes up.
    private static func numbers(_ kind: Kind) -> [Int] {
        guard !Launcher.found.isEmpty else { return [] }
        return (0..<(wanted ?? Kind.allCases.count)).filter {
            $0 % Kind.allCases.count == kind.rawValue
        }
    }

    @Test("A rank that is killed ends all", arguments: numbers(.killed))
    func killed(number: Int) throws {
        try Trial.run(number) { trial in
            let end = try trial.train { kill($0, SIGKILL) }
            trial.expect(end, within: .seconds(20))
            try trial.goOn(end)
        }
    }

    @Test("A rank that stands still is named", arguments: numbers(.stopped))
    func stopped(number: Int) throws {
        try Trial.run(number) { trial in
            let end = try trial.train { kill($0, SIGSTOP) }
            if let victim = end.victim { kill(victim, SIGKILL) }
            trial.expect(end, within: .seconds(trial.patience + 20), saying: ["rank \(trial.victim): "])
            try trial.goOn(end)
        }
    }

    @Test(
        "A full disk of the first rank is named",
        .enabled(if: SmallDisk.isAllowed, "a disk to fill cannot be mounted here"),
        arguments: numbers(.fullDisk))
    func fullDisk(number: Int) throws {
        try Trial.run(number) { trial in
            let disk = try SmallDisk(at: trial.folder + "/disk", kibibytes: 8 << 10)
            defer { disk.unmount() }
            (trial.victim, trial.runDir) = (0, disk.path + "/run")
            let end = try trial.train { _ in try disk.fill() }
            trial.expect(end, within: .seconds(20), saying: ["No space left on device"])
            disk.clear()
            try trial.goOn(end)
        }
    }

    @Test(
        "A copy of the data that is not like the others, or a checkpoint that is cut off, is named",
        arguments: numbers(.corruptedShard))
    func corruptedShard(number: Int) throws {
        try Trial.run(number) { trial in
            if trial.below(3) > 0 {
                // One copy has another digit, or is cut off.
                let copy = trial.copy(of: trial.victim)
                let text = Array(Trial.table.utf8)
                var damaged = text
                if trial.below(2) == 0 {
                    var place = 0
                    repeat {
                        place = trial.below(text.count)
                    } while place < 20 || !(48...57).contains(text[place])
                    damaged[place] = 48 + (text[place] - 48 + UInt8(1 + trial.below(9))) % 10
                } else {
                    damaged.removeLast(2 + trial.below(text.count - 20))
                }
                try Data(damaged).write(to: URL(filePath: copy))
                let end = try trial.train(at: 0) { _ in }
                // Where the first's is the odd one, the second is not like it; what the first cannot read is said without a number.
                // The time is that of the start as well, of which a launcher needs most where others start ranks beside it.
                trial.expect(
                    end, within: .seconds(60),
                    saying: trial.victim == 0 ? ["rank 1: ", "table.csv"] : ["rank \(trial.victim): "])
                #expect(end.outcome.status != 0, "\(trial)")
                try Data(text).write(to: URL(filePath: copy))
                try trial.goOn(end)
            } else {
                let end = try trial.train(at: 20 + trial.below(150)) { kill($0, SIGKILL) }
                trial.expect(end, within: .seconds(20))
                guard end.outcome.status != 0 else { return try trial.goOn(end) }
                let saved = checkpoints(of: trial.runDir)
                #expect(saved.count > 1, "\(trial)")
                guard let newest = saved.last.map({ "\(trial.runDir)/checkpoints/\($0)" }) else { return }
                let files = try names(in: newest)
                let file = newest + "/" + files[trial.below(files.count)]
                let whole = try Data(contentsOf: URL(filePath: file))
                // The last byte of a text may be a line's end, which nothing misses.
                try whole.prefix(trial.below(whole.count - 1)).write(to: URL(filePath: file))
                // From the one before it.
                try trial.goOn(end)
            }
        }
    }

    @Test(
        "A machine whose network interface is closed is named",
        .enabled(if: Hosts.areAllowed, "hosts with a network cannot be made here"),
        arguments: numbers(.closedInterface))
    func closedInterface(number: Int) throws {
        try Trial.run(number) { trial in
            let looks = trial.below(2) == 0
            trial.launcher = try #require(Hosts.launcher(trial.ranks, looks: looks))
            // On each side the other is lost.
            let lost = trial.victim == 0 ? 1 : trial.victim
            if looks {
                trial.patience = 30
                let end = try trial.train(closeInterface)
                trial.expect(end, within: .seconds(20))
                #expect(
                    end.outcome.status == 0 || end.outcome.errors.contains("on node host"),
                    "\(trial): \(end.outcome.errors)")
                try trial.goOn(end)
            } else {
                // All ranks end, wherever they are; the launcher goes on waiting for the machine.
                let end = try trial.train(closeInterface) { child in
                    _ = child.wait { trial.areGone }
                    child.send(SIGKILL)
                }
                trial.expect(end, within: .seconds(trial.patience + 20), saying: ["rank \(lost): "])
                try trial.goOn(end)
            }
        }
    }

    private func closeInterface(of victim: pid_t) throws {
        let close = ["nsenter", "--net=/proc/\(victim)/ns/net", "ip", "link", "set", "link0", "down"]
        try ChildProcess("/usr/bin/env", close).outcome().succeeded()
    }
}

/// Hosts of a network of their own on this machine: `Benchmarks/network/hosts`.
private enum Hosts {
    private static let program = packagePath("Benchmarks/network/hosts")
    private static let openMPI = Launcher.found.first { $0.testDescription == "mpirun.openmpi" }

    /// Whether they can be had: that takes root, iproute2, util-linux, Python and a C compiler.
    static let areAllowed: Bool = {
        guard openMPI != nil, let outcome = try? ChildProcess(program, ["--", "true"]).outcome() else {
            return false
        }
        if outcome.status != 0 { print("no closed network interfaces: \(outcome.errors)") }
        return outcome.status == 0
    }()

    /// Open MPI on so many hosts.
    /// - Parameter looks: whether it finds out within fifteen seconds that one is not reached any more; else within minutes.
    static func launcher(_ count: Int, looks: Bool) -> Launcher? {
        var launcher = openMPI
        if looks {
            for (name, value) in [("time", "4"), ("intvl", "2"), ("probes", "3")] {
                launcher?.words += ["--mca", "oob_tcp_keepalive_\(name)", value]
            }
        }
        launcher?.words.insert(contentsOf: [program, "--count", "\(count)", "--"], at: 0)
        return launcher
    }
}

/// A run that something happens to, as the number of the trial draws it.
private final class Trial: CustomStringConvertible {
    let number: Int
    let folder: String
    /// What starts the ranks that are disturbed.
    var launcher: Launcher
    private let launcherOnResume: Launcher
    let ranks: Int
    var victim: Int
    /// How many ranks go on.
    let others: Int
    /// The options by which a rank keeps its share of the moments, or none.
    let sharding: [String]
    private let shardingOnResume: [String]
    var runDir: String
    private let step: Int
    private var random: SplitMix
    private var notes: [String] = []

    /// How many seconds a rank is waited for.
    var patience = 5

    struct End {
        var outcome: ChildProcess.Outcome
        /// Nil where all had ended before.
        var victim: pid_t?
        /// From the failure on.
        var duration: Duration
    }

    static func run(_ number: Int, _ body: (Trial) throws -> Void) throws {
        try withTemporaryFolder { folder in
            let trial = try Trial(number, in: folder)
            try body(trial)
            if ProcessInfo.processInfo.environment["GIMBAL_RANK_FAILURES"] != nil { print(trial) }
        }
    }

    private init(_ number: Int, in folder: String) throws {
        (self.number, self.folder, runDir) = (number, folder, folder + "/run")
        var random = SplitMix(state: UInt64(number))
        launcher = Launcher.found[random.below(Launcher.found.count)]
        launcherOnResume = Launcher.found[random.below(Launcher.found.count)]
        ranks = 2 + random.below(3)
        victim = random.below(ranks)
        step = random.below(180)
        others = (ranks + random.below(3)) % 4 + 1
        sharding = random.below(2) == 0 ? [] : ["--shard-optimizer"]
        shardingOnResume = random.below(2) == 0 ? [] : ["--shard-optimizer"]
        self.random = random
        for rank in 0..<4 {
            let copy = copy(of: rank)
            try FileManager.default.createDirectory(
                at: URL(filePath: copy).deletingLastPathComponent(), withIntermediateDirectories: false)
            try Data(Self.table.utf8).write(to: URL(filePath: copy))
        }
    }

    /// A number from 0 to `bound` - 1.
    func below(_ bound: Int) -> Int { random.below(bound) }

    var description: String {
        let kind = RankFailureTests.Kind.allCases[number % RankFailureTests.Kind.allCases.count]
        let name = launcher.words.first { $0.contains("mpi") } ?? ""
        return "failure \(number), \(kind): rank \(victim) of \(ranks), \(URL(filePath: name).lastPathComponent)"
            + (sharding.isEmpty ? "" : " sharded") + notes.map { "; \($0)" }.joined()
    }

    // MARK: Data

    /// Rows of six numbers and a class that depends on them.
    static let table: String = {
        var random = SplitMix(state: 1)
        var text = "a,b,c,d,e,f,class\n"
        for _ in 0..<1200 {
            let numbers = (0..<6).map { _ in 100 + Int(random.next() % 900) }
            let place = (numbers[0] + numbers[1] - numbers[2] + 800) / 600
            text +=
                numbers.map(String.init).joined(separator: ",")
                + ",\(["low", "mid", "high", "top", "top"][place])\n"
        }
        return text
    }()

    /// A rank's own copy of the table.
    func copy(of rank: Int) -> String { "\(folder)/rank-\(rank)/table.csv" }

    // MARK: Runs

    private func training(_ ranks: Int) -> [String] {
        [
            "train", "--data", "table.csv", "--hidden", "16", "--norm", "batch", "--dropout", "0.2",
            "--sync-batch-norm",
            "--epochs", "12", "--device", "cpu", "--batch-size", "\(48 / ranks)", "--checkpoint-every",
            "7",
            "--exchange-timeout", "\(patience)",
        ]
    }

    /// Each rank in the folder of its copy.
    private func start(_ ranks: Int, _ arguments: [String], by launcher: Launcher) throws -> ChildProcess {
        let inFolder = "cd \"$0/rank-${\(launcher.rankVariable):-0}\" && exec \"$@\""
        let words = ["-c", inFolder, folder, Gimbal.path] + arguments + ["--run-dir", runDir]
        return ranks == 1
            ? try ChildProcess(
                "/bin/sh", words, environment: ["GIMBAL_DEVICE": ""], timeLimit: .seconds(120))
            : try launcher.start(ranks, "/bin/sh", words)
    }

    /// What a run that nothing happens to writes in `metrics.csv`.
    private static let undisturbed = Result {
        try withTemporaryFolder { folder in
            let trial = try Trial(0, in: folder)
            try trial.start(1, trial.training(1), by: trial.launcher).outcome().succeeded()
            return metrics(of: trial.runDir)
        }
    }

    /// Trains and, a little after a step, does harm to the victim.
    /// - Parameters:
    ///   - step: the trial's own unless given.
    ///   - ending: waits for the end; does nothing unless given.
    func train(
        at step: Int? = nil, _ harm: (_ victim: pid_t) throws -> Void, ending: (ChildProcess) -> Void = { _ in }
    ) throws -> End {
        let step = step ?? self.step
        let delay = UInt32(below(20_000))
        let child = try start(ranks, training(ranks) + sharding, by: launcher)
        var (began, found) = (ContinuousClock.now, pid_t?.none)
        let isUnderWay =
            child.wait {
                found = launcher.process(rank: victim, of: Gimbal.path, mark: runDir)
                return found != nil
            }
            && child.wait {
                step == 0
                    ? FileManager.default.fileExists(atPath: runDir + "/run.json")
                    : metrics(of: runDir).count >= step
            }
        if isUnderWay, let found {
            usleep(delay)
            began = .now
            try harm(found)
            ending(child)
        }
        let outcome = try child.outcome()
        return End(outcome: outcome, victim: found, duration: .now - began)
    }

    /// Whether no rank is there any more.
    var areGone: Bool {
        usleep(100_000)
        return (0..<ranks).allSatisfy { launcher.process(rank: $0, of: Gimbal.path, mark: runDir) == nil }
    }

    /// - Parameter words: one of which is said; nil where nothing need be.
    func expect(_ end: End, within limit: Duration, saying words: [String]? = nil) {
        let (said, status) = (end.outcome.saidErrors, end.outcome.status)
        notes.append(
            "after \(metrics(of: runDir).count) steps status \(status.map(String.init) ?? "none") in "
                + String(format: "%.1f s", end.duration / .seconds(1))
                + ", said: \(said.joined(separator: " | "))")
        #expect(end.duration < limit, "\(self): \(end.outcome.errors)")
        // It may have come to its end before.
        guard status != 0 else { return }
        if let words {
            #expect(
                said.count == 1 && words.contains(where: { said.first?.contains($0) == true }),
                "\(self): \(end.outcome.errors)")
        } else {
            #expect(
                said.isEmpty || said.count == 1 && said[0].contains("rank \(victim)"),
                "\(self): \(end.outcome.errors)")
        }
    }

    /// Goes on on another number of ranks, by the same command.
    func resume() throws -> ChildProcess.Outcome {
        try start(others, training(others) + shardingOnResume + ["--resume"], by: launcherOnResume).outcome()
    }

    /// Goes on, unless the run has come to its end, and compares the losses with those of a run that nothing happened to.
    func goOn(_ end: End) throws {
        if end.outcome.status != 0 { try resume().succeeded() }
        let (losses, expected) = (metrics(of: runDir), try Self.undisturbed.get())
        #expect(losses.count == expected.count, "\(self)")
        var largest = 0.0
        for (row, wanted) in zip(losses, expected) {
            guard let loss = Double(row[3]), let other = Double(wanted[3]) else { continue }
            largest = max(largest, abs(loss - other) / max(other, 0.01))
        }
        #expect(largest <= 1e-3, "\(self)")
        notes.append("went on on \(others) to \(losses.count) steps, losses differ by \(largest)")
    }
}

extension ChildProcess.Outcome {
    /// The lines of standard error that say what a rank failed with.
    fileprivate var saidErrors: [String] {
        errors.split(whereSeparator: \.isNewline).filter { $0.contains("Error: ") }.map(String.init)
    }
}

extension SplitMix {
    fileprivate mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
}
