// "Any real storage, float32 arithmetic": how a backend whose kernel takes float32 only keeps that rule for all others.

/// A view that an operation takes, and what it does with it; nil for one that is absent.
package enum Operand {
    /// Only reads it.
    case read(TensorView?)
    /// Writes all of it.
    case write(TensorView?)
    /// Reads what it holds, and writes it.
    case update(TensorView?)

    /// A gradient that is added to what its view holds, or replaces it.
    package static func gradient(_ destination: (view: TensorView, accumulates: Bool)?) -> Operand {
        destination?.accumulates ?? false ? .update(destination?.view) : .write(destination?.view)
    }

    fileprivate var view: TensorView? {
        switch self {
        case .read(let view), .write(let view), .update(let view): view
        }
    }
}

extension Backend {
    /// Whether all views are float32; `widening` is for the others.
    package func areFloat32(_ views: [TensorView?]) -> Bool {
        views.allSatisfy { $0.map { $0.dtype == .float32 } ?? true }
    }

    /// Calls `body` with float32 in place of every operand that is not: inputs are widened into temporary memory, and
    /// outputs rounded to nearest, ties to even, when it returns. Temporary views are contiguous.
    /// - Parameter body: takes the views in the order of `operands`.
    package func widening(_ operands: [Operand], _ body: ([TensorView?]) throws -> Void) {
        reportingErrors {
            let views = try operands.map { operand -> TensorView? in
                guard let view = operand.view, view.dtype != .float32 else { return operand.view }
                let wide = try allocate(view.shape, .float32)
                if case .write = operand { return wide }
                copy(view, to: wide)
                return wide
            }
            try body(views)
            for (operand, wide) in zip(operands, views) {
                if case .read = operand { continue }
                if let view = operand.view, let wide, view.dtype != .float32 { copy(wide, to: view) }
            }
        }
    }
}

extension Optional where Wrapped == (view: TensorView, accumulates: Bool) {
    /// The same destination in another view.
    package func replacing(_ view: TensorView?) -> (view: TensorView, accumulates: Bool)? {
        map { (view ?? $0.view, $0.accumulates) }
    }
}

extension RecurrentSequence {
    /// Gates, states, cells and masked states, which the sequence writes, and the hidden weight and the mask.
    package var views: [TensorView?] { [gates, states, cells, masked, hiddenWeight, hiddenMask] }

    /// The sequence with other views, in the order of `views`.
    package func replacingViews(_ views: [TensorView?]) -> RecurrentSequence {
        RecurrentSequence(
            kind, gates: views[0]!, states: views[1]!, cells: views[2], hiddenWeight: views[4]!, hiddenMask: views[5],
            masked: views[3], lengths: lengths, isReversed: isReversed)
    }
}

extension RecurrentStep {
    /// The step with other views: gates, hidden, cell, new hidden and new cell.
    package func replacingViews(_ views: [TensorView?]) -> RecurrentStep {
        RecurrentStep(
            kind, gates: views[0]!, hidden: views[1]!, cell: views[2], newHidden: views[3]!, newCell: views[4],
            lengths: lengths, index: index)
    }
}
