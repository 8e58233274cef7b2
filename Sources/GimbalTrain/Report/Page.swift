import Foundation

/// A page in one file, without scripts or outside references.
package struct Page {
    package var title: String
    package var sections: [(title: String, body: String)]

    package init(title: String, sections: [(title: String, body: String)]) {
        self.title = title
        self.sections = sections
    }

    /// - Throws: `GimbalError.fileSystem`; an older page is then untouched.
    package func write(to path: String) throws { try AtomicFile.write(html, to: path) }

    package var html: String {
        """
        <!DOCTYPE html>
        <html lang="en"><head><meta charset="utf-8"><title>\(escaped(title))</title><style>
        body { font: 15px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem; color: #1c2430 }
        h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin-top: 2rem; border-bottom: 1px solid #d5dbe3 }
        table { border-collapse: collapse } td, th { padding: .2rem .7rem; text-align: right }
        th { font-weight: 600 } td.name, th.name { text-align: left }
        pre { background: #f4f6f8; padding: .8rem; overflow-x: auto } svg { width: 100%; height: auto }
        </style></head><body><h1>\(escaped(title))</h1>
        \(sections.map { "<h2>\($0.title)</h2>\n\($0.body)" }.joined(separator: "\n"))
        </body></html>

        """
    }
}

/// `text` with the characters that HTML gives a meaning.
package func escaped(_ text: String) -> String {
    text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;")
        .replacingOccurrences(of: ">", with: "&gt;").replacingOccurrences(of: "\"", with: "&quot;")
}
