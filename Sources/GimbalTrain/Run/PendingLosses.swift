/// Losses of one phase that are still on the device.
struct PendingLosses {
    private var losses: [(loss: Tensor, count: Double)] = []

    mutating func add(_ loss: Tensor, count: Double) { losses.append((loss, count)) }

    /// Reads the losses, passes over those that are not finite where that is tolerated, adds the others to the epoch's
    /// sum, and gives the mean over their samples; NaN over none.
    /// - Throws: `GimbalError.nonFinite`.
    mutating func take(
        into sum: inout TrainingProgress.LossSum, toleratesNonFinite: Bool, place: @autoclosure () -> String
    ) throws -> Double {
        guard !losses.isEmpty else { return .nan }
        let values = try (losses.count == 1 ? losses[0].loss : Tensor.stacked(losses.map(\.loss))).floats()
        var taken = TrainingProgress.LossSum()
        for (value, entry) in zip(values, losses) {
            guard value.isFinite else {
                if toleratesNonFinite {
                    sum.leftOut += 1
                    continue
                }
                throw GimbalError.nonFinite(
                    quantity: "the loss", value: Double(value),
                    place: place() + "; a lower learning rate, clipping or normalisation may help")
            }
            // One by one, so that the sum does not depend on when it was looked at.
            sum.sum += Double(value) * entry.count
            taken.sum += Double(value) * entry.count
            taken.count += entry.count
        }
        losses.removeAll(keepingCapacity: true)
        sum.count += taken.count
        return taken.mean ?? .nan
    }
}
