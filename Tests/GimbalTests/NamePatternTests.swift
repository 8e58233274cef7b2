import Gimbal
import Testing

@Suite struct NamePatternTests {
    @Test(arguments: [
        ("*", "", true), ("*", "a.b.c", true), ("", "", true), ("", "a", false), ("?", "", false), ("?", "é", true),
        ("??", "a", false), ("fc1.weight", "fc1.weight", true), ("fc1.weight", "fc1.weights", false),
        ("fc1", "fc1.weight", false), ("*.weight", "encoder.layers.0.weight", true), ("*.weight", "weight", false),
        ("encoder.*", "encoder.0.bias", true), ("encoder.*", "decoder.encoder.0", false),
        ("*a*b", "aXbXaYb", true), ("*a*b", "aXbXaYc", false), ("layer?.*", "layer4.0.conv", true),
        ("layer?.*", "layer42.conv", false), ("***", "x", true), ("[a]", "a", false), ("*.b*s", "x.bias.bus", true),
    ])
    func matchesWholeNames(_ pattern: String, _ name: String, _ matches: Bool) {
        #expect(NamePattern(pattern).matches(name) == matches)
    }

    @Test func manyStarsOverALongNameEndSoon() {
        let pattern = NamePattern(String(repeating: "a*", count: 50) + "b")
        #expect(!pattern.matches(String(repeating: "a", count: 10_000)))
    }

    @Test func wildcardsTellWhatTheyStandFor() {
        #expect(NamePattern("backbone.*").captures(in: "backbone.layer1.0.weight") == ["layer1.0.weight"])
        #expect(NamePattern("*.l?.*").captures(in: "a.l1.l2.w") == ["a", "1", "l2.w"])
        #expect(NamePattern("*.*").captures(in: "a.b.c") == ["a", "b.c"])
        #expect(NamePattern("x").captures(in: "y") == nil)
    }
}
