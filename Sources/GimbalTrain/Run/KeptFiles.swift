import Foundation
import Gimbal

extension RunFolder {
    /// The run, checkpoint or search whose own file the one at `path` is, or would be, by its folder and in words; nil for a
    /// file of other origin, wherever it lies, and for a run's page, which can be made anew. Links are followed.
    /// - Throws: `GimbalError.fileSystem` where that cannot be seen.
    package static func keeper(ofFileAt path: String) throws -> (folder: String, what: String)? {
        guard let place = realPlace(of: path) else { return nil }
        let (folder, name) = (place.deletingLastPathComponent(), place.lastPathComponent)
        if try isFolderOfRun(folder.path), name == "report.html" { return nil }
        if try isFolderOfRun(folder.path), files.contains(name) || name == RunLock.name || EventWriter.isOwn(name) {
            return (folder.path, "a run")
        }
        if try SearchFolder.isSearch(at: folder.path), SearchFolder.files.contains(name) {
            return (folder.path, "a search")
        }
        if name == CrossValidation.fileName, try !CrossValidation.runs(in: folder.path).isEmpty {
            return (folder.path, "a cross-validation")
        }
        var inner = folder
        while inner.path != "/" {
            let outer = inner.deletingLastPathComponent()
            if inner.lastPathComponent == "checkpoints", try isFolderOfRun(outer.path) { return (outer.path, "a run") }
            inner = outer
        }
        // One that was taken out of its run.
        let isFile = try isThere(place.path)
        let isOfCheckpoint = try Checkpoint.exists(at: folder.path) && ModelWeights.file(in: folder.path) != nil
        return isFile && isOfCheckpoint ? (folder.path, "a checkpoint") : nil
    }

    private static func isFolderOfRun(_ path: String) throws -> Bool {
        try isRun(at: path) || RunRecord.exists(in: path)
    }

    /// Where a file is, or would be made; nil where its folder is not there.
    private static func realPlace(of path: String) -> URL? {
        if let real = realpath(path, nil) {
            defer { free(real) }
            return URL(fileURLWithPath: String(cString: real))
        }
        let place = URL(fileURLWithPath: path)
        guard let folder = realpath(place.deletingLastPathComponent().path, nil) else { return nil }
        defer { free(folder) }
        return URL(fileURLWithPath: String(cString: folder)).appending(path: place.lastPathComponent)
    }
}
