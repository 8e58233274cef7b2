import Foundation
import Gimbal

extension Dataset {
    /// Writes images as PNG files, `CLASS/00042.png` for image 42 of the data. What lies within 0…1 becomes 0…255; a stroke in
    /// the name of a class becomes a hyphen.
    /// - Parameter folder: where the folders of the classes are to lie.
    /// - Throws: `GimbalError.invalidSetting` for data that is no images of classes, `GimbalError.fileSystem`.
    public func writePictures(to folder: String) throws {
        let sizes = inputShape.rank == 2 ? [1] + inputShape.sizes : inputShape.sizes
        guard case .classes(let classes, let names) = targets, sizes.count == 3, sizes[0] == 1 || sizes[0] == 3 else {
            throw GimbalError.invalidSetting(
                name: "data", reason: "\(name) has inputs of \(inputShape), which are no pictures of classes")
        }
        let folders = names.map { "\(folder)/\($0.replacingOccurrences(of: "/", with: "-"))" }
        for path in folders { try AtomicFile.makeFolder(at: path) }
        let (channels, plane) = (sizes[0], sizes[1] * sizes[2])
        for index in 0..<count {
            let inputs = batch([index]).inputs
            let pixels = (0..<channels * plane).map { place in
                let value = inputs[place % channels * plane + place / channels]
                return UInt8(max(0, min(255, (255 * value).rounded())))
            }
            let file = try PNG.encoded(pixels, width: sizes[2], height: sizes[1], channels: channels)
            let path = "\(folders[Int(classes[index])])/\(Self.pictureName(index))"
            do { try Data(file).write(to: URL(filePath: path)) } catch {
                throw GimbalError.fileSystem(operation: "write", path: path, reason: (error as NSError).reason)
            }
        }
    }

    private static func pictureName(_ index: Int) -> String {
        String(repeating: "0", count: max(0, 5 - "\(index)".count)) + "\(index).png"
    }

    /// What a folder holds that `writePictures(to:)` has not written to its `parts`, as a path in it; nil where that is nothing.
    /// - Parameters:
    ///   - folder: which is there.
    ///   - parts: the folders in it that pictures were written to.
    package static func entryBesidePictures(in folder: String, parts: [String]) -> String? {
        /// Nil for what is no folder, a link to one, and one that cannot be looked into.
        func names(_ place: String) -> [String]? {
            let path = "\(folder)/\(place)"
            var status = stat()
            guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { return nil }
            return try? FileManager.default.contentsOfDirectory(atPath: path)
        }
        for part in names(".") ?? [] {
            guard parts.contains(part), let classes = names(part) else { return part }
            for place in classes.map({ "\(part)/\($0)" }) {
                guard let pictures = names(place) else { return place }
                let other = pictures.first { name in Int(name.dropLast(4)).map { pictureName($0) } != name }
                if let other { return "\(place)/\(other)" }
            }
        }
        return nil
    }
}
