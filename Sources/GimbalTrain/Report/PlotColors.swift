/// Colours of the series of a plot, in CSS variables `--s0`, `--s1`, … that differ between light and dark pages.
///
/// The first ten were chosen by a random search for the largest least distance in CIELAB between any two, as seen with
/// normal vision, without red, green or blue cones (Machado et al. 2009), at a contrast of 3 to 1 and more with the page.
/// Ten more are those nearer to the text's colour, drawn dashed, and ten more those nearer to the page's, dotted.
enum PlotColors {
    /// The most series in one plot.
    static let limit = 30

    static let light = variables(
        [
            0x3282FF, 0xE07400, 0x14007E, 0x406863, 0xA00100, 0xB18F66, 0x3B13FF, 0x8D8FC7, 0x5B0518, 0x391347,
        ], text: 0x000000, page: 0xFFFFFF)
    static let dark = variables(
        [
            0x58ABFF, 0xFFD7BA, 0xD000A8, 0x9FFF00, 0xAA7900, 0x0CF4FF, 0xEC76A7, 0x878053, 0xA039FF, 0xDEFF8B,
        ], text: 0xFFFFFF, page: 0x14181E)

    /// How the line of a series is broken: as SVG's `stroke-dasharray` and as a CSS border.
    static func dashes(of series: Int) -> (svg: String?, css: String) {
        switch series / 10 {
        case 0: (nil, "solid")
        case 1: ("7 4", "dashed")
        default: ("2 3", "dotted")
        }
    }

    private static func variables(_ colors: [Int], text: Int, page: Int) -> String {
        let all = colors + colors.map { mixed($0, text, 0.4) } + colors.map { mixed($0, page, 0.35) }
        return all.enumerated().map { "--s\($0):#\(hexadecimal($1, digits: 6))" }.joined(separator: ";")
    }

    private static func mixed(_ color: Int, _ other: Int, _ share: Double) -> Int {
        [16, 8, 0].reduce(0) { sum, shift in
            let (own, others) = (Double(color >> shift & 255), Double(other >> shift & 255))
            return sum | Int((own + (others - own) * share).rounded()) << shift
        }
    }
}
