import Foundation
import GimbalTestSupport
import GimbalTrain
import Testing

/// Scripts/check-package builds what the command writes.
@Suite("gimbal new")
struct NewTests {
    private func text(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

    @Test("Writes a package that asks for this version, or for a checkout")
    func writes() throws {
        try withTemporaryFolder { folder in
            try Gimbal.run("new", folder + "/my-net").succeeded()
            #expect(
                tree(folder + "/my-net") == [
                    ".gitignore", "Package.swift", "Sources", "Sources/my-net", "Sources/my-net/Program.swift",
                ])
            let manifest = try text(folder + "/my-net/Package.swift")
            #expect(manifest.contains("gimbal.git\", from: \"\(gimbalVersion)\")"))
            let readme = try text(packagePath("README.md"))
            let line = try #require(manifest.split(separator: "\n").first { $0.contains(".package(url:") })
            #expect(readme.contains(line.trimmingCharacters(in: .whitespaces)), "README names another place")

            try Gimbal.run("new", folder + "/other", "--path", packagePath("")).succeeded()
            #expect(try text(folder + "/other/Package.swift").contains(".package(name: \"gimbal\", path: \"/"))
            try Gimbal.run("new", folder + "/third", "--url", "https://host/g.git").succeeded()
            #expect(try text(folder + "/third/Package.swift").contains(".package(url: \"https://host/g.git\", from: "))
        }
    }

    @Test("Any folder will do: the program has the nearest name that builds")
    func names() throws {
        try withTemporaryFolder { folder in
            for (path, name) in [
                ("1st", "net-1st"), ("a b/my net", "my-net"), ("gimbal", "my-gimbal"),
                ("GimbalTrain", "my-GimbalTrain"),
                ("é-net", "e-net"), ("swift", "my-swift"),
                ("日本", "net"), ("net.v2", "net-v2"), ("_x/", "x"),
            ] {
                try Gimbal.run("new", "\(folder)/\(path)").succeeded()
                let manifest = try text("\(folder)/\(path)/Package.swift")
                let found = try #require(manifest.split(separator: "\n").first { $0.contains("name: \"") })
                #expect(found.contains("name: \"\(name)\""), "\(path): \(found)")
                let isPlain = found.utf8.allSatisfy { $0 < 0x80 }
                #expect(isPlain, "\(found)")
            }
        }
    }

    @Test("Replaces nothing, and builds with nothing but Gimbal")
    func refuses() throws {
        try withTemporaryFolder { folder in
            try FileManager.default.createDirectory(atPath: folder + "/taken", withIntermediateDirectories: true)
            try Data("mine".utf8).write(to: URL(fileURLWithPath: folder + "/taken/notes.txt"))
            try Gimbal.run("new", folder + "/taken").refused("taken", "the folder is not empty")
            #expect(tree(folder + "/taken") == ["notes.txt"])
            try Gimbal.run("new", folder + "/net", "--path", folder).refused("--path", "holds no checkout of Gimbal")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["taken"])
        }
    }
}
