import Gimbal
internal import SwiftProtobuf

// Functions of two elements, formulas, selection and reductions; those of one element are in `UnaryFunctions`.

extension Translator {
    /// `mask`, of uint8, in the type that conditions of ONNX have.
    func condition(_ mask: String) -> String {
        if let known = conditions[mask] { return known }
        let condition = graph.add("Cast", [mask], [.integer("to", ONNXTensorProto.DataType.bool.rawValue)])
        conditions[mask] = condition
        return condition
    }

    /// A condition of ONNX as 0 and 1 in `dtype`.
    func mask(_ condition: String, _ dtype: DType) -> String {
        let mask = graph.add("Cast", [condition], [.integer("to", ONNXTensorProto.DataType(dtype).rawValue)])
        conditions[mask] = condition
        return mask
    }

    func binary(_ step: PairedStep, _ operation: BinaryOperation) throws {
        let (x, y, result) = (step.operands[0], step.operands[1], step.outputs[0].dtype)
        // Comparisons are of the operands' type, whatever that of the mask.
        let common =
            operation.kind.comparison == nil && operation.kind != .notEqual ? result : widest([x.dtype, y.dtype])
        define(
            step, as: try binary(operation, try value(x, as: common), try value(y, as: common), common, result, step))
    }

    private func widest(_ dtypes: [DType]) -> DType {
        dtypes.contains(.float64) ? .float64 : dtypes.contains(.float32) ? .float32 : dtypes[0]
    }

    /// `operation` of two values of type `dtype`, as a value of type `result`.
    func binary(
        _ operation: BinaryOperation, _ x: String, _ y: String, _ dtype: DType, _ result: DType, _ step: PairedStep
    ) throws -> String {
        if let comparison = operation.kind.comparison {
            return mask(graph.add(comparison, [x, y]), result)
        }
        switch operation.kind {
        case .add: return graph.add("Add", [x, y])
        case .subtract: return graph.add("Sub", [x, y])
        case .multiply: return graph.add("Mul", [x, y])
        case .divide: return graph.add("Div", [x, y])
        case .power: return graph.add("Pow", [x, y])
        case .maximum: return graph.add("Max", [x, y])
        case .minimum: return graph.add("Min", [x, y])
        case .notEqual: return mask(graph.add("Not", [graph.add("Equal", [x, y])]), result)
        case .prelu:
            let isPositive = graph.add("Greater", [x, try graph.scalar(0, dtype)])
            return graph.add("Where", [isPositive, x, graph.add("Mul", [x, y])])
        case .equal, .less, .lessOrEqual, .greater, .greaterOrEqual, .sigmoidGradient, .tanhGradient, .reluGradient,
            .leakyReLUGradient, .eluGradient, .siluGradient, .geluGradient, .geluTanhGradient, .softplusGradient,
            .seluGradient, .celuGradient, .mishGradient, .logSigmoidGradient, .hardSigmoidGradient, .hardSwishGradient,
            .softsignGradient, .absoluteGradient, .insideGradient, .outsideGradient, .preluSlope, .preluWeightGradient,
            .maskedProduct, .maskedQuotient:
            throw step.refused("\(operation.kind.rawValue) belongs to gradients")
        }
    }

    func apply(_ step: PairedStep, _ function: ElementFunction, _ numbers: [Double]) throws {
        let dtype = step.outputs[0].dtype
        var results: [String] = []
        for instruction in function.formula.instructions {
            let result =
                switch instruction {
                case .input(let index): try value(step.operands[index], as: dtype)
                case .number(let index): try graph.scalar(numbers[index], dtype)
                case .constant(let bits): try graph.scalar(Double(bitPattern: bits), dtype)
                case .unary(let operation, let x): try unary(operation, results[x], dtype, step)
                case .binary(let operation, let x, let y):
                    try binary(operation, results[x], results[y], dtype, dtype, step)
                case .select(let condition, let x, let y):
                    graph.add("Where", [self.condition(results[condition]), results[x], results[y]])
                }
            results.append(result)
        }
        // Where the formula gives a constant, or one operand as it is, the result is repeated all the same.
        for (output, place) in zip(step.outputs, function.formula.outputs) {
            let isUniform = function.formula.isUniform[place]
            let result = results[place]
            define(output, as: isUniform ? try expanded(result, [], output.sizes) : try broadcast(result, step, output))
        }
    }

    /// A result of a formula that may not read all operands, in the shape that all of them have in common.
    private func broadcast(_ result: String, _ step: PairedStep, _ output: Paired) throws -> String {
        step.operands.allSatisfy { $0.sizes == output.sizes }
            ? result : graph.add("Expand", [result, try shape(output.sizes)])
    }

    func select(_ step: PairedStep, condition: Paired) throws {
        let dtype = step.outputs[0].dtype
        let condition = self.condition(try value(condition))
        let (x, y) = (try value(step.operands[0], as: dtype), try value(step.operands[1], as: dtype))
        define(step, as: graph.add("Where", [condition, x, y]))
    }

    func reduce(_ step: PairedStep, _ reduction: Reduction, _ axes: [Int]) throws {
        let x = try value(step.operands[0], as: step.outputs[0].dtype)
        define(step, as: axes.isEmpty ? x : try reduced(x, reduction, axes))
    }

    /// `reduction` of a value over `axes`, which stay with size 1.
    func reduced(_ value: String, _ reduction: Reduction, _ axes: [Int]) throws -> String {
        let type =
            switch reduction {
            case .sum: "ReduceSum"
            case .product: "ReduceProd"
            case .maximum: "ReduceMax"
            case .minimum: "ReduceMin"
            }
        return graph.add(type, [value, try graph.integers(axes)], [.integer("keepdims", 1)])
    }
}

extension BinaryOperation.Kind {
    /// The operator whose result is a condition; nil for other functions, and for `notEqual`, which is made of two.
    fileprivate var comparison: String? {
        switch self {
        case .equal: "Equal"
        case .less: "Less"
        case .lessOrEqual: "LessOrEqual"
        case .greater: "Greater"
        case .greaterOrEqual: "GreaterOrEqual"
        default: nil
        }
    }
}
