import Foundation

/// The path of a program of this name that the build put beside the tests.
package func builtProgram(_ name: String) -> String {
    let tests = Bundle.main.executableURL ?? URL(fileURLWithPath: CommandLine.arguments[0])
    return tests.deletingLastPathComponent().appending(path: name).path
}
