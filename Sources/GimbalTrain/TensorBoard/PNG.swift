import CZlib
import Gimbal

/// Pictures as PNG files (ISO/IEC 15948), of eight bits a channel.
package enum PNG {
    /// A picture of 1 (grey), 3 (RGB) or 4 (RGBA) channels whose pixels lie row by row, the channels of each side by side.
    package static func encoded(_ pixels: [UInt8], width: Int, height: Int, channels: Int) throws -> [UInt8] {
        let colorType: UInt8 = channels == 1 ? 0 : channels == 3 ? 2 : 6
        // Each row begins with how it is filtered: not at all.
        var rows: [UInt8] = []
        let rowSize = width * channels
        for row in 0..<height { rows += [0] + pixels[row * rowSize..<(row + 1) * rowSize] }
        var size = compressBound(uLong(rows.count))
        var packed = [UInt8](repeating: 0, count: Int(size))
        guard compress2(&packed, &size, rows, uLong(rows.count), Z_DEFAULT_COMPRESSION) == Z_OK else {
            throw GimbalError.outOfMemory(device: "cpu", requestedBytes: rows.count, usedBytes: 0)
        }
        let sizes = bytes(UInt32(width)) + bytes(UInt32(height))
        let header: [UInt8] = sizes + [8, colorType, 0, 0, 0]
        let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
        return signature + chunk("IHDR", header) + chunk("IDAT", Array(packed[..<Int(size)])) + chunk("IEND", [])
    }

    private static func chunk(_ name: String, _ data: [UInt8]) -> [UInt8] {
        let body = Array(name.utf8) + data
        return bytes(UInt32(data.count)) + body + bytes(CRC32(of: body).value)
    }

    private static func bytes(_ number: UInt32) -> [UInt8] { withUnsafeBytes(of: number.bigEndian) { Array($0) } }
}
