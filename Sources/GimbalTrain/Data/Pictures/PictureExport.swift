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
            let number = String(repeating: "0", count: max(0, 5 - "\(index)".count)) + "\(index)"
            let path = "\(folders[Int(classes[index])])/\(number).png"
            do { try Data(file).write(to: URL(filePath: path)) } catch {
                throw GimbalError.fileSystem(operation: "write", path: path, reason: (error as NSError).reason)
            }
        }
    }
}
