import Foundation
import GimbalDoctor
import GimbalTestSupport
import GimbalTrain
import Testing

/// What a page and a terminal show of a run's monitors and findings.
@Suite("What monitors saw and the doctor found")
struct HealthReportTests {
    private static let health = """
        step,kind,name,norm,rms,mean,deviation,zero_share,saturated_share,dead_share,update_ratio,non_finite
        50,activation,0,1,1,0,1,0.5,0,0.25,,0
        50,activation gradient,0,1e-3,1e-5,0,1e-5,0,,,,0
        50,activation gradient,"a ""b"", c",1,0.1,0,0.1,0,,,,0
        50,update,0.weight,1,1,0,1,0,,,0.001,0
        100,activation gradient,0,0,0,0,0,1,,,,0
        100,activation gradient,"a ""b"", c",nan,nan,nan,nan,0,,,,7
        150,activation gradient,0,1
        """

    @Test("A table is read by its header, quoted names and all, without what is not whole")
    func table() {
        let table = HealthTable(csv: Self.health)
        let tracks = table.tracks(.activationGradient, .rootMeanSquare)
        #expect(tracks.map(\.name) == ["0", "a \"b\", c"])
        #expect(tracks[0].points.map(\.step) == [50, 100] && tracks[0].points.map(\.value) == [1e-5, 0])
        #expect(tracks[1].points[0].value == 0.1 && tracks[1].points[1].value.isNaN)
        #expect(table.tracks(.activation, .updateRatio).isEmpty)
        #expect(table.tracks(.update, .updateRatio).map(\.points.count) == [1])
        #expect(HealthTable(csv: "").isEmpty && HealthTable(csv: "step,name\n1,a\n").isEmpty)
        #expect(HealthTable.columns.count == 12)
    }

    private func summary(_ name: String) throws -> RunSummary {
        var run = RunSummary(RunFacts(name: name), metrics: MetricsTable(csv: "epoch,step,loss\n1,1,2\n1,100,1\n"))
        run.health = HealthTable(csv: Self.health)
        run.findings = [
            Finding(
                .learningRateTooHigh, "steps of <10> are too long", layers: ["0"], step: 50,
                evidence: ["the loss doubled"],
                remedies: [Remedy("a tenth of the rate", code: "--lr 0.01")])
        ]
        return run
    }

    @Test("Steps and shares that no run has make a page all the same")
    func absurdFigures() {
        let rows = [
            "-9,activation,0,1,1,0,1,0.5,0,1e30,,0", "9223372036854775807,activation,0,1,1,0,1,0.5,0,-1e308,,0",
        ]
        var run = RunSummary(RunFacts(name: "a"), metrics: MetricsTable(csv: ""))
        run.health = HealthTable(
            csv: ([HealthTable.columns.joined(separator: ",")] + rows).joined(separator: "\n") + "\n")
        #expect(Report(run).html.contains("dead units"))
    }

    @Test("The page of a run shows where gradients flow, what is dead, and what helps")
    func page() throws {
        let html = Report(try summary("a")).html
        for text in [
            "<h2>Findings</h2>", "learning rate too high", "steps of &lt;10&gt; are too long",
            "Before step 50, in layer 0.",
            "the loss doubled", "<pre>--lr 0.01</pre>", "<h2>Gradient flow</h2>", "root mean square (logarithmic)",
            "a &quot;b&quot;, c", "class=bad", "class=zero", "NaN or infinite", "exactly 0",
            "<h2>Activation health</h2>",
            "dead units", "saturated activations: none at any look", "<h2>Updates against weights</h2>",
            "optimizer steps",
        ] { #expect(html.contains(text), "\(text)") }
        for word in ["http", "<script", "src=", "url(", "@import"] { #expect(!html.contains(word), "\(word)") }
    }

    @Test("The page of several runs shows the gradient flow of each on one scale")
    func comparison() throws {
        let html = RunComparison([try summary("a"), try summary("b")]).html
        #expect(html.contains("gradient that arrives behind each layer: a"))
        #expect(html.contains("gradient that arrives behind each layer: b"))
        #expect(html.contains("<h3>Run b</h3><div class=finding>"))
    }

    @Test("Beyond ten runs, lines are dashed as well as coloured")
    func dashes() throws {
        func lines(_ count: Int) throws -> Int {
            let html = RunComparison(try (0..<count).map { try summary("run \($0)") }).html
            return html.components(separatedBy: " stroke-dasharray=\"7 4\"").count - 1
        }
        let (few, many) = (try lines(10), try lines(12))
        #expect(few == 0 && many > 0)
    }

    @Test("Long curves are thinned out to the means of neighbours, in their order")
    func thinned() throws {
        let rows = (1...5000).map { "1,\($0),\(2 + $0 % 2)\n" }.joined()
        let html = Report(RunSummary(RunFacts(name: "a"), metrics: MetricsTable(csv: "epoch,step,loss\n" + rows))).html
        let line = try #require(html.firstMatch(of: /<polyline class=line [^>]*points="([^"]*)"/))
        let places = line.1.split(separator: " ").compactMap { $0.split(separator: ",").first.flatMap { Double($0) } }
        #expect((500...600).contains(places.count) && zip(places, places.dropFirst()).allSatisfy { $0.0 <= $0.1 })
        #expect(Set(places).count > 400, "\(places.prefix(5))")
    }

    @Test("Findings are read from their file, but for a line that is not whole")
    func findings() throws {
        try withTemporaryFolder { folder in
            let encoder = JSONEncoder()
            let line = String(decoding: try encoder.encode(try summary("a").findings[0]), as: UTF8.self)
            let path = folder + "/findings.jsonl"
            try (line + "\n" + line.dropLast(5)).write(toFile: path, atomically: true, encoding: .utf8)
            let found = try FindingsFile.findings(path: path)
            #expect(found.map(\.illness) == [.learningRateTooHigh] && found[0].remedies[0].code == "--lr 0.01")
            #expect(try FindingsFile.findings(path: folder + "/none").isEmpty)
        }
    }

    @Test("Curves in text keep to their width and height, with round ticks")
    func text() {
        let points = (1...1000).map { (x: Double($0), y: 2 / Double($0)) }
        let plot = TextPlot(title: "loss", series: [.init(name: "training", mark: "*", points: points)])
        for (width, height) in [(80, 12), (40, 8), (20, 3)] {
            let lines = plot.lines(width: width, height: height)
            #expect(lines.count <= max(height, 5) && lines.allSatisfy { $0.count <= width }, "\(lines)")
        }
        let lines = plot.lines(width: 80, height: 12)
        #expect(lines[0] == "loss (logarithmic)  * training")
        #expect(lines.contains { $0.hasPrefix("      0.1|") } && lines.last?.contains("800") == true)
        #expect(lines[2].hasPrefix("         |*") && lines[9].hasSuffix("*"), "\(lines)")
        #expect(TextPlot(title: "", series: []).lines(width: 80, height: 12).isEmpty)
    }

    @Test("Whether a run goes on is seen from its lock, without taking it")
    func state() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/run"
            do {
                let held = try RunFolder(path: path)
                #expect(try RunState(folder: path, steps: 3) == .running)
                #expect(throws: GimbalError.self) { try RunFolder(path: path) }
                _ = held.path
            }
            #expect(try RunState(folder: path, steps: 3) == .lost(step: 3, checkpoint: nil))
            for step in [2, 3] {
                try FileManager.default.createDirectory(
                    atPath: "\(path)/checkpoints/step-00000000\(step)", withIntermediateDirectories: true)
                #expect(
                    try RunState(folder: path, steps: 3)
                        == (step == 3 ? .saved(step: 3) : .lost(step: 3, checkpoint: 2)))
            }
            try "process 1 on elsewhere\n".write(toFile: path + "/run.lock", atomically: true, encoding: .utf8)
            #expect(try RunState(folder: path, steps: 3) == .unknown(host: "elsewhere"))
        }
    }
}
