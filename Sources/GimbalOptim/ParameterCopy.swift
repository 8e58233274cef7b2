/// Values for every element of some parameters, such as averages, laid out as an arena lays out its own.
///
/// Parameters stay where they are, and may move to another arena later: where they lie is looked up at each use.
final class ParameterCopy {
    let parameters: [Parameter]
    private let values: TensorView?
    private let offsets: [Int]

    /// Zeros. Where memory is refused, whoever uses them throws that.
    init(_ parameters: [Parameter]) {
        self.parameters = parameters
        var offsets: [Int] = []
        var end = 0
        for parameter in parameters {
            offsets.append(end)
            end += ParameterArena.stride(parameter.elementCount, parameter.weights.dtype)
        }
        self.offsets = offsets
        values = parameters.first.map { .filled([end], like: $0.weights, with: 0) }
    }

    /// By parameter.
    var named: [(name: String, view: TensorView)] {
        zip(parameters.uniqueNames, zip(parameters, offsets)).map { name, place in
            (name, slice(place.1, place.0.elementCount).reshaped(place.0.shape))
        }
    }

    /// The weights as they are, and the values for them, in as few stretches as both lie in.
    var pairs: [(live: TensorView, values: TensorView)] {
        var pairs: [(live: TensorView, values: TensorView)] = []
        var start = 0
        while start < parameters.count {
            let first = parameters[start]
            var end = start + 1
            while end < parameters.count, let arena = first.arena, parameters[end].arena === arena,
                parameters[end].arenaOffset - first.arenaOffset == offsets[end] - offsets[start]
            {
                end += 1
            }
            let count = offsets[end - 1] - offsets[start] + parameters[end - 1].elementCount
            let live = first.arena.map {
                $0.weights.sliced(axis: 0, first.arenaOffset..<first.arenaOffset + count)
            }
            let weights = live ?? first.weights.flattened
            // Whoever asks for both is going to copy one to the other.
            weights.noteChange(by: "an average of parameters")
            pairs.append((weights, slice(offsets[start], count)))
            start = end
        }
        return pairs
    }

    private func slice(_ offset: Int, _ count: Int) -> TensorView {
        values!.sliced(axis: 0, offset..<offset + count)
    }
}

extension TensorView {
    /// Elements of `value` where and of what type those of `other` are. Where memory is refused, whoever uses them throws that.
    static func filled(_ shape: Shape, like other: TensorView, with value: Double) -> TensorView {
        Tensor(repeating: value, shape, dtype: other.dtype, device: Device(backend: other.storage.backend)).view
    }
}
