/// The parameters of a run, or the units within them, as stretches of its arena, for norms and scaling of each.
package struct Segments {
    package enum Units {
        /// A stretch for each parameter.
        case parameters
        /// A stretch for each first index of a parameter of two axes or more: the incoming weights of one unit or
        /// filter. Parameters of one axis are one stretch, as Brock et al. (2021) have it.
        case outputs
    }

    /// int32 [count, 2].
    package let view: TensorView
    package let count: Int
    private let backend: any Backend

    /// - Throws: `GimbalError.outOfMemory`, and what the device reports.
    package init(_ run: ParameterRun, units: Units) throws {
        backend = run.weights.storage.backend
        let base = run.parameters[0].arenaOffset
        var bounds: [Int32] = []
        for parameter in run.parameters {
            let start = run.parameters.count == 1 ? 0 : parameter.arenaOffset - base
            let parts = units == .outputs && parameter.shape.rank > 1 ? parameter.shape[0] : 1
            let length = parts == 0 ? 0 : parameter.elementCount / parts
            for part in 0..<parts { bounds += [Int32(start + part * length), Int32(length)] }
        }
        count = bounds.count / 2
        view = try backend.uploadedIndices(bounds, [count, 2])
    }

    /// One norm for each stretch, shape [count].
    func norms(of x: TensorView, p: Double = 2) throws -> TensorView {
        let out = try backend.allocate([count], x.dtype)
        backend.segmentNorms(x, segments: view, p: p, out: out)
        return out
    }
}
