import Gimbal
import Glibc

/// An array of bytes in the IDX format, which MNIST and its kin come in.
///
/// Two bytes of 0, the element type (8: unsigned byte), the number of axes, each size as a big-endian 32-bit number,
/// then the elements. Files may be compressed with gzip.
struct IDX {
    let sizes: [Int]
    let bytes: [UInt8]

    /// - Parameter rank: the number of axes the file must have.
    /// - Throws: `GimbalError.invalidFile` naming what is wrong, `GimbalError.fileSystem`.
    init(path: String, rank: Int) throws {
        func invalid(_ reason: String) -> GimbalError { .invalidFile(path: path, reason: reason) }
        let stream = try ByteStream(path: path)

        let magic = try stream.read(count: 4)
        guard magic.count == 4, magic[0] == 0, magic[1] == 0, magic[3] > 0 else { throw invalid("not an IDX file") }
        guard magic[2] == 8 else {
            let type = String(magic[2], radix: 16)
            throw invalid("not an IDX file of unsigned bytes: its element type is 0x\(type), not 0x8")
        }
        guard magic[3] == rank else { throw invalid("an IDX file of \(magic[3]) axes, where \(rank) are expected") }
        let header = try stream.read(count: 4 * rank)
        guard header.count == 4 * rank else { throw invalid("truncated: it ends in the header") }
        sizes = (0..<rank).map { axis in header[4 * axis..<4 * axis + 4].reduce(0) { $0 << 8 | Int($1) } }

        var count = 1
        for size in sizes {
            let (product, overflows) = count.multipliedReportingOverflow(by: size)
            if overflows { throw invalid("its header claims an absurd size, \(Shape(sizes))") }
            count = product
        }
        if let limit = try stream.sizeLimit(), count > limit {
            throw invalid(
                "truncated, or its header is damaged: it claims \(Shape(sizes)), \(count) bytes, "
                    + "which a file of this size cannot hold")
        }
        bytes = try stream.read(count: count)
        guard bytes.count == count else {
            throw invalid("truncated: its header claims \(count) bytes of data, it holds \(bytes.count)")
        }
        guard try stream.read(count: 1).isEmpty else {
            throw invalid("longer than the \(count) bytes of data that its header claims")
        }
    }
}

extension Dataset {
    /// Images and their classes from two IDX files, plain or gzip. Pixels 0…255 stand for 0…1.
    /// - Parameters:
    ///   - images: path of a file of [count, height, width]. Inputs have the shape [1, height, width].
    ///   - labels: path of a file of [count].
    ///   - name: what messages and reports call the data.
    ///   - classNames: what the classes 0, 1, … are called. A label beyond them is an error.
    /// - Throws: `GimbalError.invalidFile` naming the file and what is wrong with it, `GimbalError.fileSystem`.
    public static func idx(images: String, labels: String, name: String, classNames: [String]) throws -> Dataset {
        let pixels = try IDX(path: images, rank: 3)
        let classes = try IDX(path: labels, rank: 1)
        guard pixels.sizes[1] > 0, pixels.sizes[2] > 0 else {
            throw GimbalError.invalidFile(
                path: images, reason: "images of \(pixels.sizes[1]) × \(pixels.sizes[2]) pixels")
        }
        guard pixels.sizes[0] == classes.sizes[0] else {
            throw GimbalError.invalidFile(
                path: labels, reason: "\(classes.sizes[0]) labels for the \(pixels.sizes[0]) images of \(images)")
        }
        if let place = classes.bytes.firstIndex(where: { $0 >= classNames.count }) {
            throw GimbalError.invalidFile(
                path: labels,
                reason: "label \(classes.bytes[place]) of image \(place), where there are \(classNames.count) classes")
        }
        return Dataset(
            name: name, inputShape: [1, pixels.sizes[1], pixels.sizes[2]], inputs: .bytes(pixels.bytes, divisor: 255),
            targets: .classes(classes.bytes.map(Int32.init), names: classNames))
    }

    /// MNIST (LeCun, Cortes and Burges 1998): 60,000 and 10,000 images of handwritten digits, [1, 28, 28].
    /// - Parameter folder: holds `train-images-idx3-ubyte` and its three companions, also with a dot (`images.idx3`) or
    ///   compressed (`.gz`).
    /// - Throws: `GimbalError.fileSystem` where one of them is missing; as `idx(images:labels:name:classNames:)`.
    public static func mnist(folder: String) throws -> (train: Dataset, test: Dataset) {
        try mnistLike(folder, name: "MNIST", classNames: (0...9).map(String.init))
    }

    /// Fashion-MNIST (Xiao, Rasul and Vollgraf 2017), in the files and shapes of MNIST.
    /// - Throws: as `mnist(folder:)`.
    public static func fashionMNIST(folder: String) throws -> (train: Dataset, test: Dataset) {
        try mnistLike(
            folder, name: "Fashion-MNIST",
            classNames: [
                "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
                "Ankle boot",
            ])
    }

    private static func mnistLike(
        _ folder: String, name: String, classNames: [String]
    ) throws -> (train: Dataset, test: Dataset) {
        // All four are looked for before the first is read: a missing one is not found out late.
        let files = try ["train-images", "train-labels", "t10k-images", "t10k-labels"].map {
            try find($0, rank: $0.hasSuffix("images") ? 3 : 1, in: folder)
        }
        return (
            try idx(images: files[0], labels: files[1], name: name, classNames: classNames),
            try idx(images: files[2], labels: files[3], name: name, classNames: classNames)
        )
    }

    private static func find(_ name: String, rank: Int, in folder: String) throws -> String {
        let stems = ["\(name)-idx\(rank)-ubyte", "\(name).idx\(rank)-ubyte"]
        let candidates = stems + stems.map { $0 + ".gz" }
        guard let found = candidates.first(where: { access("\(folder)/\($0)", F_OK) == 0 }) else {
            let reason =
                access(folder, F_OK) == 0
                ? "none of these is there: \(candidates.joined(separator: ", "))" : "there is no such folder"
            throw GimbalError.fileSystem(operation: "find \(name) in", path: folder, reason: reason)
        }
        return "\(folder)/\(found)"
    }
}
