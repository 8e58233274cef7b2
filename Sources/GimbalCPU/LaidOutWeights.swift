import GimbalBackend

// Weights laid out for the loops that multiply by them. A net that only infers does so once, not for each batch.

/// What is kept of weights: the first number of its key.
enum LaidOut {
    static let largest = 0
    static let gathered = 1
    static let winograd = 2
    static let columns = 3
    static let recurrent = 4
}

extension CPUBackend {
    /// Weights in another order, of `shape`, which `fill` writes: from the third time on for the same contents, those of before.
    /// - Parameters:
    ///   - key: all that the order depends on.
    ///   - rows: that each weight is multiplied by. With many of them the order costs nothing beside the products, and is not kept.
    func laidOut(
        _ weights: TensorView, _ key: [Int], rows: Int, _ shape: Shape, _ fill: (TensorView) throws -> Void
    ) throws -> TensorView {
        func make() throws -> KeptView {
            let view = try allocate(shape, .float32)
            try fill(view)
            return KeptView(view)
        }
        if rows <= mostRowsOfKept, let kept = try weights.storage.kept(key, make) { return kept.view }
        return try make().view
    }

    /// The columns of a matrix of weights in panels for products by a few rows; nil the first time for the same contents, and where
    /// they are read as they are, or multiplied by many rows.
    /// - Parameters:
    ///   - strides: from one place of the depth, and from one column, to the next.
    func keptColumns(
        of weights: TensorView, depth: Int, columns: Int, strides: (depth: Int, column: Int), rows: Int
    ) -> TensorView? {
        guard strides.column != 1, rows > 1, rows <= min(mostRowsOfKept, loops.product_most_rows),
            depth * columns >= 4096
        else { return nil }
        let width = loops.product_panel_columns
        let panels = (columns + width - 1) / width
        let key = [LaidOut.columns, weights.offset, depth, columns, strides.depth, strides.column]
        return weights.storage.kept(key) { () -> KeptView? in
            // Without memory for it, products go on as they do the first time.
            guard let view = try? allocate([panels, depth * width], .float32) else { return nil }
            divide(panels, grain: 1) { range in
                for panel in range {
                    loops.product_panel(
                        weights.floats + panel * width * strides.column, strides.depth, strides.column, depth,
                        min(width, columns - panel * width), view.floats + panel * depth * width)
                }
            }
            return KeptView(view)
        }?.view
    }

    /// The bias of each lane of the panels of all groups, [groups · panels, panelLanes], 0 where there is none; behind them zeros for one
    /// panel more.
    func laidOut(
        _ bias: UnsafePointer<Float>?, groups: Int, lanes: Int, panelLanes: Int
    ) throws -> TensorView {
        let panels = (lanes + panelLanes - 1) / panelLanes
        let result = try allocate([groups * panels + 1, panelLanes], .float32)
        result.floats.update(repeating: 0, count: result.elementCount)
        guard let bias else { return result }
        for place in 0..<groups * panels {
            let (group, panel) = (place / panels, place % panels)
            (result.floats + place * panelLanes).update(
                from: bias + group * lanes + panel * panelLanes, count: min(panelLanes, lanes - panel * panelLanes))
        }
        return result
    }

    /// The largest absolute value of contiguous weights; infinite or NaN where one of them is.
    func largest(of weights: TensorView) -> Double {
        func look() -> KeptNumber {
            KeptNumber(loops.power_sum(weights.floats, weights.elementCount, .infinity, 1))
        }
        let key = [LaidOut.largest, weights.offset, weights.elementCount]
        return (weights.storage.kept(key, atOnce: true, look) ?? look()).value
    }
}

/// Rows beyond which laying weights out takes less than a hundredth of the products' time.
private let mostRowsOfKept = 1024

private final class KeptView: Sendable {
    let view: TensorView
    init(_ view: TensorView) { self.view = view }
}

private final class KeptNumber: Sendable {
    let value: Double
    init(_ value: Double) { self.value = value }
}
