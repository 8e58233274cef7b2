extension Backend {
    public func crossEntropyMean(
        _ logits: TensorView, targets: TensorView, ignoredIndex: Int?, mean: TensorView, keptRows: TensorView,
        normalizers: TensorView
    ) {
        let rows = logits.shape[0]
        let (mean, keptRows) = (mean.reshaped([1]), keptRows.reshaped([1]))
        reportingErrors {
            let losses = try allocate([rows])
            crossEntropy(
                logits, targets: targets, ignoredIndex: ignoredIndex, losses: losses, normalizers: normalizers)
            if let isKept = try isKept(targets, ignoredIndex) {
                let counts = try allocate([rows])
                copy(isKept, to: counts)
                reduce(.sum, counts, out: keptRows, accumulates: false)
            } else {
                fill(keptRows, with: Double(rows))
            }
            // A narrow type may hold neither the sum nor the count.
            let sum = try allocate([1])
            reduce(.sum, losses, out: sum, accumulates: false)
            binary(.init(.divide), sum, keptRows, out: mean)
        }
    }

    public func crossEntropyMeanGradient(
        _ logits: TensorView, targets: TensorView, ignoredIndex: Int?, keptRows: TensorView, normalizers: TensorView,
        meanGradient: TensorView, out: TensorView
    ) {
        let rows = logits.shape[0]
        reportingErrors {
            let each = try allocate([1])
            binary(.init(.divide), meanGradient.reshaped([1]), keptRows.reshaped([1]), out: each)
            crossEntropyGradient(
                logits, targets: targets, ignoredIndex: ignoredIndex, normalizers: normalizers,
                lossGradient: each.broadcast(to: [rows]), out: out)
        }
    }

    /// uint8 [rows]: 0 where the target is `index`; nil where no target can be.
    func isKept(_ targets: TensorView, _ index: Int?) throws -> TensorView? {
        guard let index = index.flatMap(Int32.init(exactly:)) else { return nil }
        let ignored = try allocate([1], .int32)
        fill(ignored, with: Double(index))
        let result = try allocate(targets.shape, .uint8)
        binary(.init(.notEqual), targets, ignored.broadcast(to: targets.shape), out: result)
        return result
    }
}
