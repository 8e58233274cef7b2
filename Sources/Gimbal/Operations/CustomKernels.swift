// A user's own kernels, called with tensors.

extension CustomKernel {
    /// The result of a kernel of one output; see `outputs(of:)`.
    public func callAsFunction(
        _ inputs: Tensor..., numbers: [Double] = [], integers: [Int] = [], shape: Shape? = nil, workItems: [Int]? = nil
    ) -> Tensor {
        require(outputs.count == 1, name, "has \(outputs.count) outputs; ask for them by outputs(of:)")
        return outputs(
            of: inputs, numbers: numbers, integers: integers, shapes: shape.map { [$0] }, workItems: workItems)[0]
    }

    /// Runs the kernel, or its closure where the tensors are on the CPU. The results are float32.
    ///
    /// A kernel has no gradient by itself: a backward pass that reaches it stops. Call it where nothing is recorded, inside of
    /// an operation whose gradient you give.
    /// - Parameters:
    ///   - inputs: as many as the kernel names. Where they are not float32, or not contiguous, they are copied first.
    ///   - numbers: as many as the kernel names.
    ///   - integers: as many as the kernel names.
    ///   - shapes: of the outputs; that of the first input unless given.
    ///   - workItems: along one to three axes; as many as the first output has elements unless given.
    public func outputs(
        of inputs: [Tensor], numbers: [Double] = [], integers: [Int] = [], shapes: [Shape]? = nil,
        workItems: [Int]? = nil
    ) -> [Tensor] {
        func expect(_ what: String, _ given: Int, _ names: [String]) {
            require(
                given == names.count, name,
                "takes \(names.count) \(what) (\(names.joined(separator: ", "))), not \(given)")
        }
        expect("tensors", inputs.count, self.inputs)
        expect("numbers", numbers.count, self.numbers)
        expect("integers", integers.count, self.integers)
        require(shapes != nil || !inputs.isEmpty, name, "without inputs, the outputs' shapes must be given")
        let shapes = shapes ?? [Shape](repeating: inputs[0].shape, count: outputs.count)
        expect("shapes of outputs", shapes.count, outputs)
        require((1...3).contains(workItems?.count ?? 1), name, "work-items lie along one to three axes")

        let device = inputs.isEmpty ? Device.current : Tensor.commonDevice("custom kernel", inputs)
        let operands = inputs.map { $0.detached().cast(to: .float32).contiguous() }
        let dtype = device.backend.realType
        var results: [Tensor] = []
        for shape in shapes.dropLast() {
            results.append(Tensor.make(shape, .float32, device, inputs: operands) { _, _ in })
        }
        let last = Tensor.make(shapes.last!, .float32, device, inputs: operands, filling: results) { backend, out in
            let outputs = results.map(\.view) + [out]
            backend.run(
                self,
                Launch(
                    inputs: operands.map(\.view), outputs: outputs, numbers: numbers, integers: integers,
                    workItems: workItems ?? [outputs[0].elementCount]))
        }
        results.append(last)
        return results.map { result in
            result.cast(to: dtype).recorded("custom kernel", inputs) { [name] _, _ in
                stop(name, "is a kernel without a gradient; call it inside of an operation whose gradient you give")
            }
        }
    }
}
