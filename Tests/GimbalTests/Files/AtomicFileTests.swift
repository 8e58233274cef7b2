import Foundation
import Gimbal
import GimbalTestSupport
import Testing

@Suite("Atomic files")
struct AtomicFileTests {
    private struct Interruption: Error {}

    private func text(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

    @Test("A file is written, and written again")
    func replaces() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/a.txt"
            try AtomicFile.write("first", to: path)
            #expect(try text(path) == "first")
            try AtomicFile.write("second, longer", to: path)
            #expect(try text(path) == "second, longer")
            #expect(try names(in: folder) == ["a.txt"])
        }
    }

    @Test("Small and large pieces arrive in order")
    func pieces() throws {
        try withTemporaryFolder { folder in
            let large = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            try AtomicFile.write(to: folder + "/b") { writer in
                try writer.write([1, 2, 3] as [UInt8])
                try writer.write(large)
                try writer.write("é")
                try writer.write([] as [UInt8])
                #expect(writer.byteCount == 300_005)
            }
            let expected: [UInt8] = [1, 2, 3] + large + Array("é".utf8)
            #expect(try Data(contentsOf: URL(filePath: folder + "/b")) == Data(expected))
        }
    }

    @Test("A writer that fails midway leaves the old file and nothing else")
    func failingWriter() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/a"
            try AtomicFile.write("old", to: path)
            #expect(throws: Interruption.self) {
                try AtomicFile.write(to: path) {
                    try $0.write([UInt8](repeating: 0, count: 200_000))
                    throw Interruption()
                }
            }
            #expect(try text(path) == "old")
            #expect(try names(in: folder) == ["a"])
        }
    }

    @Test("What is being written is not taken for what a killed process has left")
    func partialsInUse() throws {
        try withTemporaryFolder { folder in
            func clear() { AtomicFile.removePartials(in: folder) { _ in true } }
            try AtomicFile.write(to: folder + "/a") { writer in
                try writer.write("half")
                clear()
                try writer.write(" and whole")
                #expect(try names(in: folder).count == 1)
            }
            try AtomicFile.writeFolder(at: folder + "/b") { partial in
                clear()
                try AtomicFile.write("inside", to: partial + "/c")
            }
            #expect(try text(folder + "/a") == "half and whole")
            #expect(try text(folder + "/b/c") == "inside")
            // Of nobody's any more.
            try Data("left".utf8).write(to: URL(filePath: folder + "/a.partial-3w5e11264sgsf"))
            clear()
            #expect(try names(in: folder).sorted() == ["a", "b"])
        }
    }

    @Test("A file is on the disk before it takes its place, and its new place after that")
    func fileIsSynchronized() throws {
        try withTemporaryFolder { folder in
            let folder = URL(filePath: folder).resolvingSymlinksInPath().path
            try AtomicFile.write([UInt8](repeating: 1, count: 300_000), to: folder + "/a")
            let entries = Synchronized.entries(in: folder)
            try #require(entries.count == 2, "\(entries)")
            #expect(entries[0].path.hasPrefix("/a.partial-") && entries[0].size == 300_000)
            #expect(entries[1].path == "")
        }
    }

    @Test("All that a folder holds is on the disk before it takes its place, and its new place after that")
    func folderIsSynchronized() throws {
        try withTemporaryFolder { folder in
            let folder = URL(filePath: folder).resolvingSymlinksInPath().path
            try AtomicFile.writeFolder(at: folder + "/a") {
                try Data("1234".utf8).write(to: URL(filePath: $0 + "/b"))
                try FileManager.default.createDirectory(atPath: $0 + "/c", withIntermediateDirectories: false)
                try Data("12".utf8).write(to: URL(filePath: $0 + "/c/d"))
            }
            var entries = Synchronized.entries(in: folder)
            #expect(entries.popLast()?.path == "")
            let inside = try entries.map { entry in
                let match = try #require(try #/\/a\.partial-\w+/#.prefixMatch(in: entry.path), "\(entry.path)")
                return "\(entry.path[match.range.upperBound...]) \(entry.size)"
            }
            #expect(Set(inside) == [" 0", "/b 4", "/c 0", "/c/d 2"])
        }
    }

    @Test("A full disk leaves the old file and nothing else", arguments: [5, 500_000])
    func fullDisk(size: Int) throws {
        try withTemporaryFolder { folder in
            let path = folder + "/a"
            try AtomicFile.write("old", to: path)
            FileWriter.$simulatedCapacity.withValue(size - 1) {
                #expect(
                    throws: GimbalError.fileSystem(operation: "write", path: path, reason: "No space left on device")
                ) { try AtomicFile.write([UInt8](repeating: 1, count: size), to: path) }
            }
            #expect(try text(path) == "old")
            #expect(try names(in: folder) == ["a"])
        }
    }

    @Test("The system's own report of a full disk is passed on")
    func deviceFull() {
        let reason = "No space left on device"
        #expect(throws: GimbalError.fileSystem(operation: "write", path: "/dev/full", reason: reason)) {
            try AtomicFile.write("x", to: "/dev/full")
        }
    }

    @Test("A device is written to, not replaced")
    func device() throws {
        try AtomicFile.write("x", to: "/dev/null")
        #expect(
            try FileManager.default.attributesOfItem(atPath: "/dev/null")[.type] as? FileAttributeType
                == .typeCharacterSpecial)
    }

    @Test("A missing folder and a folder in the file's place are errors that name the path")
    func unwritable() throws {
        try withTemporaryFolder { folder in
            let missing = folder + "/no/a"
            #expect(
                throws: GimbalError.fileSystem(operation: "create", path: missing, reason: "No such file or directory")
            ) { try AtomicFile.write("x", to: missing) }
            #expect(throws: GimbalError.fileSystem(operation: "write", path: folder, reason: "Is a directory")) {
                try AtomicFile.write("x", to: folder)
            }
        }
    }

    @Test("A symbolic link stays a link, and permissions stay as they were")
    func linksAndPermissions() throws {
        try withTemporaryFolder { folder in
            let files = FileManager.default
            try AtomicFile.write("old", to: folder + "/real")
            try files.setAttributes([.posixPermissions: 0o640], ofItemAtPath: folder + "/real")
            try files.createSymbolicLink(atPath: folder + "/link", withDestinationPath: "real")
            try AtomicFile.write("new", to: folder + "/link")
            #expect(try files.destinationOfSymbolicLink(atPath: folder + "/link") == "real")
            // What a link leads to need not be there.
            try files.createDirectory(atPath: folder + "/inner", withIntermediateDirectories: false)
            try files.createSymbolicLink(atPath: folder + "/first", withDestinationPath: "inner/second")
            try files.createSymbolicLink(atPath: folder + "/inner/second", withDestinationPath: "new")
            try AtomicFile.write(to: folder + "/first") { try $0.write([7] as [UInt8]) }
            #expect(try files.destinationOfSymbolicLink(atPath: folder + "/first") == "inner/second")
            #expect(files.contents(atPath: folder + "/inner/new") == Data([7]))
            try files.createSymbolicLink(atPath: folder + "/nowhere", withDestinationPath: "none/new")
            #expect(throws: GimbalError.self) { try AtomicFile.write(to: folder + "/nowhere") { try $0.write([7]) } }
            try files.createSymbolicLink(atPath: folder + "/slash", withDestinationPath: "inner/")
            try AtomicFile.writeFolder(at: folder + "/slash") { try AtomicFile.write("1", to: $0 + "/a") }
            #expect(try files.destinationOfSymbolicLink(atPath: folder + "/slash") == "inner/")
            #expect(try files.contentsOfDirectory(atPath: folder + "/inner") == ["a"])
            #expect(try text(folder + "/real") == "new")
            #expect(try files.attributesOfItem(atPath: folder + "/real")[.posixPermissions] as? Int == 0o640)
        }
    }

    @Test("A folder is written, and exchanged for a new one")
    func folders() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/checkpoint"
            try AtomicFile.writeFolder(at: path) {
                try AtomicFile.write("1", to: $0 + "/a")
                try FileManager.default.createDirectory(atPath: $0 + "/sub", withIntermediateDirectories: false)
                try AtomicFile.write("2", to: $0 + "/sub/b")
            }
            #expect(try text(path + "/sub/b") == "2")
            try AtomicFile.writeFolder(at: path + "/") { try AtomicFile.write("3", to: $0 + "/c") }
            #expect(try names(in: path) == ["c"])
            #expect(try names(in: folder) == ["checkpoint"])
        }
    }

    @Test("A folder whose writing fails leaves the old folder and nothing else")
    func failingFolder() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/checkpoint"
            try AtomicFile.writeFolder(at: path) { try AtomicFile.write("1", to: $0 + "/a") }
            #expect(
                throws: GimbalError.fileSystem(operation: "write", path: path + "/b", reason: "No space left on device")
            ) {
                try AtomicFile.writeFolder(at: path) { new in
                    try AtomicFile.write("2", to: new + "/a")
                    try FileWriter.$simulatedCapacity.withValue(0) { try AtomicFile.write("2", to: new + "/b") }
                }
            }
            #expect(try text(path + "/a") == "1")
            #expect(try names(in: folder) == ["checkpoint"])
        }
    }

    @Test("A name may be as long as the file system allows", arguments: ["n", "é", "語"])
    func longNames(letter: String) throws {
        try withTemporaryFolder { folder in
            for count in 200...255 {
                var name = String(repeating: letter, count: count / letter.utf8.count)
                name += String(repeating: "x", count: count - name.utf8.count)
                try AtomicFile.write("new", to: "\(folder)/\(name)")
                #expect(try text("\(folder)/\(name)") == "new")
            }
            #expect(throws: GimbalError.self) {
                try AtomicFile.write("new", to: "\(folder)/\(String(repeating: "n", count: 256))")
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder).count == 56)
        }
    }

    @Test("A folder does not replace a file")
    func folderOverFile() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/a"
            try AtomicFile.write("1", to: path)
            #expect(throws: GimbalError.fileSystem(operation: "replace", path: path, reason: "Not a directory")) {
                try AtomicFile.writeFolder(at: path) { _ in }
            }
            #expect(try names(in: folder) == ["a"])
        }
    }
}
