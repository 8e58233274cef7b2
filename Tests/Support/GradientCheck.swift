import Gimbal

/// What a finite-difference check found.
public struct GradientCheck {
    /// The largest |analytic - numeric| / max(1, |analytic|, |numeric|).
    public var largestError: Double
    /// Where it was found.
    public var place: String

    /// Compares the gradients of a random projection of `function` with central differences in Double.
    ///
    /// With step h = 1e-5, the truncation error is of order h² = 1e-10 and the rounding error of order ε / h = 2e-11.
    /// - Parameters:
    ///   - inputs: values and shapes; each element of each is varied.
    public static func run(
        _ inputs: [(values: [Double], shape: Shape)], _ function: ([Tensor]) throws -> Tensor
    ) throws -> GradientCheck {
        let device = Device(backend: ReferenceBackend())
        return try withDevice(device) {
            let leaves = inputs.map { Tensor($0.values, $0.shape).requiringGradient() }
            let output = try function(leaves)
            let weights = projectionWeights(output.elementCount)
            let projection = Tensor(weights, output.shape)
            try (output * projection).sum().backward()

            var result = GradientCheck(largestError: 0, place: "")
            let step = 1e-5
            for (index, input) in inputs.enumerated() {
                guard let gradient = leaves[index].gradient else {
                    return GradientCheck(largestError: .infinity, place: "input \(index) has no gradient")
                }
                let analytic = try gradient.doubles()
                for element in input.values.indices {
                    let values = try [step, -step].map { change in
                        let moved = inputs.enumerated().map { position, each in
                            var values = each.values
                            if position == index { values[element] += change }
                            return Tensor(values, each.shape)
                        }
                        return zip(try function(moved).doubles(), weights).reduce(0) { $0 + $1.0 * $1.1 }
                    }
                    let numeric = (values[0] - values[1]) / (2 * step)
                    let error =
                        abs(analytic[element] - numeric) / max(1, abs(analytic[element]), abs(numeric))
                    if !(error <= result.largestError) {
                        result = GradientCheck(
                            largestError: error,
                            place: "input \(index) element \(element): \(analytic[element]) against \(numeric)")
                    }
                }
            }
            return result
        }
    }
}

/// Fixed weights of either sign, none near 0, so that no output element can hide.
private func projectionWeights(_ count: Int) -> [Double] {
    (0..<count).map { index in
        let magnitude = 0.5 + Double((index * 37) % 101) / 101
        return index % 3 == 1 ? -magnitude : magnitude
    }
}

/// Distinct values in low...high in no order, with their shape.
public func spread(_ shape: Shape, low: Double = -2, high: Double = 2) -> (values: [Double], shape: Shape) {
    let values = (0..<shape.elementCount).map { index -> Double in
        let place = Double((index * 7919 + 13) % 10007) + 0.37
        return low + (high - low) * place / 10007
    }
    return (values, shape)
}
