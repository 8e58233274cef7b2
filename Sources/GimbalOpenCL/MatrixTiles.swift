import Foundation

/// How a matrix product is cut up; the kernel files explain the numbers.
package enum MatrixTile: Hashable, Sendable, Codable {
    /// `gemm.cl`: tiles in local memory, for GPUs.
    case tiles(m: Int, n: Int, k: Int, workM: Int, workN: Int, vector: Int)
    /// `gemm_panels.cl`: panels in registers and caches, for CPUs.
    case panels(rows: Int, columns: Int, length: Int)

    /// Rows and columns of the product that one work-group makes.
    var extent: (m: Int, n: Int) {
        switch self {
        case .tiles(let m, let n, _, _, _, _): (m, n)
        case .panels(let rows, let columns, _): (rows, columns)
        }
    }

    var groupSize: Int {
        switch self {
        case .tiles(let m, let n, _, let workM, let workN, _): (m / workM) * (n / workN)
        case .panels: 1
        }
    }

    /// Whether the device has the resources, and a work-group's reads cover its tiles without a rest.
    func fits(_ device: OpenCLDevice) -> Bool {
        guard case .tiles(let m, let n, let k, let workM, let workN, let vector) = self else { return true }
        let localMemory = 2 * 4 * k * (m + n + 2 * vector)
        // Some drivers take a little of the local memory for themselves.
        return localMemory <= min(device.localMemoryBytes, 48 << 10) - 1024
            && groupSize <= device.largestWorkGroup && workM % vector == 0 && workN % vector == 0
            && m * k % (groupSize * 4) == 0 && n * k % (groupSize * 4) == 0
    }

    var settings: [KernelKey.Setting] {
        switch self {
        case .tiles(let m, let n, let k, let workM, let workN, let vector):
            [
                .number(.tileM, m), .number(.tileN, n), .number(.tileK, k), .number(.workM, workM),
                .number(.workN, workN), .number(.vector, vector),
            ]
        case .panels(let rows, let columns, let length):
            [.number(.rows, rows), .number(.columns, columns), .number(.length, length)]
        }
    }
}

/// Products that want the same tile: small ones must be cut fine to occupy the whole device.
package enum MatrixShapeClass: String, Sendable, CaseIterable, Codable {
    case small, medium, large

    init(m: Int, n: Int, batch: Int) {
        let outputs = m * n * batch
        self = outputs < 64 * 1024 ? .small : outputs < 1024 * 1024 ? .medium : .large
    }

    /// A product of the class, to time candidates by.
    func example(on device: OpenCLDevice) -> (m: Int, n: Int, k: Int) {
        switch self {
        case .small: (64, 512, 784)
        case .medium: (512, 512, 512)
        case .large: device.isCPU ? (1024, 1024, 512) : (2048, 2048, 2048)
        }
    }
}

/// The tile for each shape class: what the tuner found on this device, else a default for its kind.
struct MatrixTiles: Sendable {
    private(set) var tiles: [MatrixShapeClass: MatrixTile]

    /// An entry of the cache folder.
    struct Entry: Codable {
        /// With which the tiles were last found correct.
        var driver: String
        var tiles: [MatrixShapeClass: MatrixTile]
    }

    init(device: OpenCLDevice) {
        tiles = Self.defaults(for: device)
    }

    subscript(shapeClass: MatrixShapeClass) -> MatrixTile { tiles[shapeClass]! }

    mutating func use(_ found: [MatrixShapeClass: MatrixTile]) {
        tiles.merge(found) { _, new in new }
    }

    // MARK: On disk

    static func read(device: OpenCLDevice, cache: CacheFolder) -> Entry? {
        cache.read(key(device), kind: "tiles").flatMap { try? JSONDecoder().decode(Entry.self, from: Data($0)) }
    }

    static func write(_ entry: Entry, device: OpenCLDevice, cache: CacheFolder) {
        guard let bytes = try? JSONEncoder().encode(entry) else { return }
        cache.write(Array(bytes), key: key(device), kind: "tiles")
    }

    /// Tiles tuned for other kernels are worth nothing, so their text belongs to the key.
    private static func key(_ device: OpenCLDevice) -> String {
        let source = (KernelName.gemm.files + KernelName.gemmPanels.files).map(kernelText).joined()
        return "matrix tiles\n\(device.description.name)\n\(fingerprint(source.utf8))"
    }

    // MARK: Choices

    static func defaults(for device: OpenCLDevice) -> [MatrixShapeClass: MatrixTile] {
        if device.isCPU {
            let length = min(max(device.nativeVectorLength, 4), 16)
            let tile = MatrixTile.panels(rows: 8, columns: 2 * length, length: length)
            return [.small: tile, .medium: tile, .large: tile]
        }
        return [
            .small: .tiles(m: 32, n: 32, k: 32, workM: 2, workN: 2, vector: 2),
            .medium: .tiles(m: 64, n: 64, k: 16, workM: 4, workN: 4, vector: 4),
            .large: .tiles(m: 128, n: 128, k: 16, workM: 8, workN: 8, vector: 4),
        ]
    }

    /// What the tuner tries on a device: shapes that suit its kind, as far as its resources go.
    static func candidates(for device: OpenCLDevice) -> [MatrixTile] {
        if device.isCPU {
            return [4, 6, 8, 12].flatMap { rows in
                [(16, 16), (32, 16), (48, 16), (8, 8), (16, 8), (4, 4), (8, 4)].map { columns, length in
                    MatrixTile.panels(rows: rows, columns: columns, length: length)
                }
            }.filter { $0.fits(device) }
        }
        let shapes: [(m: Int, n: Int, k: Int, workM: Int, workN: Int, vector: Int)] = [
            (128, 128, 8, 8, 8, 4), (128, 128, 16, 8, 8, 4), (128, 256, 8, 16, 8, 4), (256, 128, 8, 8, 16, 4),
            (128, 64, 16, 8, 4, 4), (64, 128, 16, 4, 8, 4), (128, 64, 8, 8, 8, 4), (64, 128, 8, 8, 8, 4),
            (64, 64, 8, 4, 4, 4), (64, 64, 16, 4, 4, 4), (64, 64, 32, 4, 4, 4), (64, 64, 16, 8, 8, 4),
            (32, 64, 32, 4, 4, 4), (64, 32, 32, 4, 4, 4), (32, 32, 32, 4, 4, 4), (32, 32, 32, 2, 2, 2),
            (16, 32, 32, 2, 2, 2),
        ]
        return shapes.map { .tiles(m: $0.m, n: $0.n, k: $0.k, workM: $0.workM, workN: $0.workN, vector: $0.vector) }
            .filter { $0.fits(device) }
    }
}
