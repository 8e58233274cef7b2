/// What the text of a program, as NVIDIA's compiler makes it of OpenCL C, has to become where its kernels use what the compiler's
/// own target lacks: instructions of `sm_90a`, and more than 48 KB of local memory. Kernels write them as comments; see `wgmma.h`.
package enum PTXEdit {
    private static let mark = "//@@ "
    private static let arrayMark = "//@@array "

    /// The text with its marks made real and its target changed; nil where there are none, or where they are not as they should be.
    package static func edited(_ binary: [UInt8]) -> [UInt8]? {
        guard binary.count < 1 << 24 else { return nil }
        var text = String(decoding: binary.prefix { $0 != 0 }, as: UTF8.self)
        guard text.contains(mark), let start = text.range(of: arrayMark) else { return nil }
        let sizes = text[start.upperBound...].prefix { $0 != "\n" && $0 != "\r" }.split(separator: " ").prefix(2)
        guard sizes.count == 2, sizes.allSatisfy({ $0.allSatisfy(\.isNumber) }) else { return nil }
        let declared = "[\(sizes[0])]", wanted = "[\(sizes[1])]"
        // Any other number of such arrays would leave unclear which is meant.
        guard text.ranges(of: declared).count == 1 else { return nil }
        text.replace(declared, with: wanted)
        text.replace(mark, with: "")
        guard let target = text.range(of: ".target sm_90") else { return nil }
        text.replaceSubrange(target, with: ".target sm_90a")
        return Array(text.utf8)
    }
}
