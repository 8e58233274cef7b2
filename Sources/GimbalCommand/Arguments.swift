import Foundation
import GimbalTrain

/// What is done with the arguments of the command before they are parsed.
enum Arguments {
    /// Options whose value may be empty: a text to begin with, and columns, of which a file may leave one without a name.
    private static let optionsOfTexts: Set = ["--prompt", "--target", "--exclude", "--id", "--columns", "--missing"]

    /// What is wrong with the first argument that can mean nothing.
    static var mistake: String? {
        let arguments = CommandLine.arguments
        // The shell asks for completions with words that have not been begun.
        guard arguments.count > 1, !arguments[1].hasPrefix("---") else { return nil }
        for place in 1..<arguments.count {
            let (argument, before) = (arguments[place], arguments[place - 1])
            if let bytes = CommandLine.unsafeArgv[place], String(validatingCString: bytes) == nil {
                // What Swift makes of it is the name of something else.
                return "argument \(place) is not UTF-8: '\(shown(argument))'"
            }
            // As a path it would be the root, or this folder.
            if argument.isEmpty && !optionsOfTexts.contains(before) {
                return "argument \(place) is empty, after '\(shown(before))'; is a variable of the shell not set?"
            }
            if argument.hasPrefix("--"), argument.hasSuffix("="), !optionsOfTexts.contains(String(argument.dropLast()))
            {
                return "'\(shown(argument))' is empty; is a variable of the shell not set?"
            }
        }
        return nil
    }

    /// `--lr -1` as `--lr=-1`: the parser takes what begins with a dash for an option, and there is none that is a number.
    static func joiningNegativeNumbers(_ arguments: some Sequence<String>) -> [String] {
        var result: [String] = []
        for argument in arguments {
            if argument.hasPrefix("-"), Double(argument) != nil, let last = result.last, last.hasPrefix("--"),
                last.count > 2, !last.hasPrefix("---"), !last.contains("=")
            {
                result[result.count - 1] = last + "=" + argument
            } else {
                result.append(argument)
            }
        }
        return result
    }
}
