// The one way into every module.

extension Layer {
    /// Computes the layer's output: `layer(input)`.
    public func callAsFunction(_ input: Input) -> Output { entering(input) { forward($0) } }
}

extension Module {
    /// Runs `forward` on `input` as a call of this module: errors name it, observers and hooks see it, and its precision
    /// is in force.
    ///
    /// `layer(input)` does so by itself. A module that can be called in other ways too, with more inputs, enters each of
    /// them here:
    /// ```swift
    /// final class Scaled: Module, Layer {
    ///     func forward(_ input: Tensor) -> Tensor { input }
    ///     func callAsFunction(_ input: Tensor, by factor: Double) -> Tensor {
    ///         entering((input, factor)) { $0.0 * $0.1 }
    ///     }
    /// }
    /// ```
    public final func entering<Input, Output>(_ input: Input, _ forward: (Input) -> Output) -> Output {
        let place = placeOfCall()
        return LayerPath.$innermost.withValue(place) {
            guard !isWatched else { return attended(input, place, forward) }
            return forward(input)
        }
    }

    /// Whether calls are seen by anybody, so that what is between two modules must not vanish in one operation.
    final var isWatched: Bool { attachments != nil || ObserverScope.current != nil }

    /// Where this call happens. Finds the parts of the outermost module if this one is not known yet.
    private final func placeOfCall() -> LayerPlace {
        if let place, !place.path.isEmpty { return place }
        return placeOfUnknown()
    }

    @inline(never)
    private final func placeOfUnknown() -> LayerPlace {
        guard let outer = LayerPath.place else {
            // The model itself.
            if place == nil { _ = tree }
            return place!
        }
        if place != nil, outer.root === self { return place! }
        // A part that is new to its model, or was called alone before.
        _ = (outer.root as? Module)?.tree
        if let place, !place.path.isEmpty { return place }
        // Made on the way, such as an activation without parameters.
        return LayerPlace(
            path: outer.path.joined(to: "\(type(of: self))"), type: type(of: self), root: outer.root)
    }

    @inline(never)
    private final func attended<Input, Output>(
        _ input: Input, _ place: LayerPlace, _ forward: (Input) -> Output
    ) -> Output {
        withoutActuallyEscaping(forward) { forward in
            let precision = attachments?.precision
            let call = LayerCall(module: self, path: place.path, input: input) { input in
                guard let input = input as? Input else {
                    stop("\(Self.self)", "a hook made its input a \(type(of: input)), not a \(Input.self)")
                }
                guard let precision else { return forward(input) }
                return withPrecision(precision) { forward(input) }
            }
            let watchers = ObserverScope.watchers + (attachments?.watchers ?? [])
            for watcher in watchers { watcher.before?(call) }
            call.repeatForward()
            for watcher in watchers.reversed() { watcher.after?(call) }
            guard let output = call.output as? Output else {
                let made = call.output.map { "a \(type(of: $0))" } ?? "nil"
                stop("\(Self.self)", "a hook made its output \(made), not a \(Output.self)")
            }
            call.end()
            return output
        }
    }
}
