import ArgumentParser
import Foundation
import GimbalTrain

/// What Tab offers where files, or names from a list, or both can stand.
extension CompletionKind {
    /// The embedded data sets and files.
    static let data = file(or: ["digits", "mnist", "fashion-mnist"])

    /// Some words, and files.
    static func file(or words: [String]) -> CompletionKind {
        .custom { _, _, prefix in words.filter { $0.hasPrefix(prefix) } + paths(prefix) }
    }

    /// The devices of this machine.
    static let devices = CompletionKind.custom { _, _, _ in ["gpu"] + Device.available().devices.map(\.id) }

    /// Names of a list, separated by commas: the last of them is completed.
    static func commaList(_ names: @escaping @Sendable () -> [String]) -> CompletionKind {
        .custom { _, _, prefix in
            let parts = prefix.split(separator: ",", omittingEmptySubsequences: false)
            let before = parts.dropLast().map { $0 + "," }.joined()
            return names().filter { !parts.dropLast().contains(Substring($0)) }.map { before + $0 }
        }
    }

    /// The paths that begin with `prefix`, folders with a slash at the end but in bash, which adds it.
    private static func paths(_ prefix: String) -> [String] {
        let end = prefix.lastIndex(of: "/").map { prefix.index(after: $0) } ?? prefix.startIndex
        let (folder, start) = (String(prefix[..<end]), prefix[end...])
        let place = folder.hasPrefix("~/") ? NSHomeDirectory() + folder.dropFirst() : folder
        let found = (try? FileManager.default.contentsOfDirectory(atPath: place.isEmpty ? "." : place)) ?? []
        return found.filter { $0.hasPrefix(start) && (start.hasPrefix(".") || !$0.hasPrefix(".")) }.sorted().map {
            name in
            let marksFolder = isFolder(place + name) && CompletionShell.requesting != .bash
            return folder + name + (marksFolder ? "/" : "")
        }
    }
}
