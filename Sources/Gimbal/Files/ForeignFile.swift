/// What is mostly met in place of a weight file: files of other programs, which their first bytes tell.
package enum ForeignFile {
    /// What a file is in truth, and what to do; `nil` where its first bytes tell nothing.
    /// - Parameters:
    ///   - file: whose first bytes are looked at.
    ///   - expected: what it was taken for, such as `safetensors`.
    package static func reason(_ file: FileReader, notA expected: String) throws -> String? {
        let bytes = try file.start(starts.map(\.bytes.count).max()!)
        guard !bytes.isEmpty else { return "it is empty" }
        guard let kind = starts.first(where: { bytes.starts(with: $0.bytes) }) else {
            return isText(try file.start(textLength)) ? "text and not \(expected)" : nil
        }
        return "\(kind.name) and not \(expected)\(kind.cure)"
    }

    /// Bytes that tell whether a file is text.
    private static let textLength = 1024

    private static func isText(_ bytes: [UInt8]) -> Bool {
        bytes.allSatisfy { $0 >= 0x20 && $0 != 0x7F || 0x09...0x0D ~= $0 }
            // The last character may be cut.
            && (0...3).contains { String(validating: bytes.dropLast($0), as: UTF8.self) != nil }
    }

    private static let page = "; look at its address, and download the file itself"
    private static let starts: [(bytes: [UInt8], name: String, cure: String)] =
        [
            (
                [0x50, 0x4B, 3, 4], "a zip archive",
                ", as files of torch.save (.pt, .pth) and of NumPy (.npz) are; gimbal convert makes one of the other"
            ),
            (
                [0x93] + Array("NUMPY".utf8), "an array of NumPy (.npy)",
                ", which `numpy.savez` puts under a name"
            ),
            (
                [0x89] + Array("HDF".utf8), "HDF5",
                ", as what Keras writes (.h5) is; read it by h5py, and save it by safetensors.numpy.save_file"
            ),
            ([0x1F, 0x8B], "gzip", "; unpack it by gunzip"),
            (Array("GGUF".utf8), "GGUF", "; take the model's safetensors, from which such files are made"),
            (Array("<".utf8), "a page of a web site", page),
            (
                Array("version https://git-lfs".utf8), "a pointer of Git LFS",
                "; `git lfs pull` puts the file itself in its place"
            ),
            (
                Array("{".utf8), "JSON",
                ", as the index of a model in several files is, or what a server answers; load the files that it lists"
            ),
        ]
        // A pickle of protocol 2 to 5.
        + (2...5).map {
            ([0x80, $0], "a pickle", ", as Python writes; of those, what torch.save wrote is read")
        }
}
