/// How the work of `recurrent_sequence` or `recurrent_sequence_gradient` is divided; `Kernels/recurrent_groups.cl` has the
/// terms.
///
/// The fewer groups share a row of the batch, the less they exchange, and with all units in one group they need not meet at
/// all. So a group holds as many units as its registers take, and the rows are divided among as many groups as then fit.
struct RecurrentPlan: Hashable, Sendable {
    var group: Int
    var units: Int
    var workUnits: Int
    var columns: Int
    var parts: Int
    var depth: Int
    /// Groups that share the units.
    var slices: Int
    /// Rows of the batch that one group, or one from each slice, computes; and how many of them at a time.
    var blockRows: Int
    var rows: Int

    var hasChunks: Bool { blockRows > rows }

    func groups(batch: Int) -> Int { (batch + blockRows - 1) / blockRows * slices }

    /// Weights that a work-item holds in registers. With what else it needs, these are about 128, which 512 work-items have.
    private static let heldWeights = 64
    /// Local memory for a group: a little less than OpenCL programs get of it from NVIDIA's driver.
    private static let localBytes = 46 << 10

    /// - Parameters:
    ///   - products: of one unit that the kernel makes, each a sum of `length` terms.
    ///   - gates: values of a unit that go through local memory once more.
    ///   - computeUnits: how many groups run at the same time for sure.
    /// - Returns: nil where the weights are too many for the registers of all groups.
    init?(size: Int, products: Int, length: Int, gates: Int, batch: Int, computeUnits: Int) {
        let powers = sequence(first: 512) { $0 > 1 ? $0 / 2 : nil }.filter { $0 < size }
        let whole = [(256, size), (512, size)]
        let shared = [256, 512].flatMap { group in powers.map { (group, $0) } }
        for (group, units) in whole + shared {
            let candidates = [1, 2, 4].compactMap { workUnits in
                Self.candidate(
                    group: group, units: units, workUnits: workUnits, size: size, products: products, length: length,
                    gates: gates, batch: batch, computeUnits: computeUnits)
            }
            if let best = candidates.min(by: { $0.cost < $1.cost }) {
                self = best.plan
                return
            }
        }
        return nil
    }

    private static func candidate(
        group: Int, units wanted: Int, workUnits: Int, size: Int, products: Int, length: Int, gates: Int, batch: Int,
        computeUnits: Int
    ) -> (plan: RecurrentPlan, cost: Int)? {
        func divide(_ a: Int, _ b: Int) -> Int { (a + b - 1) / b }
        let units = divide(wanted, workUnits) * workUnits, unitGroups = units / workUnits
        guard unitGroups <= group, wanted == size || units == wanted else { return nil }
        let columns = workUnits * products
        let parts = min(group / unitGroups, divide(length, 4))
        let depth = divide(divide(length, 4), parts) * 4
        let slices = divide(size, units)
        guard columns * depth <= heldWeights, slices <= computeUnits else { return nil }

        // Groups that need not meet may be more than run at once; two find room on a compute unit.
        let blocks = slices == 1 ? 2 * computeUnits : computeUnits / slices
        let blockRows = max(1, divide(batch, blocks))
        let distance = unitGroups * parts + (unitGroups < 32 ? unitGroups : 0)
        let rowBytes = 4 * (parts * depth + columns * distance + gates * units)
        // No more than two cells or four gates for a work-item, which holds what belongs to them in registers.
        let most = min(localBytes / rowBytes, 2 * group / units, gates > 0 ? 4 * group / (gates * units) : Int.max)
        guard most > 0 else { return nil }
        let rows = divide(blockRows, divide(blockRows, most))
        let plan = RecurrentPlan(
            group: group, units: units, workUnits: workUnits, columns: columns, parts: parts, depth: depth,
            slices: slices, blockRows: blockRows, rows: rows)
        // Reads and writes of local memory.
        let cost = rows * (depth / 4 + columns) + divide(rows * units * max(gates, 1), group) * parts
        return (plan, cost)
    }

    private init(
        group: Int, units: Int, workUnits: Int, columns: Int, parts: Int, depth: Int, slices: Int, blockRows: Int,
        rows: Int
    ) {
        self.group = group
        self.units = units
        self.workUnits = workUnits
        self.columns = columns
        self.parts = parts
        self.depth = depth
        self.slices = slices
        self.blockRows = blockRows
        self.rows = rows
    }

    var settings: [KernelKey.Setting] {
        [
            .number(.group, group), .number(.units, units), .number(.workUnits, workUnits), .number(.columns, columns),
            .number(.parts, parts), .number(.depth, depth), .number(.rows, rows), .flag(.hasChunks, hasChunks),
        ]
    }
}
