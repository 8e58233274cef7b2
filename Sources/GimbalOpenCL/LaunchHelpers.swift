import GimbalBackend

extension TensorView {
    /// Whether a `float4` may be read at the view's first element.
    var isAligned: Bool { offset % 4 == 0 }

    /// The offset of the last element and of the one farthest back, relative to the first.
    fileprivate var reach: Int {
        var forward = 0
        var backward = 0
        for (size, stride) in zip(shape, strides) where size > 1 {
            if stride > 0 { forward += (size - 1) * stride } else { backward -= (size - 1) * stride }
        }
        return max(forward, backward)
    }
}

/// Whether kernels need 64-bit indices for these views. Offsets of first elements do not count: they are 64 bits wide anyway.
func needsWideIndex(_ views: [TensorView]) -> Bool {
    // Work-items past the last element compute indices too.
    let limit = Int(Int32.max) - 1 << 16
    return views.contains { $0.elementCount > limit || $0.reach > limit }
}

/// How a folding kernel spreads over work-items: `lanes` share one output, a group makes `slots` outputs.
struct FoldPlan {
    var lanes: Int
    var slots: Int
    var lanesFirst: Bool
    /// Into how many parts, which the last group to arrive folds, the elements of each output are split.
    var splits: Int

    var groupSize: Int { lanes * slots }
    var settings: [KernelKey.Setting] {
        [.number(.lanes, lanes), .number(.slots, slots), .flag(.lanesFirst, lanesFirst)]
    }
    func groups(_ outputs: Int) -> Int { (outputs + slots - 1) / slots }
    /// How many splits take how many of `length` elements each, at least one of them and a multiple of four.
    func division(of length: Int) -> (splits: Int, splitSize: Int) {
        guard splits > 1 else { return (1, max(length, 1)) }
        let splitSize = ((length + splits - 1) / splits + 3) / 4 * 4
        return ((length + splitSize - 1) / splitSize, splitSize)
    }
}

/// How a kernel that folds rows takes them; see rows.h.
struct RowPlan {
    var fold: FoldPlan
    /// Packs of `width` floats that a work-item holds; 0 where a row is too long for registers.
    var values: Int
    var width: Int

    var groupSize: Int { fold.groupSize }
    var settings: [KernelKey.Setting] { fold.settings + [.number(.values, values), .number(.width, width)] }
}

extension OpenCLBackend {
    /// A plan for folding each row of contiguous [rows, columns]. `views` are all that is read or written along rows.
    func rowPlan(rows: Int, columns: Int, _ views: [TensorView?]) -> RowPlan {
        guard !openCLDevice.isCPU else {
            return RowPlan(fold: foldPlan(outputs: rows, length: columns), values: 0, width: 1)
        }
        let width = columns % 4 == 0 && views.allSatisfy { $0?.isAligned ?? true } ? 4 : 1
        let packs = columns / width
        let largest = min(1024, openCLDevice.largestWorkGroup)
        var lanes = 4
        while lanes < 32, lanes < packs { lanes *= 2 }
        func values() -> Int { (packs + lanes - 1) / lanes }
        // Two arrays of 32 floats fit the registers of a work-item, and half as much those of one in a large group; half of
        // either where each float has an address of its own.
        func fits() -> Bool { values() * width <= (lanes <= 256 ? 32 : 16) / (width == 4 ? 1 : 2) }
        while lanes < largest, !fits() { lanes *= 2 }
        return RowPlan(
            fold: FoldPlan(lanes: lanes, slots: max(1, 256 / lanes), lanesFirst: true, splits: 1),
            values: fits() ? values() : 0, width: width)
    }

    /// A plan for `outputs` folds of `length` elements each.
    /// - Parameters:
    ///   - foldsContiguousAxis: whether the folded elements lie side by side, rather than the outputs.
    ///   - canSplit: whether the caller can fold partial results.
    func foldPlan(outputs: Int, length: Int, foldsContiguousAxis: Bool = true, canSplit: Bool = false) -> FoldPlan {
        var plan: FoldPlan
        if openCLDevice.isCPU {
            // A core runs the work-items of a group one after the other: one for each output, without barriers.
            plan = FoldPlan(lanes: 1, slots: outputs < 32 ? 1 : 16, lanesFirst: true, splits: 1)
        } else if foldsContiguousAxis {
            let lanes = length > 512 ? 256 : length > 16 ? 32 : 1
            plan = FoldPlan(lanes: lanes, slots: 256 / lanes, lanesFirst: true, splits: 1)
        } else {
            let slots = outputs > 16 ? 32 : 8
            plan = FoldPlan(lanes: 256 / slots, slots: slots, lanesFirst: false, splits: 1)
        }
        guard canSplit, length > 0 else { return plan }
        // Enough groups to fill the device, each with enough to do; and no chain of additions so long that it loses digits.
        let groupsWanted = device.computeUnits * (openCLDevice.isCPU ? 2 : 8)
        let forParallelism = min(groupsWanted / max(plan.groups(outputs), 1), length / (plan.lanes * 32))
        let forAccuracy = length / (plan.lanes * 4096)
        plan.splits = min(max(1, forParallelism, forAccuracy), 4096)
        return plan
    }

    /// Whether the device can handle these types; if not, says so.
    func supports(_ operation: @autoclosure () -> String, _ views: [TensorView]) -> Bool {
        guard !openCLDevice.supportsFloat64, views.contains(where: { $0.dtype == .float64 }) else { return true }
        errors.report(
            .deviceFailed(device: device.id, operation: operation(), reason: "the device has no float64"))
        return false
    }
}
