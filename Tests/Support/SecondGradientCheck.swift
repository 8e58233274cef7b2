import GimbalNN

extension GradientCheck {
    /// Compares the gradients of a random projection of the gradients of `function` with central differences of them.
    ///
    /// The differences are of first gradients as training computes them; what is compared goes through passes that create
    /// graphs. So this also says that both give the same first gradient.
    public static func runSecond(
        _ inputs: [(values: [Double], shape: Shape)], _ function: ([Tensor]) throws -> Tensor
    ) throws -> GradientCheck {
        try withDevice(Device(backend: ReferenceBackend())) {
            let values = inputs.map { Tensor($0.values, $0.shape) }
            return try compareSecond(values) { try function($0) }
        }
    }

    /// The same for a module, whose parameters are varied beside the inputs; see `run(_:module:_:)`.
    public static func runSecond<M: Module>(
        _ inputs: [(values: [Double], shape: Shape)], module make: () -> M, _ function: (M, [Tensor]) throws -> Tensor
    ) throws -> GradientCheck {
        try withDevice(Device(backend: ReferenceBackend())) {
            let module = make()
            let parameters = module.parameters
            for (index, parameter) in parameters.enumerated() {
                let weight = spread(parameter.shape, low: -0.6 - 0.01 * Double(index), high: 0.7)
                parameter.assign(Tensor(weight.values, weight.shape))
            }
            let trained = parameters.filter(\.isTrainable)
            // Copies: the parameters change in place as they are varied.
            let values =
                try inputs.map { Tensor($0.values, $0.shape) }
                + trained.map { Tensor(try $0.value.doubles(), $0.shape) }
            return try compareSecond(values, trained.map(\.value)) { values in
                for (parameter, value) in zip(trained, values.dropFirst(inputs.count)) where value.node == nil {
                    parameter.assign(value)
                }
                return try function(module, [Tensor](values.prefix(inputs.count)))
            }
        }
    }

    /// - Parameters:
    ///   - values: where the gradients are compared.
    ///   - parameters: what `function` uses in place of the last of the values, where these are leaves already.
    private static func compareSecond(
        _ values: [Tensor], _ parameters: [Tensor] = [], _ function: ([Tensor]) throws -> Tensor
    ) throws -> GradientCheck {
        let count = values.count - parameters.count

        /// Gradients of the projected output at `values`, and what they are gradients for.
        func gradients(_ values: [Tensor], createsGraph: Bool) throws -> (gradients: [Tensor], leaves: [Tensor]) {
            let inputs = values.prefix(count).map { $0.requiringGradient() }
            let output = try function(inputs + values.dropFirst(count))
            let leaves = inputs + parameters
            let projection = Tensor(projectionWeights(output.elementCount), output.shape)
            return (
                try gradient(
                    of: (output * projection).sum(), withRespectTo: leaves, createsGraph: createsGraph, unused: .zeros),
                leaves
            )
        }
        func projected(_ gradients: [Tensor]) -> Tensor {
            gradients.enumerated().map { index, gradient in
                let weights = projectionWeights(gradient.elementCount + index).dropFirst(index)
                return (gradient * Tensor([Double](weights), gradient.shape)).sum()
            }.reduce(Tensor(0), +)
        }

        let (first, leaves) = try gradients(values, createsGraph: true)
        let second = try gradient(of: projected(first), withRespectTo: leaves, unused: .zeros)
        var result = GradientCheck(largestError: 0, place: "")
        let step = 1e-5
        for (index, value) in values.enumerated() {
            let analytic = try second[index].doubles()
            let elements = try value.doubles()
            for element in elements.indices {
                let sums = try [step, -step].map { change in
                    var moved = elements
                    moved[element] += change
                    var all = values
                    all[index] = Tensor(moved, value.shape)
                    return try projected(gradients(all, createsGraph: false).gradients).doubles()[0]
                }
                let numeric = (sums[0] - sums[1]) / (2 * step)
                let error = abs(analytic[element] - numeric) / max(1, abs(analytic[element]), abs(numeric))
                if !(error <= result.largestError) {
                    result = GradientCheck(
                        largestError: error,
                        place: "operand \(index) element \(element): \(analytic[element]) against \(numeric)")
                }
            }
        }
        return result
    }
}
