import Foundation
import GimbalTestSupport
import GimbalTrain
import Testing

@Suite("Completions")
struct CompletionTests {
    /// What bash offers after `gimbal` and `words`, of which the last is completed, in `folder`.
    private func offered(_ words: String..., in folder: String) throws -> [String] {
        let script = """
            cd "$1" && source <("$2" --generate-completion-script bash) || exit
            shift
            COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
            rule=$(complete -p gimbal); rule=${rule#*-F }
            "${rule%% *}" "$1" "${@: -1}" "${@: -2:1}"
            printf '%s\\n' "${COMPREPLY[@]}"
            """
        let outcome = try ChildProcess("/bin/bash", ["-c", script, "bash", folder, Gimbal.path] + words).outcome()
        return outcome.succeeded().lines.filter { !$0.isEmpty }
    }

    @Test("Data sets by name, and paths, after --data")
    func data() throws {
        try withTemporaryFolder { folder in
            try FileManager.default.createDirectory(atPath: folder + "/data/deep", withIntermediateDirectories: true)
            for name in ["/diamonds.csv", "/other.csv", "/.hidden", "/data/deep/a b.csv"] {
                try Data().write(to: URL(fileURLWithPath: folder + name))
            }
            for command in ["train", "evaluate"] {
                #expect(try offered(command, "--data", "d", in: folder) == ["digits", "data", "diamonds.csv"])
                #expect(try offered(command, "--data", "data/", in: folder) == ["data/deep"])
                #expect(try offered(command, "--data", "data/deep/a", in: folder) == ["data/deep/a b.csv"])
                #expect(
                    try offered(command, "--data", "", in: folder)
                        == ["digits", "mnist", "fashion-mnist", "data", "diamonds.csv", "other.csv"])
            }
            #expect(try offered("train", "--data", folder + "/di", in: "/") == [folder + "/diamonds.csv"])
            for (option, command) in [
                ("--checkpoint", "evaluate"), ("--checkpoint", "export"), ("--run-dir", "train"),
                ("--data-dir", "train"), ("--search-dir", "search"),
            ] {
                #expect(try offered(command, option, "da", in: folder) == ["data"], "\(option)")
            }
            #expect(try offered("evaluate", "--report", "o", in: folder) == ["other.csv"])
            #expect(try offered("report", "da", in: folder) == ["data"])
            #expect(try offered("compare", "data", "da", in: folder) == ["data"])
            #expect(try offered("new", "my-net", "--path", "da", in: folder) == ["data"])
        }
    }

    @Test("Values from a list")
    func values() throws {
        // In a folder where no file begins as a value does.
        try withTemporaryFolder { folder throws in
            #expect(
                try offered("train", "--model", "resnet", in: folder) == [
                    "resnet20", "resnet56", "resnet18", "resnet34", "resnet50",
                ])
            #expect(
                try offered("train", "--data", "digits", "--optimizer", "adam", in: folder) == [
                    "adam", "adamw", "adamax",
                ])
            #expect(try offered("train", "--precision", "b", in: folder) == ["bfloat16"])
            #expect(try offered("search", "--method", "h", in: folder) == ["halving"])
            #expect(try offered("train", "--device", "c", in: folder) == ["cpu"])
            #expect(try offered("bench", "--devices", "c", in: folder) == ["cpu"])
            #expect(try offered("train", "--augment", "crop,f", in: folder) == ["crop,flip"])
            #expect(try offered("train", "--delimiter", "s", in: folder) == ["semicolon", "space"])
            #expect(try offered("train", "--validation", "n", in: folder) == ["none"])
        }
    }

    @Test("Commands and options")
    func names() throws {
        try withTemporaryFolder { folder throws in
            #expect(try offered("ev", in: folder) == ["evaluate"])
            #expect(try offered("train", "--mom", in: folder) == ["--momentum"])
            #expect(try offered("search", "--tri", in: folder) == ["--trials"])
        }
    }

    @Test("The scripts of the other shells are made", arguments: ["zsh", "fish"])
    func otherShells(shell: String) throws {
        let outcome = try Gimbal.run("--generate-completion-script", shell).succeeded()
        #expect(outcome.output.contains("---completion"))
    }
}
