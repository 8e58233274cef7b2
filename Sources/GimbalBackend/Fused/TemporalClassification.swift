// Connectionist temporal classification over the primitives: one step of the dynamic programme per time step, for the whole
// batch at once. Everything is kept in logarithms, where 0 is -infinity.

extension Backend {
    public func temporalClassification(
        _ emissions: TensorView, skips: TensorView, lengths: TensorView, losses: TensorView, forward: TensorView
    ) {
        guard losses.elementCount > 0 else { return }
        reportingErrors {
            let lattice = try Lattice(self, emissions, skips: skips, lengths: lengths)
            // Two columns to the left stand for the states before the first. A path begins as if it were in the first.
            let padded = try allocate([lattice.batch, lattice.states + 2])
            fill(padded, with: -.infinity)
            fill(padded.sliced(axis: 1, 2..<3), with: 0)
            let current = padded.sliced(axis: 1, 2..<lattice.states + 2)
            for time in 0..<lattice.time {
                try lattice.addLogarithms(
                    current, padded.sliced(axis: 1, 1..<lattice.states + 1),
                    padded.sliced(axis: 1, 0..<lattice.states), penalty: lattice.penalty)
                binary(.init(.add), lattice.sum, emissions.time(time), out: lattice.sum)
                try lattice.select(whereLongerThan: time, lattice.sum, current, out: current)
                copy(current, to: forward.time(time))
            }
            // The path ends in the last blank or the last label.
            let ends = try allocate([lattice.batch, lattice.states])
            select(lattice.isEnd, current, lattice.none, out: ends)
            let largest = try allocate([lattice.batch, 1])
            reduce(.maximum, ends, out: largest, accumulates: false)
            unary(.init(.clamp, a: -1e30, b: .infinity), largest, out: largest)
            binary(.init(.subtract), ends, largest.broadcast(to: ends.shape), out: ends)
            unary(.init(.exponential), ends, out: ends)
            let total = try allocate([lattice.batch, 1])
            reduce(.sum, ends, out: total, accumulates: false)
            unary(.init(.logarithm), total, out: total)
            binary(.init(.add), total, largest, out: total)
            unary(.init(.negate), total, out: losses.reshaped([lattice.batch, 1]))
        }
    }

    public func temporalClassificationGradient(
        _ emissions: TensorView, skips: TensorView, lengths: TensorView, losses: TensorView, forward: TensorView,
        lossGradient: TensorView, out: TensorView
    ) {
        guard out.elementCount > 0 else { return }
        reportingErrors {
            let lattice = try Lattice(self, emissions, skips: skips, lengths: lengths)
            let (batch, states) = (lattice.batch, lattice.states)
            let shape: Shape = [batch, states]
            // β + emission of the step after; two columns to the right stand for the states past the last.
            let padded = try allocate([batch, states + 2])
            fill(padded, with: -.infinity)
            let current = padded.sliced(axis: 1, 0..<states)
            // What skipping from two states before costs, as seen from there.
            let penalties = try allocate([batch, states + 2])
            fill(penalties, with: -.infinity)
            copy(lattice.penalty, to: penalties.sliced(axis: 1, 0..<states))
            let penalty = penalties.sliced(axis: 1, 2..<states + 2)
            let terminal = try allocate(shape)
            select(lattice.isEnd, lattice.zero, lattice.none, out: terminal)
            let loss = losses.reshaped([batch, 1]).broadcast(to: shape)
            var arriving = lossGradient
            arriving.shape = shape
            arriving.strides = [lossGradient.strides[0], 0]
            let backward = try allocate(shape)
            for time in stride(from: lattice.time - 1, through: 0, by: -1) {
                try lattice.addLogarithms(
                    current, padded.sliced(axis: 1, 1..<states + 1), padded.sliced(axis: 1, 2..<states + 2),
                    penalty: penalty)
                try lattice.select(whereLongerThan: time + 1, lattice.sum, terminal, out: backward)
                let share = out.time(time)
                binary(.init(.add), forward.time(time), backward, out: share)
                binary(.init(.add), share, loss, out: share)
                unary(.init(.exponential), share, out: share)
                binary(.init(.multiply), share, arriving, out: share)
                unary(.init(.negate), share, out: share)
                try lattice.select(whereLongerThan: time, share, lattice.zero, out: share)
                select(lattice.isInside, share, lattice.zero, out: share)
                binary(.init(.add), backward, emissions.time(time), out: current)
            }
        }
    }
}

/// What both directions of the dynamic programme share.
private struct Lattice {
    let backend: any Backend
    let time: Int
    let batch: Int
    let states: Int
    /// [batch, states]: 0 where a path may come from two states before, else -infinity.
    let penalty: TensorView
    /// uint8 [batch, states]: the last two states of a sample; and all states that it has.
    let isEnd: TensorView
    let isInside: TensorView
    /// [batch, states] of 0 and of -infinity, repeated.
    let zero: TensorView
    let none: TensorView
    /// What `addLogarithms` leaves.
    let sum: TensorView
    private let scratch: [TensorView]
    private let steps: TensorView
    private let step: TensorView
    private let isLonger: TensorView

    init(_ backend: any Backend, _ emissions: TensorView, skips: TensorView, lengths: TensorView) throws {
        self.backend = backend
        (time, batch, states) = (emissions.shape[0], emissions.shape[1], emissions.shape[2])
        let shape: Shape = [batch, states]
        func constant(_ value: Double, _ dtype: DType? = nil) throws -> TensorView {
            let view = try backend.allocate([1, 1], dtype)
            backend.fill(view, with: value)
            return view.broadcast(to: shape)
        }
        zero = try constant(0)
        none = try constant(-.infinity)
        penalty = try backend.allocate(shape)
        backend.select(skips, zero, none, out: penalty)

        // How many states a sample has from each on: 1 and 2 at its end, none or less past it.
        let position = try backend.wholeNumbers(states)
        let rest = try backend.allocate(shape, .int32)
        backend.binary(
            .init(.subtract), lengths.sliced(axis: 1, 1..<2).broadcast(to: shape), position.broadcast(to: shape),
            out: rest)
        isInside = try backend.allocate(shape, .uint8)
        backend.binary(.init(.greater), rest, try constant(0, .int32), out: isInside)
        let isNear = try backend.allocate(shape, .int32)
        backend.binary(.init(.less), rest, try constant(3, .int32), out: isNear)
        backend.binary(.init(.greater), rest, try constant(0, .int32), out: rest)
        backend.binary(.init(.multiply), rest, isNear, out: rest)
        isEnd = try backend.allocate(shape, .uint8)
        backend.copy(rest, to: isEnd)

        steps = lengths.sliced(axis: 1, 0..<1)
        step = try backend.allocate([1, 1], .int32)
        isLonger = try backend.allocate([batch, 1], .uint8)
        sum = try backend.allocate(shape)
        scratch = [try backend.allocate(shape), try backend.allocate(shape), try backend.allocate(shape)]
    }

    /// sum = log (exp a + exp b + exp (c + penalty)).
    func addLogarithms(_ a: TensorView, _ b: TensorView, _ c: TensorView, penalty: TensorView) throws {
        let (largest, third, term) = (scratch[0], scratch[1], scratch[2])
        backend.binary(.init(.add), c, penalty, out: third)
        backend.binary(.init(.maximum), a, b, out: largest)
        backend.binary(.init(.maximum), largest, third, out: largest)
        // From -infinity itself nothing can be subtracted.
        backend.unary(.init(.clamp, a: -1e30, b: .infinity), largest, out: largest)
        for (index, value) in [a, b, third].enumerated() {
            let out = index == 0 ? sum : term
            backend.binary(.init(.subtract), value, largest, out: out)
            backend.unary(.init(.exponential), out, out: out)
            if index > 0 { backend.binary(.init(.add), sum, term, out: sum) }
        }
        backend.unary(.init(.logarithm), sum, out: sum)
        backend.binary(.init(.add), sum, largest, out: sum)
    }

    /// `x` for samples of more than `time` steps, else `y`.
    func select(whereLongerThan time: Int, _ x: TensorView, _ y: TensorView, out: TensorView) throws {
        backend.fill(step, with: Double(time))
        backend.binary(.init(.greater), steps, step.broadcast(to: steps.shape), out: isLonger)
        backend.select(isLonger.broadcast(to: x.shape), x, y, out: out)
    }
}

extension TensorView {
    /// [batch, states] of one time step.
    fileprivate func time(_ index: Int) -> TensorView {
        sliced(axis: 0, index..<index + 1).reshaped([shape[1], shape[2]])
    }
}
