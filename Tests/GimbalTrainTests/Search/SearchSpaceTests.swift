import GimbalTrain
import Testing

@Suite("What a search may vary")
struct SearchSpaceTests {
    private static let forms: [String: SearchSpace.SettingForm] = [
        "lr": .init(.number, isLogarithmic: true), "dropout": .init(.number, isList: true),
        "hidden": .init(.whole, isLogarithmic: true, isList: true), "layers": .init(.whole), "init": .init(.word),
        "residual": .init(.flag), "layer-decay": .init(.number, isLogarithmic: true, hasPattern: true),
    ]

    private func parsed(_ text: String) throws -> SearchSpace.Dimension {
        try SearchSpace.Dimension(parsing: text) { name in
            guard let form = Self.forms[name] else { throw GimbalError.invalidSetting(name: name, reason: "unknown") }
            return form
        }
    }

    @Test("Choices, lists, ranges and patterns are read")
    func reads() throws {
        #expect(try parsed("hidden=64,128:64") == .init("hidden", choices: ["64", "128,64"]))
        #expect(try parsed("--init=he,xavier") == .init("init", choices: ["he", "xavier"]))
        #expect(try parsed("residual=yes,no").choices == ["yes", "no"])
        #expect(try parsed("lr=1e-4..1e-1").range == .init(1e-4...1e-1, isLogarithmic: true))
        #expect(try parsed("layers=1..4").range == .init(1...4, isWhole: true))
        #expect(try parsed("lr=0.001..0.1/3").choices == ["0.001", "0.01", "0.1"])
        #expect(try parsed("dropout=0..0.5/3").choices == ["0", "0.25", "0.5"])
        #expect(try parsed("layers=1..3/9").choices == ["1", "2", "3"])
        let decay = try parsed("layer-decay=a=b.*=0.1,1")
        #expect(decay == .init("layer-decay=a=b.*", choices: ["0.1", "1"]))
        #expect(SearchSpace([decay]).words(["0.1"]) == ["--layer-decay", "a=b.*=0.1"])
        #expect(SearchSpace([try parsed("residual=yes,no")]).words(["no"]) == ["--no-residual"])
        #expect(SearchSpace([try parsed("lr=-1,1")]).words(["-1"]) == ["--lr=-1"])
    }

    @Test(
        "What cannot be meant is refused, and says what was said",
        arguments: [
            ("lr", "is not NAME=VALUES"), ("=1,2", "is not NAME=VALUES"), ("nix=1", "unknown"),
            ("lr=", "has an empty choice"),
            ("lr=0.1,,1", "has an empty choice"), ("lr=0.1,0.1", "names 0.1 twice"), ("lr=fast", "is no number"),
            ("lr=1..0.1", "must go from a number to a larger one"), ("lr=0..1", "must begin above 0"),
            ("lr=1..x", "is no range of numbers"), ("lr=nan..1", "is no range of numbers"),
            ("lr=1..nan", "is no range of numbers"), ("lr=0.1..1/1", "must have a whole number of 2 or more"),
            ("lr=0.1..1/2/3", "must have a whole number"), ("lr=1e-3..1/20000", "has 20000 numbers, more than 10000"),
            ("layers=1..2.5", "so must be the ends"),
            ("init=a..b", "is a range, but init is no number"), ("residual=maybe", "neither yes nor no"),
            ("hidden=64:x", "is no number"), ("layer-decay=0.1", "must name a pattern"),
        ])
    func refuses(text: String, reason: String) throws {
        let error = #expect(throws: GimbalError.self) { try parsed(text) }
        #expect("\(try #require(error))".contains(reason), "\(String(describing: error))")
    }

    @Test(
        "Drawn points lie in the space, follow from the seed, are distinct, and a longer search begins as a shorter one"
    )
    func draws() throws {
        let space = SearchSpace([
            try parsed("lr=1e-4..1e-1"), try parsed("layers=1..4"), try parsed("dropout=0..0.5"),
            try parsed("init=he,xavier"),
        ])
        func points(_ count: Int, seed: UInt64 = 1) -> [[String]] {
            SearchPlan(space, method: .random, trials: count, epochs: 1, seed: seed).points
        }
        let many = points(2000)
        #expect(many.count == 2000 && Set(many).count == 2000)
        #expect(points(50) == Array(many.prefix(50)) && points(50, seed: 2) != points(50))
        let rates = try many.map { try #require(Double($0[0])) }
        #expect(rates.allSatisfy { (1e-4...1e-1).contains($0) })
        // A third of them in each power of ten: 667, with a standard deviation of 21.
        for low in [1e-4, 1e-3, 1e-2] { #expect(abs(rates.count { $0 >= low && $0 < 10 * low } - 667) < 100) }
        // A quarter each: 500, with a standard deviation of 19.
        for layers in ["1", "2", "3", "4"] { #expect(abs(many.count { $0[1] == layers } - 500) < 90) }
        #expect(many.allSatisfy { (0...0.5).contains(Double($0[2]) ?? -1) })
        #expect(abs(many.count { $0[3] == "he" } - 1000) < 110)
    }

    @Test("A space with fewer points than trials is gone through, each point once")
    func small() throws {
        let space = SearchSpace([try parsed("layers=1,2"), try parsed("init=he,xavier,lecun")])
        let plan = SearchPlan(space, method: .random, trials: 27, epochs: 3)
        #expect(
            plan.points == [
                ["1", "he"], ["1", "xavier"], ["1", "lecun"], ["2", "he"], ["2", "xavier"], ["2", "lecun"],
            ])
        #expect(SearchPlan(space, method: .grid, epochs: 3).points == plan.points)
        // A range of whole numbers has four points, however many are asked for.
        let whole = SearchPlan(SearchSpace([try parsed("layers=1..4")]), method: .random, trials: 9, epochs: 1)
        #expect(Set(whole.points) == [["1"], ["2"], ["3"], ["4"]])
    }

    @Test("A plan that makes no sense is refused")
    func plans() throws {
        let space = SearchSpace([try parsed("lr=0.1..1")])
        #expect(throws: GimbalError.self) { try SearchPlan(space, method: .grid, epochs: 1).validate() }
        #expect(throws: GimbalError.self) { try SearchPlan(space, trials: 0, epochs: 1).validate() }
        #expect(throws: GimbalError.self) { try SearchPlan(space, epochs: 0).validate() }
        #expect(throws: GimbalError.self) { try SearchPlan(space, epochs: 9, factor: 1).validate() }
        #expect(throws: GimbalError.self) { try SearchPlan(SearchSpace([]), epochs: 1).validate() }
        let twice = SearchSpace([try parsed("lr=0.1..1"), try parsed("lr=1,2")])
        #expect(throws: GimbalError.self) { try SearchPlan(twice, epochs: 1).validate() }
        try SearchPlan(space, epochs: 1).validate()
    }

    @Test("Every kind of model has a space, without what is given", arguments: ModelSettings.Kind.allCases)
    func usual(kind: ModelSettings.Kind) throws {
        let model = ModelSettings(kind: kind, inputShape: [1, 16, 16], outputs: 10)
        let space = SearchSpace(for: model, training: TrainingSettings(for: kind))
        try SearchPlan(space, epochs: 9).validate()
        #expect(space.dimensions.contains { $0.name == "lr" })
        let given = SearchSpace(for: model, training: TrainingSettings(for: kind), except: ["lr"])
        #expect(given.dimensions == space.dimensions.filter { $0.name != "lr" })
    }
}
