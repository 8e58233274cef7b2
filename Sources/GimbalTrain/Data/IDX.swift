import Foundation
import Gimbal

/// An array in the IDX format, which MNIST and its kin come in.
///
/// Two bytes of 0, the element type, the number of axes, each size as a big-endian 32-bit number, then the elements, big
/// end first. Files may be compressed with gzip.
struct IDX {
    /// The element types, under the numbers that they have in files.
    enum ElementType: UInt8 {
        case uint8 = 0x08
        case int8 = 0x09
        case int16 = 0x0B
        case int32 = 0x0C
        case float32 = 0x0D
        case float64 = 0x0E

        var byteCount: Int {
            switch self {
            case .uint8, .int8: 1
            case .int16: 2
            case .int32, .float32: 4
            case .float64: 8
            }
        }
    }

    let path: String
    let sizes: [Int]
    let type: ElementType
    let bytes: [UInt8]

    /// - Parameter rank: the number of axes the file must have.
    /// - Throws: `GimbalError.invalidFile` naming what is wrong, `GimbalError.fileSystem`.
    init(path: String, rank: Int) throws {
        func invalid(_ reason: String) -> GimbalError { .invalidFile(path: path, reason: reason) }
        self.path = path
        let stream = try ByteStream(path: path)

        let magic = try stream.read(count: 4)
        guard magic.count == 4, magic[0] == 0, magic[1] == 0, magic[3] > 0 else { throw invalid("not an IDX file") }
        guard let type = ElementType(rawValue: magic[2]) else {
            throw invalid("not an IDX file: its element type is 0x\(String(magic[2], radix: 16)), which is none")
        }
        self.type = type
        guard magic[3] == rank else { throw invalid("an IDX file of \(magic[3]) axes, where \(rank) are expected") }
        let header = try stream.read(count: 4 * rank)
        guard header.count == 4 * rank else { throw invalid("truncated: it ends in the header") }
        sizes = (0..<rank).map { axis in header[4 * axis..<4 * axis + 4].reduce(0) { $0 << 8 | Int($1) } }

        // Also where there are none, a row of them must be thinkable.
        guard Self.product(sizes.dropFirst(), type.byteCount) != nil,
            let count = Self.product(sizes[...], type.byteCount)
        else { throw invalid("its header claims an absurd size, \(Shape(sizes))") }
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

    private static func product(_ sizes: ArraySlice<Int>, _ byteCount: Int) -> Int? {
        sizes.reduce(byteCount) { product, size in
            product.flatMap {
                let (next, overflows) = $0.multipliedReportingOverflow(by: size)
                // Far beyond any machine's memory, and far from where sums of such numbers overflow.
                return overflows || next > 1 << 50 ? nil : next
            }
        }
    }

    /// Whether there is a file of this name that begins as files of this format do. Of a pipe that is not looked at: what
    /// was read would be lost to whoever reads it.
    static func isFile(_ path: String) -> Bool {
        guard !TableSource.isReadOnce(path) else { return false }
        guard let start = try? ByteStream(path: path).read(count: 4), start.count == 4 else { return false }
        return start[0] == 0 && start[1] == 0 && ElementType(rawValue: start[2]) != nil && 1...8 ~= start[3]
    }

    /// The elements as whole numbers.
    /// - Throws: `GimbalError.invalidFile` where they are fractions.
    func integers() throws -> [Int] {
        switch type {
        case .uint8: return bytes.map(Int.init)
        case .int8: return bytes.map { Int(Int8(bitPattern: $0)) }
        case .int16: return elements(UInt16.self).map { Int(Int16(bitPattern: $0)) }
        case .int32: return elements(UInt32.self).map { Int(Int32(bitPattern: $0)) }
        case .float32, .float64:
            throw GimbalError.invalidFile(path: path, reason: "holds fractions, where whole numbers are expected")
        }
    }

    /// The elements of images as inputs: bytes stand for 0…1, other numbers for themselves.
    /// - Throws: `GimbalError.invalidFile` where images have no pixels, or one that is no finite number.
    fileprivate func images() throws -> Dataset.Inputs {
        guard sizes[1] > 0, sizes[2] > 0 else {
            throw GimbalError.invalidFile(path: path, reason: "images of \(sizes[1]) × \(sizes[2]) pixels")
        }
        let inputs = inputs
        if case .floats(let pixels) = inputs, let place = pixels.firstIndex(where: { !$0.isFinite }) {
            throw GimbalError.invalidFile(
                path: path, reason: "a pixel of image \(place / (sizes[1] * sizes[2])) is no finite number")
        }
        return inputs
    }

    private var inputs: Dataset.Inputs {
        switch type {
        case .uint8: .bytes(bytes, divisor: 255)
        case .int8: .floats(bytes.map { Float(Int8(bitPattern: $0)) })
        case .int16: .floats(elements(UInt16.self).map { Float(Int16(bitPattern: $0)) })
        case .int32: .floats(elements(UInt32.self).map { Float(Int32(bitPattern: $0)) })
        case .float32: .floats(elements(UInt32.self).map { Float(bitPattern: $0) })
        case .float64: .floats(elements(UInt64.self).map { Float(Double(bitPattern: $0)) })
        }
    }

    private func elements<Element: FixedWidthInteger>(_: Element.Type) -> [Element] {
        let width = MemoryLayout<Element>.size
        return bytes.withUnsafeBytes { bytes in
            (0..<bytes.count / width).map {
                Element(bigEndian: bytes.loadUnaligned(fromByteOffset: $0 * width, as: Element.self))
            }
        }
    }
}

extension Dataset {
    /// Images and their classes from two IDX files, plain or gzip. Pixels of a byte, 0…255, stand for 0…1; pixels of
    /// other types for themselves.
    /// - Parameters:
    ///   - images: path of a file of [count, height, width]. Inputs have the shape [1, height, width].
    ///   - labels: path of a file of [count], of whole numbers.
    ///   - name: what messages and reports call the data.
    ///   - classNames: what the classes 0, 1, … are called. A label beyond them is an error.
    /// - Throws: `GimbalError.invalidFile` naming the file and what is wrong with it, `GimbalError.fileSystem`.
    public static func idx(images: String, labels: String, name: String, classNames: [String]) throws -> Dataset {
        try Dataset(
            images: IDX(path: images, rank: 3), labels: IDX(path: labels, rank: 1), name: name, classNames: classNames,
            classOfLabel: { classNames.indices.contains($0) ? $0 : nil })
    }

    private init(
        images: IDX, labels: IDX, name: String, classNames: [String], classOfLabel: (Int) -> Int?
    ) throws {
        let inputs = try images.images()
        guard images.sizes[0] == labels.sizes[0] else {
            throw GimbalError.invalidFile(
                path: labels.path,
                reason: "\(labels.sizes[0]) labels for the \(images.sizes[0]) images of \(images.path)")
        }
        let classes = try labels.integers().enumerated().map { place, label in
            guard let found = classOfLabel(label) else {
                throw GimbalError.invalidFile(
                    path: labels.path,
                    reason: "label \(label) of image \(place) is of none of the \(classNames.count) classes: "
                        + listed(classNames))
            }
            return Int32(found)
        }
        self.init(
            name: name, inputShape: [1, images.sizes[1], images.sizes[2]], inputs: inputs,
            targets: .classes(classes, names: classNames))
    }

    /// The images of a folder of IDX files: MNIST, Fashion-MNIST, Kuzushiji-MNIST, EMNIST and others that have two files
    /// to train on and two to test on.
    ///
    /// Files are told by their names: `train-images-idx3-ubyte` and `train-labels-idx1-ubyte`, `t10k-…` or `test-…`; with
    /// a dot in place of the hyphen before `idx`, with anything before `train`, `t10k` or `test` (such as
    /// `emnist-letters-`), compressed (`.gz`) or not, or each in a folder of its own name, as archives unpack.
    /// - Parameters:
    ///   - folder: where the files lie.
    ///   - name: what messages and reports call the data; the folder's name unless given.
    ///   - classNames: what the labels 0, 1, … are called. Unless given, the labels of the training part are the classes,
    ///     in the order of their numbers and called by them.
    /// - Throws: `GimbalError.fileSystem` where a file is missing or there are several of a kind, and
    ///   `GimbalError.invalidFile` naming the file and what is wrong with it.
    public static func idx(
        folder: String, name: String? = nil, classNames: [String]? = nil
    ) throws -> (train: Dataset, test: Dataset) {
        let files = IDXFolder(folder)
        // All four are looked for before the first is read: a missing one is not found out late.
        let (trainFiles, testFiles) = (try files.training(), try files.test())
        let labels = try IDX(path: trainFiles.labels, rank: 1)
        guard labels.sizes[0] > 0 else {
            throw GimbalError.invalidFile(path: trainFiles.labels, reason: "holds no labels to train on")
        }
        let known = try classNames.map { Array($0.indices) } ?? Set(labels.integers()).sorted()
        let names = classNames ?? known.map(String.init)
        let name = name ?? files.name
        let train = try Dataset(trainFiles, labels: labels, name: name, classNames: names, known: known)
        let test = try Dataset(testFiles, name: name, classNames: names, known: known)
        guard train.inputShape == test.inputShape else {
            throw GimbalError.invalidFile(
                path: testFiles.images,
                reason: "images of \(test.inputShape), where those to train on are of \(train.inputShape)")
        }
        return (train, test)
    }

    /// The test part alone of a folder of IDX files, whose training part need not be there.
    /// - Parameter classNames: all classes; where each is a number it is the label, else their order is that of the labels.
    static func idxTest(folder: String, name: String?, classNames: [String]) throws -> Dataset {
        let files = IDXFolder(folder)
        let numbers = classNames.compactMap { Int($0) }
        let known = numbers.count == classNames.count ? numbers : Array(classNames.indices)
        return try Dataset(files.test(), name: name ?? files.name, classNames: classNames, known: known)
    }

    /// Images that no classes are known of, from an IDX file: all are of one class, which has no name.
    /// - Throws: `GimbalError.invalidFile`, `GimbalError.fileSystem`.
    package init(idxImages path: String) throws {
        let images = try IDX(path: path, rank: 3)
        let inputs = try images.images()
        self.init(
            name: path.split(separator: "/").last.map(String.init) ?? path,
            inputShape: [1, images.sizes[1], images.sizes[2]], inputs: inputs,
            targets: .classes([Int32](repeating: 0, count: images.sizes[0]), names: [""]))
    }

    private init(
        _ files: IDXFolder.Part, labels: IDX? = nil, name: String, classNames: [String], known: [Int]
    ) throws {
        let classOfLabel = Dictionary(uniqueKeysWithValues: known.enumerated().map { ($1, $0) })
        try self.init(
            images: IDX(path: files.images, rank: 3), labels: labels ?? IDX(path: files.labels, rank: 1), name: name,
            classNames: classNames, classOfLabel: { classOfLabel[$0] })
    }

    /// MNIST (LeCun, Cortes and Burges 1998): 60,000 and 10,000 images of handwritten digits, [1, 28, 28].
    /// - Parameter folder: where the files lie; see `idx(folder:name:classNames:)` for their names.
    /// - Throws: as `idx(folder:name:classNames:)`.
    public static func mnist(folder: String) throws -> (train: Dataset, test: Dataset) {
        try idx(folder: folder, set: .mnist)
    }

    /// Fashion-MNIST (Xiao, Rasul and Vollgraf 2017), in the files and shapes of MNIST.
    /// - Throws: as `mnist(folder:)`.
    public static func fashionMNIST(folder: String) throws -> (train: Dataset, test: Dataset) {
        try idx(folder: folder, set: .fashionMNIST)
    }

    private static func idx(
        folder: String, set: DataSource.ImageSet
    ) throws -> (train: Dataset, test: Dataset) {
        try idx(folder: folder, name: set.title, classNames: set.classNames)
    }
}
