/// Losses of one phase that are still on the device.
struct PendingLosses {
    private var losses: [(loss: Tensor, count: Double, step: Int)] = []
    /// The mean loss of each step that was read last, finite or not.
    private(set) var steps: [(step: Int, loss: Double)] = []

    mutating func add(_ loss: Tensor, count: Double, step: Int) { losses.append((loss, count, step)) }

    /// Reads the losses, passes over those that are not finite where that is tolerated, adds the others to the epoch's
    /// sum, and gives the mean over their samples; NaN over none.
    /// - Throws: `GimbalError.nonFinite`.
    mutating func take(
        into sum: inout TrainingProgress.LossSum, toleratesNonFinite: Bool, place: @autoclosure () -> String
    ) throws -> Double {
        steps.removeAll(keepingCapacity: true)
        guard !losses.isEmpty else { return .nan }
        let values = try (losses.count == 1 ? losses[0].loss : Tensor.stacked(losses.map(\.loss))).floats()
        noteSteps(values)
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

    private mutating func noteSteps(_ values: [Float]) {
        var sum = 0.0, count = 0.0
        for (index, (value, entry)) in zip(values, losses).enumerated() {
            sum += Double(value) * entry.count
            count += entry.count
            guard index + 1 == losses.count || losses[index + 1].step != entry.step else { continue }
            steps.append((entry.step, sum / count))
            (sum, count) = (0, 0)
        }
    }
}
