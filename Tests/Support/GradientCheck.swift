import GimbalNN
import Testing

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

extension GradientCheck {
    /// The same for a module: the gradients of its parameters are checked beside those of the inputs.
    /// - Parameter make: the module, made anew for each evaluation on the reference backend; its parameters are set to
    ///   fixed values first.
    public static func run<M: Module>(
        _ inputs: [(values: [Double], shape: Shape)], module make: () -> M, _ function: (M, [Tensor]) throws -> Tensor
    ) throws -> GradientCheck {
        let device = Device(backend: ReferenceBackend())
        return try withDevice(device) {
            let module = make()
            let parameters = module.parameters
            let weights = parameters.enumerated().map { spread($1.shape, low: -0.6 - 0.01 * Double($0), high: 0.7) }
            for (parameter, weight) in zip(parameters, weights) {
                parameter.assign(Tensor(weight.values, weight.shape, device: device))
            }
            let leaves = inputs.map { Tensor($0.values, $0.shape, device: device).requiringGradient() }
            let output = try function(module, leaves)
            let projection = projectionWeights(output.elementCount)
            try (output * Tensor(projection, output.shape, device: device)).sum().backward()

            var result = GradientCheck(largestError: 0, place: "")
            let step = 1e-5
            func compare(_ name: String, _ gradient: Tensor?, _ values: [Double], _ set: ([Double]) throws -> [Tensor])
                throws
            {
                let analytic = try gradient?.doubles() ?? [Double](repeating: .nan, count: values.count)
                for element in values.indices {
                    let sums = try [step, -step].map { change in
                        var moved = values
                        moved[element] += change
                        let moving = try set(moved)
                        return zip(try withoutGradients { try function(module, moving).doubles() }, projection)
                            .reduce(0) { $0 + $1.0 * $1.1 }
                    }
                    let numeric = (sums[0] - sums[1]) / (2 * step)
                    let error = abs(analytic[element] - numeric) / max(1, abs(analytic[element]), abs(numeric))
                    if !(error <= result.largestError) {
                        result = GradientCheck(
                            largestError: error,
                            place: "\(name) element \(element): \(analytic[element]) against \(numeric)")
                    }
                }
                _ = try set(values)
            }
            let constants = leaves.map { $0.detached() }
            for (index, input) in inputs.enumerated() {
                try compare("input \(index)", leaves[index].gradient, input.values) { values in
                    var moved = constants
                    moved[index] = Tensor(values, input.shape, device: device)
                    return moved
                }
            }
            for (parameter, weight) in zip(parameters, weights) where parameter.isTrainable {
                try compare(parameter.name, parameter.gradient, weight.values) { values in
                    parameter.assign(Tensor(values, weight.shape, device: device))
                    return constants
                }
            }
            return result
        }
    }
}

/// Whether the gradients of a piece can be differentiated again.
public enum SecondGradient: Equatable {
    case exists
    /// And why not.
    case doesNotExist(String)
}

/// Expects the gradients of `function`, and those of its gradients, to agree with central differences, and notes it for the
/// table of pieces.
///
/// The tolerance lies five orders above the error that central differences leave in Double.
public func expectGradient(
    of piece: Piece, _ inputs: [(values: [Double], shape: Shape)], tolerance: Double = 1e-6, _ detail: String = "",
    second: SecondGradient = .exists, sourceLocation: SourceLocation = #_sourceLocation,
    _ function: ([Tensor]) throws -> Tensor
) throws {
    let check = try GradientCheck.run(inputs, function)
    report(check, piece, .differences, tolerance, detail, sourceLocation)
    guard second == .exists else { return }
    let again = try GradientCheck.runSecond(inputs, function)
    report(again, piece, .secondDifferences, tolerance, "second gradient, \(detail)", sourceLocation)
}

/// The same for a module and its parameters.
public func expectGradient<M: Module>(
    of piece: Piece, _ inputs: [(values: [Double], shape: Shape)], tolerance: Double = 1e-6, _ detail: String = "",
    second: SecondGradient = .exists, module: () -> M, sourceLocation: SourceLocation = #_sourceLocation,
    _ function: (M, [Tensor]) throws -> Tensor
) throws {
    let check = try GradientCheck.run(inputs, module: module, function)
    report(check, piece, .differences, tolerance, detail, sourceLocation)
    guard second == .exists else { return }
    let again = try GradientCheck.runSecond(inputs, module: module, function)
    report(again, piece, .secondDifferences, tolerance, "second gradient, \(detail)", sourceLocation)
}

private func report(
    _ check: GradientCheck, _ piece: Piece, _ kind: Ledger.Check, _ tolerance: Double, _ detail: String,
    _ location: SourceLocation
) {
    Ledger.record(piece, kind, on: "reference", error: check.largestError, tolerance: tolerance)
    #expect(check.largestError < tolerance, "\(piece) \(detail): \(check.place)", sourceLocation: location)
}

/// Fixed weights of either sign, none near 0, so that no output element can hide.
func projectionWeights(_ count: Int) -> [Double] {
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
