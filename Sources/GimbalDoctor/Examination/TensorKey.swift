/// What a tensor is known by within one pass: the operation that made it, or where it lies.
enum TensorKey: Hashable {
    case node(UInt64)
    case memory(ObjectIdentifier, offset: Int)

    init(_ tensor: Tensor) {
        self = tensor.node.map { .node($0.sequence) } ?? .memory(tensor)
    }

    static func memory(_ tensor: Tensor) -> TensorKey {
        .memory(ObjectIdentifier(tensor.view.storage), offset: tensor.view.byteOffset)
    }
}
