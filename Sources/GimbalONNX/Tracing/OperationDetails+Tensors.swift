import Gimbal

extension OperationDetails {
    /// What the operation reads besides its operands, always in the same order.
    var tensors: [Tensor] {
        switch self {
        case .selection(let condition): [condition]
        case .batchNormalization(let scale, let shift, let mean, let variance, _):
            [scale, shift, mean, variance].compactMap { $0 }
        case .layerNormalization(_, let scale, let shift, _, _): [scale, shift].compactMap { $0 }
        case .rows(let indices), .elements(_, let indices), .scattering(_, let indices, _): [indices]
        case .recurrence(let details):
            [
                details.input, details.weights.input, details.weights.hidden, details.weights.inputBias,
                details.weights.hiddenBias, details.hidden, details.cell, details.lengths, details.hiddenMask,
            ].compactMap { $0 }
        case .unstated, .read, .identity, .conversion, .reshaping, .permutation, .broadcasting, .part, .replacement,
            .concatenation, .padding, .unary, .binary, .function, .reduction, .matrixProduct, .linear, .convolution,
            .transposedConvolution, .maximumPooling, .averagePooling, .softmax, .placesOfLargest, .order, .runningSum:
            []
        }
    }
}
