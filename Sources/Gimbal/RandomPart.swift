import GimbalBackend

/// The numbers of a draw that are a tensor's: all of them, or, of those for a whole batch, the ones for the rows of a rank.
///
/// Blocks of four numbers can be passed over at no cost. Where a rank's numbers are not whole blocks, or do not lie side by side,
/// more is drawn and theirs are taken from it, so that they are the same bits in any case.
struct RandomPart: Sendable {
    /// The block where the drawing begins.
    let state: RandomState
    /// What is drawn in place of the tensor's numbers alone; nil where nothing more is.
    private let frame: Frame?

    /// What is drawn, as [groups, width], and which columns of it are the tensor's.
    private struct Frame {
        let groups: Int
        let width: Int
        let columns: Range<Int>
    }

    /// All numbers from `state` on.
    init(_ state: RandomState) { (self.state, frame) = (state, nil) }

    /// Those for the rows of `share`.
    /// - Parameters:
    ///   - share: which rows of the batch the tensor holds.
    ///   - axis: the tensor's axis along which its rows lie.
    ///   - shape: of the tensor.
    ///   - state: where the numbers for the whole batch begin.
    init(of share: BatchShare, along axis: Int, of shape: Shape, from state: RandomState) {
        let row = shape.sizes[(axis + 1)...].reduce(1, *)
        let groups = shape.sizes[..<axis].reduce(1, *)
        let own = share.first * row..<(share.first + share.count) * row
        let skipped = groups == 1 ? own.lowerBound / 4 : 0
        let columns = own.lowerBound - 4 * skipped..<own.upperBound - 4 * skipped
        let width = groups == 1 ? columns.upperBound : share.total * row
        self.state = RandomState(seed: state.seed, counter: state.counter &+ UInt64(skipped))
        frame =
            columns == 0..<width || groups == 0 ? nil : Frame(groups: groups, width: width, columns: columns)
    }

    /// Has `draw` write into memory for all that is drawn, and copies the tensor's part of it to `out`.
    /// - Parameters:
    ///   - x: what `draw` is to find at the tensor's part of its input, contiguous; anything is around it. nil for a draw
    ///     without input.
    ///   - out: contiguous.
    ///   - backend: where both are.
    ///   - draw: called with an input and an output, which may be the same memory.
    fileprivate func drawing(
        _ x: TensorView? = nil, out: TensorView, on backend: some Backend, _ draw: (TensorView, TensorView) -> Void
    ) {
        guard let frame else { return draw(x ?? out, out) }
        backend.reportingErrors {
            let all = try backend.allocate([frame.groups, frame.width], out.dtype)
            let own = all.sliced(axis: 1, frame.columns)
            if let x { backend.copy(x.reshaped(own.shape), to: own) }
            draw(all.flattened, all.flattened)
            backend.copy(own, to: out.reshaped(own.shape))
        }
    }
}

extension Backend {
    /// `randomUniform` of a part.
    func randomUniform(_ out: TensorView, _ part: RandomPart) {
        part.drawing(out: out, on: self) { randomUniform($1, part.state) }
    }

    /// `randomNormal` of a part.
    func randomNormal(_ out: TensorView, _ part: RandomPart) {
        part.drawing(out: out, on: self) { randomNormal($1, part.state) }
    }

    /// `dropout` by the numbers of a part.
    func dropout(_ x: TensorView, probability: Double, _ part: RandomPart, out: TensorView) {
        part.drawing(x, out: out, on: self) { dropout($0, probability: probability, part.state, out: $1) }
    }
}
