import GimbalTrain

/// A folder or a list of PNG and JPEG files.
struct PictureInspection: Inspection {
    let summary: PictureSummary

    init(path: String, table: TableOptions) throws { summary = try PictureSummary(path: path, table: table) }

    func encode(to encoder: any Encoder) throws { try summary.encode(to: encoder) }

    var text: String {
        var lines = ["\(shown(summary.path, limit: 200)): pictures"]
        for part in summary.parts {
            let classes = zip(part.classNames, part.counts).map { "\($0) \($1)" }
            let count = "\(part.name ?? "all"): \(part.pictures) pictures"
            lines.append(
                "  \(count)" + (classes.isEmpty ? "" : "; \(classes.count) classes: \(listed(classes, limit: 50))"))
        }
        if let smallest = summary.smallest, let largest = summary.largest {
            let sides =
                smallest == largest
                ? "all \(smallest)"
                : "\(smallest.height) to \(largest.height) high, \(smallest.width) to \(largest.width) wide"
            lines.append("  \(summary.opened) opened: \(sides); \(summary.coloured) have colours")
        }
        lines += summary.damaged.map { "  cannot be read: \(shown($0, limit: 200))" }
        lines += summary.notes.map { "  \($0)" }
        return lines.joined(separator: "\n")
    }
}
