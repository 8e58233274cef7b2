import Foundation
import GimbalTestSupport
import GimbalTrain
import Testing

@Suite("What a search does next")
struct SearchPlanTests {
    private static let space = SearchSpace([.init("lr", range: .init(1e-4...1e-1, isLogarithmic: true))])

    private func halving(_ trials: Int = 27, epochs: Int = 27, factor: Int = 3) -> SearchPlan {
        SearchPlan(Self.space, method: .halving, trials: trials, epochs: epochs, factor: factor)
    }

    private func result(_ step: SearchPlan.Step, loss: Double, failure: String? = nil) -> TrialResult {
        TrialResult(
            trial: step.trial, rung: step.rung, epochs: step.epochs, epoch: step.epochs,
            figures: failure == nil ? ["loss": loss, "accuracy": 1 - loss / 10] : [:], seconds: 1, elapsed: 1,
            failure: failure)
    }

    /// Goes through a search in which trial n has a loss of `loss(n)`, taking the step that `choose` picks of those that can be
    /// taken.
    private func run(
        _ plan: SearchPlan, from start: [TrialResult] = [], stopAt limit: Int = .max,
        choose: ([SearchPlan.Step]) -> SearchPlan.Step = { $0[0] }, loss: (SearchPlan.Step) -> Double?
    ) -> [TrialResult] {
        var results = start
        while results.count < limit {
            let steps = plan.steps(after: results)
            guard !steps.isEmpty else { break }
            let step = choose(steps)
            results.append(result(step, loss: loss(step) ?? 0, failure: loss(step) == nil ? "diverged" : nil))
        }
        return results
    }

    private func scrambled(_ trial: Int) -> Double { Double(trial * 37 % 101) + 1 }

    @Test("Rungs divide trials and multiply epochs by the factor, and end with the whole training")
    func rungs() {
        func rungs(_ plan: SearchPlan) -> [[Int]] { plan.rungs.map { [$0.trials, $0.epochs] } }
        #expect(rungs(halving()) == [[27, 3], [9, 9], [3, 27]])
        #expect(rungs(halving(9, epochs: 81)) == [[9, 27], [3, 81]])
        // As many rungs as both numbers have room for.
        #expect(rungs(halving(27, epochs: 10)) == [[27, 1], [9, 3], [3, 10]])
        #expect(rungs(halving(27, epochs: 4)) == [[27, 1], [9, 4]])
        #expect(rungs(halving(10, epochs: 100)) == [[10, 33], [3, 100]])
        #expect(rungs(halving(18, epochs: 81)) == [[18, 9], [6, 27], [2, 81]])
        #expect(rungs(halving(5, epochs: 100)) == [[5, 100]])
        #expect(rungs(halving(16, epochs: 8, factor: 2)) == [[16, 1], [8, 2], [4, 4], [2, 8]])
        #expect(rungs(halving(2)) == [[2, 27]])
        #expect(rungs(halving(27, epochs: 2)) == [[27, 2]])
        #expect(rungs(SearchPlan(Self.space, method: .random, trials: 5, epochs: 7)) == [[5, 7]])
    }

    @Test("Halving trains each trial as long as its loss deserves, and the best to the end")
    func counts() {
        let plan = halving()
        let results = run(plan) { self.scrambled($0.trial) }
        #expect((0..<4).map { rung in results.count { $0.rung == rung } } == [27, 9, 3, 0])
        let order = (1...27).sorted { scrambled($0) < scrambled($1) }
        for (rung, count) in [27, 9, 3].enumerated() {
            #expect(results.filter { $0.rung == rung }.map(\.trial).sorted() == order.prefix(count).sorted())
        }
        #expect(plan.best(of: results)?.trial == order[0] && plan.best(of: results)?.epochs == 27)
        #expect(plan.ranked(results).count == 27)
        #expect(plan.ranked(results).map(\.trial).prefix(1) == order.prefix(1))
    }

    @Test("What is done does not depend on the order in which trials end, nor on interruptions")
    func order() {
        let plan = halving()
        func key(_ results: [TrialResult]) -> [[Int]] {
            results.map { [$0.rung, $0.trial] }.sorted { $0.lexicographicallyPrecedes($1) }
        }
        let loss = { (step: SearchPlan.Step) -> Double? in self.scrambled(step.trial * (step.rung + 1)) }
        let whole = run(plan, loss: loss)
        #expect(key(run(plan, choose: { $0[$0.count - 1] }, loss: loss)) == key(whole))
        for limit in [1, 13, 27, 28, 36, 38] {
            let part = run(plan, stopAt: limit, loss: loss)
            #expect(part.count == limit)
            #expect(run(plan, from: part, loss: loss) == whole)
        }
    }

    @Test("A trial that fails is the worst; where it fails later, the next best takes its place")
    func failures() {
        let plan = halving(27, epochs: 9)
        // The losses are 1 to 27; trial 2 fails at once, the best one in the second rung, the next in the last.
        let results = run(plan) { step in
            if step.trial == 2 || step.trial == 1 && step.rung == 1 || step.trial == 3 && step.rung == 2 { return nil }
            return Double(step.trial)
        }
        func trials(_ rung: Int) -> [Int] { results.filter { $0.rung == rung }.map(\.trial) }
        #expect(trials(0) == Array(1...27))
        #expect(trials(1) == [1, 3, 4, 5, 6, 7, 8, 9, 10, 11])
        #expect(trials(2) == [3, 4, 5, 6])
        #expect(plan.best(of: results)?.trial == 4)
        #expect(plan.ranked(results).last?.failure != nil)
    }

    @Test("Where all fail, the search ends without a winner")
    func allFail() {
        let plan = halving(9, epochs: 9)
        let results = run(plan) { _ in nil }
        #expect(results.count == 9 && plan.best(of: results) == nil && plan.steps(after: results).isEmpty)
        #expect(plan.ranked(results).map(\.trial) == Array(1...9))
    }

    @Test("Where accuracies are the same, the loss decides, and then the number")
    func ties() {
        let plan = SearchPlan(Self.space, method: .random, metric: .accuracy, trials: 4, epochs: 1)
        func made(_ trial: Int, _ accuracy: Double, _ loss: Double) -> TrialResult {
            TrialResult(
                trial: trial, rung: 0, epochs: 1, figures: ["accuracy": accuracy, "loss": loss], seconds: 0, elapsed: 0)
        }
        let results = [made(4, 0.9, 0.3), made(2, 0.9, 0.2), made(1, 0.8, 0.1), made(3, 0.9, 0.3)]
        #expect(plan.ranked(results).map(\.trial) == [2, 3, 4, 1])
    }

    @Test("A search is read as it was written, without a last line that is not whole")
    func folder() throws {
        try withTemporaryFolder { path in
            let plan = halving(9, epochs: 9)
            let record = SearchRecord(plan, arguments: ["--data", "digits"], definition: ["--data", "digits"])
            let place = path + "/search"
            let loss = { (step: SearchPlan.Step) -> Double? in step.trial == 5 ? nil : self.scrambled(step.trial) }
            let whole = run(plan, loss: loss)
            do {
                let folder = try SearchFolder(path: place, beginning: record)
                for result in whole.prefix(4) { try folder.add(result) }
                // One at a time, and no second one in its place.
                #expect(throws: GimbalError.self) { try SearchFolder(resuming: place) }
                #expect(throws: GimbalError.self) { try SearchFolder(path: place, beginning: record) }
            }
            #expect(throws: GimbalError.self) { try SearchFolder(path: place, beginning: record) }
            #expect(throws: GimbalError.self) { try SearchFolder(resuming: path + "/none") }
            let lines = place + "/trials.jsonl"
            let text = try String(contentsOfFile: lines, encoding: .utf8)
            try (text + "{\"trial\":5,\"ru").write(toFile: lines, atomically: true, encoding: .utf8)
            do {
                let folder = try SearchFolder(resuming: place)
                #expect(folder.record == record && folder.results == Array(whole.prefix(4)))
                for result in whole.dropFirst(4) { try folder.add(result) }
            }
            #expect(try SearchFolder.read(place).results == whole)
            // A line in the middle is no torn one.
            try ("x\n" + text).write(toFile: lines, atomically: true, encoding: .utf8)
            #expect(throws: GimbalError.self) { try SearchFolder.read(place) }
            // Nor is one of a trial that there is not.
            for trial in ["0", "10", "-5"] {
                let other = text.replacing("\"trial\":2}", with: "\"trial\":\(trial)}")
                #expect(other != text)
                try other.write(toFile: lines, atomically: true, encoding: .utf8)
                #expect(throws: GimbalError.self) { try SearchFolder.read(place) }
            }
        }
    }

    @Test("Checkpoints of trials that have lost go, those that may be needed stay", arguments: [false, true])
    func checkpoints(keepsAll: Bool) throws {
        try withTemporaryFolder { path in
            let plan = halving(8, epochs: 8, factor: 2)
            let record = SearchRecord(plan, arguments: [], keepsCheckpoints: keepsAll)
            let folder = try SearchFolder(path: path + "/search", beginning: record)
            func checkpoints() -> [Int] {
                (1...8).filter { FileManager.default.fileExists(atPath: folder.trialPath($0) + "/checkpoints") }
            }
            for trial in 1...8 {
                try FileManager.default.createDirectory(
                    atPath: folder.trialPath(trial) + "/checkpoints/step-000000001", withIntermediateDirectories: true)
            }
            var kept: [[Int]] = []
            for result in run(plan, loss: { $0.trial == 8 ? nil : Double($0.trial) }) {
                try folder.add(result)
                kept.append(checkpoints())
            }
            guard !keepsAll else {
                #expect(kept.allSatisfy { $0 == Array(1...8) })
                return
            }
            // 8 trials, 4 and 2: all while any may be among the best or stand in for one of them, then fewer.
            #expect(kept[6] == Array(1...8) && kept[7] == Array(1...7) && kept[10] == Array(1...7))
            #expect(kept[11] == [1, 2, 3, 4] && kept[12] == [1, 2, 3, 4] && kept[13] == [1])
        }
    }

    @Test("The page stands alone and has the table, the winner and a plot for each setting")
    func page() throws {
        let space = SearchSpace([
            .init("lr", range: .init(1e-4...1e-1, isLogarithmic: true)), .init("init", choices: ["he", "<b>"]),
        ])
        let plan = SearchPlan(space, trials: 9, epochs: 9)
        let results = run(plan) { $0.trial == 2 ? nil : self.scrambled($0.trial) }
        let report = SearchReport(SearchRecord(plan, arguments: ["--data", "digits"]), results, test: ["loss": 0.125])
        let best = try #require(plan.best(of: results))
        let command = try #require(report.command)
        #expect(command.hasPrefix("gimbal train --data digits --lr \(plan.points[best.trial - 1][0]) --init "))
        for words in ["The best over time", "against lr", "against init", "diverged", "0.1250", "&lt;b&gt;"] {
            #expect(report.html.contains(words), "\(words)")
        }
        #expect(!report.html.contains("<b>\"") && !report.html.contains("<script") && !report.html.contains("src="))
        let lines = report.table().split(separator: "\n")
        #expect(lines.count == 11 && lines[1].hasPrefix("\(best.trial) ") && lines[10] == "trial 2 failed: diverged")
        #expect(report.table(limit: 3).contains("\nand 6 more\n"))
        let empty = SearchReport(SearchRecord(plan, arguments: []), [])
        #expect(empty.command == nil && empty.html.contains("None has ended yet"))
    }
}
