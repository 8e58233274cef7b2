/// A recurrent net over a sequence of feature rows, and a linear head on what it has come to at the last step.
///
/// Where the net reads in both directions, the head sees the last state of each: the forward one at the last step, the
/// reverse one at the first.
public final class RecurrentClassifier: Module, Layer {
    /// The net that reads the sequence, batch first.
    public let recurrent: RecurrentNet
    /// Drops features before the head.
    public let dropout: Dropout
    /// The product from `hiddenSize` features, twice as many in both directions, to the logits.
    public let head: Linear

    /// A head on `recurrent`, which must be batch first.
    ///
    /// `classes` may also count numbers to be predicted. `dropout` is the probability of dropping a feature before the
    /// head, in training; `generator` draws the head's weights.
    public init(
        _ recurrent: RecurrentNet, classes: Int, dropout: Double = 0, generator: RandomGenerator = .current,
        device: Device = .current
    ) {
        require(recurrent.isBatchFirst, "RecurrentClassifier", "needs a recurrent net that is batch first")
        self.recurrent = recurrent
        self.dropout = Dropout(dropout)
        let features = recurrent.hiddenSize * (recurrent.isBidirectional ? 2 : 1)
        head = Linear(features, classes, generator: generator, device: device)
    }

    /// The logits, [batch, classes], of sequences [batch, length, features] of one step or more.
    public func forward(_ input: Tensor) -> Tensor {
        let outputs = recurrent(input)
        guard recurrent.isBidirectional else { return head(dropout(outputs.selecting(-1, axis: 1))) }
        let size = recurrent.hiddenSize
        let forward = outputs.selecting(-1, axis: 1).sliced(0..<size, axis: 1)
        let reverse = outputs.selecting(0, axis: 1).sliced(size..<2 * size, axis: 1)
        return head(dropout(.concatenated([forward, reverse], axis: 1)))
    }

}
