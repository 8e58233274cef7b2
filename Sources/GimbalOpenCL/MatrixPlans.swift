import Foundation
import GimbalBackend

/// Which plan serves a matrix product on a device: what the tuner found there for products of that size, else a
/// published entry for the device's kind, else the plan that the kernels themselves estimate to be fastest.
struct MatrixPlans: Sendable {
    /// All kernels there are.
    static let kernels: [any MatrixKernel.Type] = [
        PanelsKernel.self, TilesKernel.self, TensorKernel.self, WgmmaKernel.self,
    ]

    /// What is known to be fast on one kind of device.
    struct Published: Sendable {
        var vendor: String
        /// Such as `sm_90`; nil for all of the vendor.
        var architecture: String?
        var entries: [MatrixBucket: MatrixPlan]
    }

    /// The first that fits a device counts.
    static let published: [Published] = []

    /// An entry of the cache folder.
    struct Entry: Codable {
        /// With which the plans were last found correct.
        var driver: String
        var plans: [MatrixBucket: MatrixPlan]
    }

    private let device: OpenCLDevice
    private let candidates: [MatrixPlan]
    private var tuned: [MatrixBucket: MatrixPlan] = [:]
    private let known: [MatrixBucket: MatrixPlan]
    /// Choices made so far.
    private var chosen: [MatrixProblem: MatrixPlan] = [:]

    init(device: OpenCLDevice) {
        self.device = device
        candidates = Self.candidates(for: device)
        let found = Self.published.first {
            device.description.vendor.contains($0.vendor)
                && ($0.architecture == nil || $0.architecture == device.description.architecture)
        }
        known = found?.entries ?? [:]
    }

    /// What every kernel offers on a device.
    static func candidates(for device: OpenCLDevice) -> [MatrixPlan] {
        func plans<Kernel: MatrixKernel>(_ type: Kernel.Type) -> [MatrixPlan] {
            type.candidates(for: device).filter { $0.fits(device) }.map(MatrixPlan.init)
        }
        return kernels.flatMap { plans($0) }
    }

    /// What has been chosen for a problem before.
    func chosenPlan(for problem: MatrixProblem) -> MatrixPlan? { chosen[problem] }

    /// The plans that support a problem: the tuned or published one, then the others, the fastest by estimate first.
    func preferred(_ problem: MatrixProblem) -> [MatrixPlan] {
        let bucket = MatrixBucket(problem)
        return [tuned[bucket], known[bucket]].compactMap { $0 }.filter { $0.kernel.supports(problem) } + ranked(problem)
    }

    mutating func choose(_ plan: MatrixPlan, for problem: MatrixProblem) {
        // Sequences of ever new lengths must not fill the memory.
        if chosen.count >= 4096 { chosen = [:] }
        chosen[problem] = plan
    }

    /// The plans that support a problem, the fastest by estimate first.
    func ranked(_ problem: MatrixProblem) -> [MatrixPlan] {
        candidates.filter { $0.kernel.supports(problem) }
            .map { ($0, $0.kernel.seconds(problem, on: device)) }.sorted { $0.1 < $1.1 }.map(\.0)
    }

    /// Takes over what was tuned.
    mutating func use(_ found: [MatrixBucket: MatrixPlan]) {
        tuned.merge(found) { _, new in new }
        chosen = [:]
    }

    // MARK: On disk

    static func read(device: OpenCLDevice, cache: CacheFolder) -> Entry? {
        cache.read(key(device), kind: "plans").flatMap { try? JSONDecoder().decode(Entry.self, from: Data($0)) }
    }

    static func write(_ entry: Entry, device: OpenCLDevice, cache: CacheFolder) {
        guard let bytes = try? JSONEncoder().encode(entry) else { return }
        cache.write(Array(bytes), key: key(device), kind: "plans")
    }

    /// Plans tuned for other kernels are worth nothing, so their text belongs to the key.
    private static func key(_ device: OpenCLDevice) -> String {
        let source = kernels.flatMap { $0.sources }.flatMap(\.files).map(kernelText).joined()
        return "matrix plans\n\(device.description.name)\n\(fingerprint(source.utf8))"
    }
}
