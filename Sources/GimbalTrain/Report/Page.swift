import Foundation

/// A page in one file, without scripts or outside references, in the colours that the reader's system prefers.
package struct Page {
    package var title: String
    /// What stands under the title: name and value.
    package var facts: [(name: String, value: String)]
    /// Titles as text, bodies as HTML.
    package var sections: [(title: String, body: String)]

    package init(
        title: String, facts: [(name: String, value: String)] = [], sections: [(title: String, body: String)]
    ) {
        self.title = title
        self.facts = facts
        self.sections = sections
    }

    /// - Throws: `GimbalError.fileSystem`; an older page is then untouched.
    package func write(to path: String) throws { try AtomicFile.write(html, to: path) }

    /// What a page is known by, before the version that wrote it.
    private static let mark = "<meta name=\"generator\" content=\"Gimbal "

    /// Whether the file at `path` is a page that Gimbal wrote.
    package static func isOwn(_ path: String) -> Bool {
        (try? FileReader(path: path, format: "a page").start(1000)).map {
            String(decoding: $0, as: UTF8.self).contains(mark)
        } ?? false
    }

    package var html: String {
        let head = facts.map { "<dt>\(escaped($0.name))</dt><dd>\(escaped($0.value))</dd>" }.joined()
        return """
            <!DOCTYPE html>
            <html lang="en"><head><meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            \(Self.mark)\(gimbalVersion)">
            <meta name="color-scheme" content="light dark"><title>\(escaped(title))</title><style>
            \(Self.style)
            </style></head><body><h1>\(escaped(title))</h1>
            \(facts.isEmpty ? "" : "<dl>\(head)</dl>")
            \(sections.map { "<h2>\(escaped($0.title))</h2>\n\($0.body)" }.joined(separator: "\n"))
            </body></html>

            """
    }

    /// A table that scrolls where the page is too narrow. Cells are HTML; the first column is flush left.
    package static func table(head: [String] = [], _ rows: [[String]]) -> String {
        func row(_ cells: [String], _ tag: String) -> String {
            let cells = cells.enumerated().map { "<\(tag)\($0 == 0 ? " class=name" : "")>\($1)</\(tag)>" }
            return "<tr>\(cells.joined())</tr>"
        }
        let head = head.isEmpty ? "" : row(head, "th")
        return "<div class=scroll><table>\(head)\(rows.map { row($0, "td") }.joined(separator: "\n"))</table></div>"
    }

    private static let style = """
        :root { color-scheme: light dark; --page:#ffffff; --text:#1c2430; --muted:#5c6673; --rule:#d5dbe3; --soft:#f4f6f8;
          --error:213,94,0; --right:0,114,178; \(PlotColors.light) }
        @media (prefers-color-scheme: dark) { :root { --page:#14181e; --text:#e6eaf0; --muted:#9aa5b3; --rule:#38414d;
          --soft:#1e242c; --error:225,90,30; --right:60,130,200; \(PlotColors.dark) } }
        body { font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem;
          color: var(--text); background: var(--page); overflow-wrap: anywhere }
        h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem; border-bottom: 1px solid var(--rule) }
        h3 { font-size: 1rem; margin: 1.2rem 0 .3rem }
        dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem } dt { color: var(--muted) }
        dd { margin: 0; min-width: 0 }
        .scroll { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums }
        td, th { padding: .2rem .7rem; text-align: right; overflow-wrap: normal } th { font-weight: 600 }
        td.name, th.name { text-align: left } tr + tr td { border-top: 1px solid var(--rule) }
        .matrix th.name { position: sticky; left: 0; background: var(--page) } .matrix td { text-align: center }
        pre { background: var(--soft); padding: .8rem; overflow-x: auto; overflow-wrap: normal }
        figure { margin: 1rem 0; max-width: 46rem } figcaption { font-weight: 600 } summary { cursor: pointer }
        svg { display: block; width: 100%; height: auto } svg text { font-size: 14px; fill: var(--muted) }
        svg .axis { fill: var(--text) } .vertical { font-size: .9rem; margin: .3rem 0 0 } svg .grid { stroke: var(--rule); stroke-width: 1 }
        svg .line { fill: none; stroke-width: 2; stroke-linejoin: round }
        svg .reference { fill: none; stroke: var(--muted); stroke-width: 1.2; stroke-dasharray: 5 4 }
        .legend { display: flex; flex-wrap: wrap; gap: .1rem 1.2rem; font-size: .9rem }
        .key i { display: inline-block; width: 2.2em; vertical-align: middle; margin-right: .4em }
        .heat .rows { display: grid; grid-template-columns: minmax(4rem, 30%) 1fr; gap: 1px .6rem; font-size: .8rem }
        .heat .layer { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; direction: rtl; text-align: right;
          line-height: 1.1rem } .heat svg { height: 1.1rem; background: var(--soft) }
        .heat rect { fill: var(--fill) } .heat i { background: var(--fill) } .zero { --fill: var(--muted) }
        .bad { --fill: rgb(var(--error)) } \(HeatMap.style)
        .ticks { position: relative; height: 1.2rem; overflow: hidden; color: var(--muted) }
        .ticks span { position: absolute }
        .across { text-align: center } .bar { display: inline-flex; vertical-align: middle }
        .bar i, .heat .key i { width: 1.1em; height: .9em }
        .finding { border-left: 3px solid rgb(var(--error)); padding-left: 1rem; margin: 1rem 0 }
        .note { color: var(--muted); font-size: .9rem; margin: .3rem 0 }
        @media (max-width: 34rem) { svg text { font-size: 22px } body { margin: 1rem auto } }
        """
}
