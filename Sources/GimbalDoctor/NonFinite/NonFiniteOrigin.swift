import Foundation

/// Where the first NaN or infinity of a step comes from, of those that reach its loss or a gradient.
public struct NonFiniteOrigin: Codable, Sendable, Equatable {
    /// In which part of a step it came up.
    public enum Place: String, Codable, Sendable {
        /// In the batch.
        case data
        /// In a parameter, before the step.
        case parameter
        /// In the result of an operation.
        case forward
        /// In a gradient that an operation hands on to one of its operands.
        case backward
    }

    /// An operand of the operation, as it came in.
    public struct Operand: Codable, Sendable, Equatable {
        /// The sizes of the axes.
        public var shape: [Int]
        /// The least finite element; nil of none.
        public var minimum: Double?
        /// The largest finite element; nil of none.
        public var maximum: Double?
        /// How many elements are infinite, such as those of a mask.
        public var infinityCount: Int
        /// How many elements are NaN.
        public var nanCount: Int
    }

    /// In which part of the step.
    public var place: Place
    /// The operation, as messages call it; of data and parameters, what they are.
    public var operation: String
    /// The path of the layer that it was called in; the name of a parameter; empty for the model itself and for data.
    public var layer: String
    /// Of a gradient: which operand it is for, counted from 0.
    public var operand: Int?
    /// The first element that is not finite, along each axis.
    public var index: [Int]
    /// Its value.
    public var value: String
    /// What the operation was given; of a gradient, what arrived at its result.
    public var operands: [Operand]

    /// Whether it is infinite, and not NaN.
    public var isInfinite: Bool { value != "nan" }
    /// The sample of the batch, where the first axis counts samples: that of data, and as a rule that of results.
    public var sample: Int? { place == .parameter ? nil : index.first }
}

extension NonFiniteOrigin: CustomStringConvertible {
    /// What happened and where, in a sentence without a full stop.
    public var description: String {
        let position = "[\(index.map(String.init).joined(separator: ", "))]"
        let inLayer = layer.isEmpty ? "" : " of \(layer)"
        switch place {
        case .data: return "the batch has \(value) at \(position) of \(operation)"
        case .parameter: return "the parameter \(layer) had \(value) at \(position) before the step"
        case .forward:
            return "\(operation)\(inLayer) gave \(value) at \(position)\(given("from"))"
        case .backward:
            return
                "the gradient of \(operation)\(inLayer) for its operand \(operand ?? 0) became \(value) at \(position)"
                + given("as there arrived")
        }
    }

    private func given(_ word: String) -> String {
        let ranges = operands.map { operand in
            let range =
                if let least = operand.minimum, let largest = operand.maximum {
                    "\(short(least))...\(short(largest))"
                } else {
                    "no finite number"
                }
            return range + (operand.infinityCount > 0 ? " and \(operand.infinityCount) infinities" : "")
                + (operand.nanCount > 0 ? " and \(operand.nanCount) NaN" : "")
        }
        return ranges.isEmpty ? "" : ", \(word) \(ranges.joined(separator: " and "))"
    }

    /// The origin as a cause of a run's failure.
    /// - Parameter step: whose loss was not finite.
    public func finding(step: Int) -> Finding {
        let signs = [SeenSign(.nonFinite, layers: layer.isEmpty ? [] : [layer], evidence: "\(self)")]
        switch place {
        case .data:
            return Finding(
                .nonFiniteInput, "sample \(sample ?? 0) of the batch of step \(step) is not finite", step: step,
                signs: signs, remedies: [.fillMissing])
        case .forward where operation == "log" || operation == "logarithm":
            return Finding(
                .unsafeLogarithm, "a logarithm was taken of 0 or less", layers: layer.isEmpty ? [] : [layer],
                step: step,
                signs: signs, remedies: [.lossOfLogits])
        // Of an overflow nobody knows yet what made numbers so large; NaN is where an operation has no value.
        case .forward where value == "nan", .backward where value == "nan":
            return Finding(
                .undefinedOperation, "\(self)", layers: layer.isEmpty ? [] : [layer], step: step, signs: signs,
                remedies: [.keepFromEdge, .lowerRate(by: 10), .clipping])
        default:
            return Finding(
                .unexplained, "\(self)", layers: layer.isEmpty ? [] : [layer], step: step, signs: signs,
                remedies: [.lowerRate(by: 10), .clipping])
        }
    }
}
