import CGimbalPictures
import Gimbal
import GimbalTrain

extension Target {
    static let dataFiles = [
        Target("idx") { input in
            // Labels are of one axis, images of three: the file itself says which it is.
            let path = input.path
            if input.bytes.count > 3, input.bytes[3] == 1 || input.bytes.first == 0x1F {
                _ = try? Dataset.idx(images: images, labels: path, name: "digits", classNames: ["0", "1", "2"])
            }
            _ = try Dataset(idxImages: path)
        },
        Target("table") { input in
            let table = try Table(path: input.path)
            if table.profile.description.isEmpty { fail("a table without a description") }
            let data = try table.data()
            let counts = [data.training.count, data.validation.count, data.test.count]
            guard data.isStreamed || counts.reduce(0, +) == table.profile.rows else {
                fail("\(table.profile.rows) rows became \(counts)")
            }
        },
        Target("series") { input in
            let series = try SeriesProfile(path: input.path, options: TableOptions())
            for note in series.notes { requireLine(note, "a note") }
        },
        Target("picture") { input in
            guard let bytes = input.bytes.baseAddress else { return }
            var reason = [CChar](repeating: 0, count: Int(gimbal_picture_reason_size))
            var head = gimbal_picture_head()
            let hasHead = gimbal_picture_describe(bytes, input.bytes.count, &head, &reason)
            if !hasHead { requireReason(reason) }
            for (channels, fit) in [(3, gimbal_picture_crop), (1, gimbal_picture_pad), (3, gimbal_picture_stretch)] {
                var pixels = [UInt8](repeating: 0, count: channels * 5 * 7)
                if gimbal_picture_load(bytes, input.bytes.count, Int32(channels), 5, 7, fit, &pixels, &reason) {
                    if !hasHead { fail("a picture without a head") }
                } else {
                    requireReason(reason)
                    break
                }
            }
        },
        Target("text") { input in
            let path = input.path
            _ = try? PairFile.read(path)
            _ = try? TextFile.read(path, encoding: "windows-1252")
            let text = try TextFile.read(path, lineEnds: .kept)
            if text.isEmpty { fail("a text of nothing") }
        },
    ]

    /// Two images of 1 × 1.
    private static let images: String = {
        let file: [UInt8] = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 7, 9]
        return file.withUnsafeBytes { Folder.write($0, to: "images") }
    }()

    private static func requireReason(_ reason: [CChar]) {
        guard let end = reason.firstIndex(of: 0), end > 0 else { fail("no reason, or one that does not end") }
    }
}
