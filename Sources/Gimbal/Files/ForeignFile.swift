/// What is mostly met in place of a weight file: files of other programs, which their first bytes tell.
package enum ForeignFile {
    /// What a file is in truth, and what to do; `nil` where its first bytes tell nothing.
    /// - Parameters:
    ///   - file: whose first bytes are looked at.
    ///   - expected: what it was taken for, such as `safetensors`.
    package static func reason(_ file: FileReader, notA expected: String) throws -> String? {
        let bytes = try file.start(starts.map(\.bytes.count).max()!)
        guard let kind = starts.first(where: { bytes.starts(with: $0.bytes) }) else { return nil }
        return "\(kind.name) and not \(expected)\(kind.cure)"
    }

    private static let page = "; look at its address, and download the file itself"
    private static let starts: [(bytes: [UInt8], name: String, cure: String)] =
        [
            (
                [0x50, 0x4B, 3, 4], "a zip archive",
                ", as files of torch.save (.pt, .pth) and of NumPy (.npz) are; WeightFile reads all three"
            ),
            (
                [0x93] + Array("NUMPY".utf8), "an array of NumPy (.npy)",
                ", which NumPyArray reads and `numpy.savez` puts under a name"
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
            ([0x80, $0], "a pickle", ", as Python writes; of those, WeightFile reads what torch.save wrote")
        }
}
