import ArgumentParser
import Foundation
import GimbalTrain
import Synchronization

struct WatchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch", abstract: "Follows a run that another process trains: curves, gradients, findings.",
        discussion: """
            On a terminal, a picture that is kept up to date, until the run ends; q or Ctrl-C leaves, and the run goes on. \
            Elsewhere, a line for each epoch, each finding, and every ten seconds. Colours are left out where NO_COLOR is \
            set. Ends with 1 where the run's process has died.
            """)

    @Argument(help: ArgumentHelp("The folder of a run.", valueName: "run"), completion: .directory)
    var folder: String

    func run() throws {
        // Says what is wrong with a folder that is no run's.
        if try !RunFolder.isRun(at: folder) { _ = try RunSummary(folder: folder) }
        let terminal = WatchTerminal()
        let last = try terminal.map { try draw(on: $0) } ?? printLines()
        guard let last else { return }
        try printLine(last.ending)
        if case .lost = last.state { throw ExitCode(1) }
    }

    /// Keeps the terminal up to date. Gives the run as it ended; nil where the user left before.
    private func draw(on terminal: WatchTerminal) throws -> WatchedRun? {
        var run = WatchedRun(folder)
        terminal.begin()
        defer { terminal.end() }
        var pause = Pause()
        while true {
            pause.measure { run.update() }
            if !run.state.goesOn { return run }
            // A window that changes its size is drawn again at once.
            var drawn: WatchTerminal.Size?
            while !pause.isOver {
                if drawn != terminal.size {
                    drawn = terminal.size
                    terminal.show(run.screen(width: terminal.size.columns, height: terminal.size.rows))
                }
                if terminal.isLeaving() { return nil }
                usleep(50_000)
            }
        }
    }

    /// Prints what is new. Gives the run as it ended.
    private func printLines() throws -> WatchedRun? {
        var run = WatchedRun(folder)
        var (epochs, findings, shown) = (0, 0, ContinuousClock.now - .seconds(60))
        var pause = Pause()
        while true {
            pause.measure { run.update() }
            let lines = run.epochLines
            for line in lines.dropFirst(epochs) { try printLine(line) }
            for finding in run.findings.dropFirst(findings) { try printLine("step \(finding.step): \(finding)") }
            if lines.count > epochs || findings < run.findings.count { shown = .now }
            // A run that went back has fewer.
            (epochs, findings) = (lines.count, run.findings.count)
            if !run.state.goesOn { return run }
            if ContinuousClock.now - shown >= .seconds(10), let line = run.stepLine {
                try printLine(line)
                shown = .now
            }
            while !pause.isOver { usleep(50_000) }
        }
    }

    /// The time between two looks at the folder: a second, or ten times what a look takes.
    private struct Pause {
        private var end = ContinuousClock.now

        var isOver: Bool { ContinuousClock.now >= end }

        mutating func measure(_ look: () -> Void) {
            let taken = ContinuousClock().measure(look)
            end = .now + max(.seconds(1), taken * 10)
        }
    }
}

/// A terminal that a picture is drawn on, and that is left as it was.
final class WatchTerminal {
    struct Size: Equatable {
        var columns: Int
        var rows: Int
    }

    private static let signals = [SIGINT, SIGTERM, SIGHUP]
    private static let isAskedToLeave = Atomic<Bool>(false)
    private let isColored: Bool
    private var before = termios()
    private var hasInput = false

    /// Nil where standard output is no terminal that can draw.
    init?() {
        let environment = ProcessInfo.processInfo.environment
        guard isatty(STDOUT_FILENO) == 1, let kind = environment["TERM"], !["", "dumb", "unknown"].contains(kind) else {
            return nil
        }
        isColored = environment["NO_COLOR", default: ""].isEmpty
    }

    var size: Size {
        var window = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &window) == 0, window.ws_col > 0, window.ws_row > 0 else {
            return Size(columns: 80, rows: 24)
        }
        return Size(columns: Int(window.ws_col), rows: Int(window.ws_row))
    }

    /// Goes to the terminal's other screen.
    func begin() {
        for number in Self.signals {
            signal(number) { _ in WatchTerminal.isAskedToLeave.store(true, ordering: .relaxed) }
        }
        hasInput = tcgetattr(STDIN_FILENO, &before) == 0
        if hasInput {
            var quiet = before
            quiet.c_lflag &= ~tcflag_t(ECHO | ICANON)
            withUnsafeMutableBytes(of: &quiet.c_cc) { characters in
                (characters[Int(VMIN)], characters[Int(VTIME)]) = (0, 0)
                // Stopped, it could not leave the screen.
                characters[Int(VSUSP)] = 0
            }
            tcsetattr(STDIN_FILENO, TCSANOW, &quiet)
        }
        write("\u{1B}[?1049h\u{1B}[?25l")
    }

    /// Goes back, with all as it was.
    func end() {
        write("\u{1B}[?25h\u{1B}[?1049l")
        if hasInput { tcsetattr(STDIN_FILENO, TCSAFLUSH, &before) }
        for number in Self.signals { signal(number, SIG_DFL) }
    }

    /// Whether the user wants to leave, by a key or a signal.
    func isLeaving() -> Bool {
        var key: UInt8 = 0
        if hasInput, read(STDIN_FILENO, &key, 1) == 1, key == UInt8(ascii: "q") { return true }
        return Self.isAskedToLeave.load(ordering: .relaxed)
    }

    func show(_ lines: [WatchedRun.Line]) {
        let text = lines.map { line in
            let code = isColored ? line.style.code : nil
            return (code.map { "\u{1B}[\($0)m\(line.text)\u{1B}[0m" } ?? line.text) + "\u{1B}[K"
        }
        write("\u{1B}[H" + text.joined(separator: "\r\n") + "\u{1B}[J")
    }

    private func write(_ text: String) { try? FileHandle.standardOutput.write(contentsOf: Data(text.utf8)) }
}

extension WatchedRun.Style {
    /// The terminal's code; nil for the usual text.
    fileprivate var code: String? {
        switch self {
        case .plain: nil
        case .heading: "1"
        case .warning: "1;31"
        case .curve: "36"
        case .quiet: "2"
        }
    }
}
