import GimbalBackend

/// The text of a user's kernel for tensors of certain ranks: the head is written from its names.
struct CustomKernelSource {
    struct Key: Hashable {
        var id: Int
        /// Of the shapes that the body uses.
        var ranks: [Int]
    }

    private let kernel: CustomKernel
    /// The tensors whose shapes the body uses.
    private let shaped: [String]
    let shapes: [[Int]]

    init(_ kernel: CustomKernel, _ launch: CustomKernel.Launch) {
        self.kernel = kernel
        let named = zip(kernel.outputs + kernel.inputs, launch.outputs + launch.inputs)
            .filter { kernel.body.contains("\($0.0)_shape") }
        shaped = named.map(\.0)
        // A structure has one member at least.
        shapes = named.map { $0.1.shape.rank == 0 ? [1] : $0.1.shape.sizes }
    }

    var key: Key { Key(id: kernel.id, ranks: shapes.map(\.count)) }

    var text: String {
        var parameters: [String] = []
        var pointers: [String] = []
        for (names, type) in [(kernel.outputs, "__global float *"), (kernel.inputs, "__global const float *")] {
            for name in names {
                parameters.append("\(type)\(name)_storage, const ulong \(name)_offset, const ulong \(name)_count")
                pointers.append("\(type)const \(name) = \(name)_storage + \(name)_offset;")
            }
        }
        parameters += shaped.map { "const struct \(kernel.name)_\($0) \($0)_shape" }
        parameters += kernel.numbers.map { "const float \($0)" } + kernel.integers.map { "const int \($0)" }
        let structures = zip(shaped, shapes).map { "struct \(kernel.name)_\($0) { int of[\($1.count)]; };" }
        return
            ([kernel.header] + structures + [
                "__kernel __attribute__((reqd_work_group_size(\(kernel.groupSize), 1, 1))) void \(kernel.name)(",
                "    " + parameters.joined(separator: ",\n    ") + ") {",
            ] + pointers.map { "    " + $0 } + ["#line 1", kernel.body, "}"]).joined(separator: "\n") + "\n"
    }
}
