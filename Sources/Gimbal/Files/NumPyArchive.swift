import GimbalBackend

/// Named arrays in NumPy's `.npz` format: a ZIP archive of `.npy` files.
///
/// Opening reads the archive's directory and each array's header; an array is read when it is asked for. One whose
/// elements Gimbal does not read (texts, objects, records, complex numbers) is no hindrance to the others.
///
/// ```swift
/// let archive = try NumPyArchive(path: "weights.npz")
/// try model.load(from: archive, mapping: ["encoder.*": "*"])
/// ```
public final class NumPyArchive: Sendable {
    /// One array of an archive.
    public struct Entry: Sendable, Equatable {
        /// The array's name in the archive, without `.npy`.
        public let name: String
        /// The type of its elements.
        public let type: SafeTensors.ElementType
        /// Its shape; [] for a single number.
        public let shape: Shape
    }

    /// The path that the archive was opened at.
    public let path: String
    /// All arrays in the order of the archive's directory; members that are no `.npy`, and `packedArrays`, are passed
    /// over.
    public let entries: [Entry]

    /// The arrays that are passed over because of how they are packed, each with the reason.
    public let packedArrays: [(name: String, reason: String)]

    private let archive: ZipArchive
    private let members: [ExactText: ZipArchive.Member]

    /// - Throws: `GimbalError.fileSystem` where the file cannot be read, `GimbalError.invalidFile` where it is no
    ///   archive of arrays that Gimbal reads.
    public convenience init(path: String) throws { try self.init(path: path, archive: ZipArchive(path: path)) }

    init(path: String, archive: ZipArchive) throws {
        self.path = path
        self.archive = archive
        var entries: [Entry] = []
        var packed: [(name: String, reason: String)] = []
        var members: [ExactText: ZipArchive.Member] = [:]
        for member in archive.members where member.name.hasSuffix(".npy") {
            let name = String(member.name.dropLast(4))
            if let obstacle = member.obstacle {
                packed.append((name, obstacle))
                members[ExactText(name)] = member
                continue
            }
            let start = try archive.read(member, limit: NumPyHeader.lengthLimit)
            let header = try NumPyHeader(start[...], path: "\(path), '\(name)'")
            guard members.updateValue(member, forKey: ExactText(name)) == nil else {
                throw GimbalError.invalidFile(path: path, reason: "two arrays are called '\(name)'")
            }
            entries.append(Entry(name: name, type: header.type, shape: header.shape))
        }
        guard !members.isEmpty || archive.members.isEmpty else {
            throw GimbalError.invalidFile(
                path: path,
                reason: "no arrays of NumPy (.npy) are in it, but \(archive.members.prefix(3).map(\.name)); "
                    + "gimbal convert makes one of what torch.save writes")
        }
        self.entries = entries
        packedArrays = packed
        self.members = members
    }

    /// Reads an array.
    /// - Throws: `GimbalError.invalidFile` where there is none of this name, it is damaged or its elements are of a type
    ///   that is not read, `GimbalError.fileSystem`.
    public func array(_ name: String) throws -> NumPyArray {
        guard let member = members[ExactText(name)] else {
            throw GimbalError.invalidFile(path: path, reason: "it has no array '\(name)'")
        }
        let place = "\(path), '\(name)'"
        // An archive may unpack to a thousand times its size.
        try NumPyHeader(try archive.read(member, limit: NumPyHeader.lengthLimit)[...], path: place)
            .requireElements(fileSize: member.byteCount, path: place)
        return try NumPyArray(contents: try archive.read(member), path: place)
    }

    /// Writes arrays as `numpy.savez` does, or `savez_compressed`; wholly or not at all.
    /// - Parameters:
    ///   - arrays: with distinct names.
    ///   - compresses: whether they are deflated.
    ///   - path: of the archive to write or replace.
    /// - Throws: `GimbalError.fileSystem`; an older file is then untouched.
    public static func write(
        _ arrays: [(name: String, array: NumPyArray)], compresses: Bool = false, to path: String
    ) throws {
        try write(arrays.map { entry in (entry.name, { entry.array }) }, compresses: compresses, to: path)
    }

    /// The same of arrays that are each made when its turn comes.
    static func write(
        _ arrays: [(name: String, make: () throws -> NumPyArray)], compresses: Bool = false, to path: String
    ) throws {
        require(
            Set(arrays.map { ExactText($0.name) }).count == arrays.count, "NumPyArchive",
            "two arrays of one name among \(arrays.map(\.name).joined(separator: ", "))")
        try AtomicFile.write(to: path) { file in
            var archive = ZipWriter(file)
            for (name, make) in arrays { try archive.add(name + ".npy", make().contents(), deflates: compresses) }
            try archive.finish()
        }
    }
}
