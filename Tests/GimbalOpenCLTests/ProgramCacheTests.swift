import Foundation
import GimbalBackend
import GimbalOpenCL
import Testing

@Suite(.needsOpenCL) struct ProgramCache {
    @Test func aSecondStartCompilesNothing() throws {
        try withTemporaryFolder { folder in
            let first = try OpenCLBackend(id: firstDevice, cachePath: folder)
            #expect(try doubled(on: first) == [2, 4, 6])
            #expect(first.programsCompiled == 1)

            let second = try OpenCLBackend(id: firstDevice, cachePath: folder, forbidsCompilation: true)
            #expect(try doubled(on: second) == [2, 4, 6])
            #expect(second.programsCompiled == 0)
        }
    }

    @Test func forbiddenCompilationIsAnErrorThatNamesTheFolder() throws {
        try withTemporaryFolder { folder in
            let backend = try OpenCLBackend(id: firstDevice, cachePath: folder, forbidsCompilation: true)
            let error = #expect(throws: GimbalError.self) { try doubled(on: backend) }
            guard case .kernelBuildFailed("elementwise", _, _, let log) = error else {
                Issue.record("expected kernelBuildFailed, not \(String(describing: error))")
                return
            }
            #expect(log.contains(folder))
        }
    }

    /// A crash, a full disk or another program may leave anything in the folder.
    @Test(arguments: ["truncated", "empty", "changed", "lengthened", "foreign"])
    func aDamagedEntryIsBuiltAnew(damage: String) throws {
        try withTemporaryFolder { folder in
            _ = try doubled(on: try OpenCLBackend(id: firstDevice, cachePath: folder))
            let names = try FileManager.default.contentsOfDirectory(atPath: folder)
            #expect(names.count == 1)
            for name in names {
                let path = "\(folder)/\(name)"
                var data = try #require(FileManager.default.contents(atPath: path))
                switch damage {
                case "truncated": data = data.prefix(data.count / 2)
                case "empty": data = Data()
                case "changed": data[data.count - 100] ^= 1
                case "lengthened": data.append(0)
                default: data = Data("something else".utf8)
                }
                try data.write(to: URL(fileURLWithPath: path))
            }

            let second = try OpenCLBackend(id: firstDevice, cachePath: folder)
            #expect(try doubled(on: second) == [2, 4, 6])
            #expect(second.programsCompiled == 1)
            let third = try OpenCLBackend(id: firstDevice, cachePath: folder)
            #expect(try doubled(on: third) == [2, 4, 6])
            #expect(third.programsCompiled == 0)
        }
    }

    /// What another user could have written is never run.
    @Test(arguments: ["writable by all", "a link", "of another user"])
    func whatOthersCanWriteIsBuiltAnew(entry: String) throws {
        try withTemporaryFolder { parent in
            let folder = "\(parent)/cache"
            _ = try doubled(on: try OpenCLBackend(id: firstDevice, cachePath: folder))
            func mode(_ path: String) throws -> Int {
                try #require(FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
            }
            let file = "\(folder)/\(try #require(FileManager.default.contentsOfDirectory(atPath: folder).first))"
            #expect(try mode(folder) == 0o700 && mode(file) == 0o600)
            switch entry {
            case "writable by all": #expect(chmod(file, 0o666) == 0)
            case "a link":
                try FileManager.default.moveItem(atPath: file, toPath: "\(parent)/elsewhere")
                try FileManager.default.createSymbolicLink(atPath: file, withDestinationPath: "\(parent)/elsewhere")
            default:
                // Root alone may give files away.
                guard geteuid() == 0 else { return }
                #expect(chown(file, 65_534, 65_534) == 0)
            }
            let messages = Lock<[String]>([])
            try Warnings.received(by: { message in messages.withLock { $0.append(message) } }) {
                let second = try OpenCLBackend(id: firstDevice, cachePath: folder)
                #expect(try doubled(on: second) == [2, 4, 6])
                #expect(second.programsCompiled == 1)
            }
            #expect(
                messages.withLock { $0.first?.contains("other users can write \(file)") ?? false }
                    == (entry != "a link"))
            // In its place stands what this user has built.
            let third = try OpenCLBackend(id: firstDevice, cachePath: folder)
            #expect(try doubled(on: third) == [2, 4, 6])
            #expect(third.programsCompiled == 0)
        }
    }

    @Test func aFolderThatCannotBeMadeIsDoneWithout() throws {
        try withTemporaryFolder { folder in
            let file = "\(folder)/file"
            try Data().write(to: URL(fileURLWithPath: file))
            let messages = Lock<[String]>([])
            try Warnings.received(by: { message in messages.withLock { $0.append(message) } }) {
                for _ in 0..<2 {
                    let backend = try OpenCLBackend(id: firstDevice, cachePath: "\(file)/cache")
                    #expect(try doubled(on: backend) == [2, 4, 6])
                }
            }
            // Said once.
            let said = messages.withLock { $0 }
            #expect(said.count == 1)
            #expect(said.first?.contains("\(file)/cache (Not a directory)") == true, "\(said)")
            #expect(said.first?.contains("GIMBAL_CACHE_DIR") == true)
        }
    }

    @Test func aBuildErrorSaysWhichKernelOptionsDeviceAndWhy() throws {
        try withTemporaryFolder { folder in
            let backend = try OpenCLBackend(id: firstDevice, cachePath: folder)
            let error = #expect(throws: GimbalError.self) {
                try backend.checkBuild(
                    kernel: "broken", source: "__kernel void broken(void) { undeclared_name(); }", options: "-DWIDTH=4")
            }
            guard case .kernelBuildFailed(let kernel, let options, let device, let log) = error else {
                Issue.record("expected kernelBuildFailed, not \(String(describing: error))")
                return
            }
            #expect(kernel == "broken")
            #expect(options == "-DWIDTH=4")
            #expect(device == backend.device.name)
            #expect(log.contains("undeclared_name"))
        }
    }

    @Test func aProgramWithoutTheKernelIsABuildError() throws {
        try withTemporaryFolder { folder in
            let backend = try OpenCLBackend(id: firstDevice, cachePath: folder)
            let error = #expect(throws: GimbalError.self) {
                try backend.checkBuild(kernel: "absent", source: "__kernel void present(void) {}", options: "")
            }
            guard case .kernelBuildFailed("absent", _, _, _) = error else {
                Issue.record("expected kernelBuildFailed, not \(String(describing: error))")
                return
            }
        }
    }
}
