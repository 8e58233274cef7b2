/// What an operation was told beside its operands: enough, together with them and the shapes of its results, to write it
/// down in another notation.
///
/// Tensors that an operation reads without a gradient, such as masks and indices, stand here.
package enum OperationDetails {
    /// The operation does not say what it computes.
    case unstated
    /// The host reads the elements of the operand; there is no result.
    case read
    /// The same elements in the same order.
    case identity
    /// The same elements in the type of the result.
    case conversion
    /// The same elements in row-major order in the shape of the result.
    case reshaping
    /// Axes in another order.
    case permutation([Int])
    /// Repeated to the shape of the result.
    case broadcasting
    /// A part of each axis that is named; the result may have other axes of size 1.
    case part([AxisPart])
    /// The second operand, repeated to `shape`, in place of a part of the first. `shape` is the part's; it may lack axes of
    /// size 1, or have more of them.
    case replacement([AxisPart], shape: Shape)
    /// One after the other along an axis.
    case concatenation(axis: Int)
    /// Within a border of one value; `before` and `after` name the width on every axis.
    case padding(before: [Int], after: [Int], value: Double)
    case unary(UnaryOperation)
    case binary(BinaryOperation)
    case function(ElementFunction, numbers: [Double])
    /// The first operand where the condition, uint8, is not 0, else the second.
    case selection(condition: Tensor)
    /// Over `axes`, which stay with size 1.
    case reduction(Reduction, axes: [Int])
    case matrixProduct
    /// Of [rows, inputs] with a weight of [outputs, inputs], and a bias where there is a third operand.
    case linear
    /// With a weight, and a bias where there is a third operand.
    case convolution(ConvolutionGeometry)
    case transposedConvolution(ConvolutionGeometry, outputPadding: [Int])
    case maximumPooling(PoolingGeometry)
    case averagePooling(PoolingGeometry, countsPadding: Bool)
    /// By given statistics.
    case batchNormalization(scale: Tensor?, shift: Tensor?, mean: Tensor, variance: Tensor, epsilon: Double)
    /// Over the last `axes` axes.
    case layerNormalization(axes: Int, scale: Tensor?, shift: Tensor?, epsilon: Double, centers: Bool)
    /// Along the last axis.
    case softmax(isLogarithmic: Bool)
    /// Rows of the first axis by number, int32 [count].
    case rows(indices: Tensor)
    /// Elements along an axis by number; int32 indices of the shape of the result.
    case elements(axis: Int, indices: Tensor)
    /// The second operand put, or added, where int32 indices of its shape name a place along an axis.
    case scattering(axis: Int, indices: Tensor, accumulates: Bool)
    /// The int32 places of the largest elements along the last axis, which goes.
    case placesOfLargest
    /// The int32 places that put an axis in order.
    case order(axis: Int, isDescending: Bool)
    case runningSum(axis: Int)
    /// The results are the states of all steps, the final state and an LSTM's final cell.
    case recurrence(RecurrenceDetails)
}

/// Elements `start`, `start + step`, … of an axis, `count` of them.
package struct AxisPart {
    package var axis: Int
    package var start: Int
    package var count: Int
    package var step = 1
}

/// One direction of one recurrent layer; see `Tensor.recurrent`.
package struct RecurrenceDetails {
    package var kind: RecurrentKind
    /// [steps, batch, inputSize].
    package var input: Tensor
    package var weights: RecurrentWeights
    package var hidden, cell, lengths, hiddenMask: Tensor?
    package var isReversed: Bool
}
