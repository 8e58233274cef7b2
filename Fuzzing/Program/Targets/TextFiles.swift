import Gimbal
import GimbalTrain

extension Target {
    static let textFiles = [
        Target("tokenizer") { input in
            let tokenizer = try TokenizerFile.read(input.path)
            for text in ["", "Hello, w\u{F6}rld!\r\n 12345  <s>\u{1F600}", "aaaa bbbb\u{301}"] {
                guard let tokens = try? tokenizer.encode(text) else { continue }
                _ = tokenizer.decode(tokens)
                _ = tokenizer.decode(tokens, skipsSpecialTokens: true)
            }
            for token in 0..<min(tokenizer.count, 300) { _ = tokenizer.bytes(of: Int32(token), after: nil) }
            let json = tokenizer.json
            var copy = Array(json.utf8)
            let path = copy.withUnsafeMutableBytes { Folder.write(UnsafeRawBufferPointer($0), to: "written") }
            if try TokenizerFile.read(path).json != json { fail("the tokenizer is written as another") }
        },
        Target("vary") { input in
            let text = input.text
            for kind in [SearchSpace.SettingForm.Kind.whole, .number, .flag, .word] {
                let isOdd = input.bytes.count % 2 == 1
                let form = SearchSpace.SettingForm(kind, isLogarithmic: isOdd, isList: true, hasPattern: isOdd)
                let space = SearchSpace([try SearchSpace.Dimension(parsing: text) { _ in form }])
                let plan = SearchPlan(space, method: .random, trials: 3, epochs: 1)
                try plan.validate()
                if plan.points.isEmpty { fail("a space without a point: \(space.dimensions)") }
            }
        },
        Target("metrics") { input in
            let table = MetricsTable(csv: input.text)
            for figure in table.figures {
                for part in figure.parts {
                    _ = table.last("\(part)_\(figure.name)")
                    _ = table.value("\(part)_\(figure.name)", epoch: 1)
                }
            }
            _ = table.largest("step")
        },
        Target("health") { input in
            let table = HealthTable(csv: input.text)
            for kind in HealthTable.Kind.allCases {
                for quantity in HealthTable.Quantity.allCases { _ = table.tracks(kind, quantity) }
            }
        },
    ]
}
