/// Stands between a container and the layers it calls, for as long as `observing` runs.
///
/// It is used by one task at a time, which is why it may be called sendable.
final class LayerObserver: @unchecked Sendable {
    @TaskLocal static var current: LayerObserver?

    /// Given a layer and its input, gives the layer's output.
    let body: (any Layer, Tensor) -> Tensor

    init(_ body: @escaping (any Layer, Tensor) -> Tensor) { self.body = body }
}

extension Layer {
    /// The layer's output, by way of the observer if there is one.
    func observed(_ input: Tensor) -> Tensor { LayerObserver.current?.body(self, input) ?? self(input) }
}
