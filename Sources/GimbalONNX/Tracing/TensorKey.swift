import Gimbal

/// Where the elements of a tensor lie: two tensors of one key are the same elements in the same order. Whoever holds a key
/// holds its tensor too, so that nothing else comes to lie there.
struct TensorKey: Hashable {
    private let storage: ObjectIdentifier
    private let offset: Int
    private let sizes: [Int]
    private let strides: [Int]
    private let dtype: DType

    init(_ tensor: Tensor) {
        let view = tensor.view
        storage = ObjectIdentifier(view.storage)
        offset = view.offset
        sizes = view.shape.sizes
        // From one element of an axis to the next, where there is a next one.
        strides = zip(view.shape.sizes, view.strides).map { $0 == 1 ? 0 : $1 }
        dtype = view.dtype
    }
}
