import Foundation
import Gimbal
import GimbalTestSupport
import GimbalTrain
import Testing

/// Files of every kind that people have, decoded and brought to a size as Pillow and torchvision do it.
@Suite("Pictures as Pillow and torchvision read them")
struct PictureParityTests {
    private static let names: [String] = {
        let names = (try? Fixture("pictures").names) ?? []
        return names.filter { $0.hasSuffix(".file") }.map { String($0.dropLast(5)) }.sorted()
    }()

    @Test("Every kind of file, in every fit, grey and in colours", arguments: names)
    func agrees(name: String) throws {
        let fixture = try Fixture("pictures")
        try withTemporaryFolder { folder in
            let path = folder + "/picture"
            try Data(try fixture.values("\(name).file").map { UInt8($0) }).write(to: URL(filePath: path))
            for fit in PictureFit.allCases {
                for channels in [1, 3] {
                    let record = PictureRecord(size: PictureSize(height: 12, width: 10), channels: channels, fit: fit)
                    let pixels = try record.pixels(ofFile: path).map(Int.init)
                    let expected = try fixture.values("\(name).\(fit.rawValue).\(channels)").map { Int($0) }
                    let worst = zip(pixels, expected).map { abs($0 - $1) }.max() ?? .max
                    #expect(
                        pixels.count == expected.count && worst <= Self.tolerance(name, channels),
                        "\(fit) \(channels): \(worst)")
                }
            }
        }
    }

    /// PNG files and JPEG files in their own colours come to the same bits.
    private static func tolerance(_ name: String, _ channels: Int) -> Int {
        switch name {
        // Alpha in one rounding, where Pillow takes two; inks in whole numbers, where it has a table.
        case "alpha_png": 1
        case "ink_jpeg": 3
        // The grey of a JPEG file is what it holds; Pillow makes colours of it first, which are cut off at 0 and 255.
        case _ where channels == 1 && name.hasSuffix("_jpeg") && name != "grey_jpeg": 6
        // Pillow 13 takes rows before columns where a picture becomes wider and lower; what is rounded between differs.
        case "tall_png": 1
        default: 0
        }
    }
}
