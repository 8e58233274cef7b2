import Gimbal

extension Translator {
    /// `operation` of a value of type `dtype`. Where ONNX has no operator, or runtimes disagree about one, the formula is
    /// written out.
    func unary(_ operation: UnaryOperation, _ x: String, _ dtype: DType, _ step: PairedStep) throws -> String {
        let (a, b) = (operation.a, operation.b)
        func number(_ value: Double) throws -> String { try graph.scalar(value, dtype) }
        func apply(_ type: String, _ inputs: String..., with attributes: ONNXAttributeProto...) -> String {
            graph.add(type, inputs, attributes)
        }
        func affine(_ x: String, _ scale: Double, _ shift: Double) throws -> String {
            let scaled = scale == 1 ? x : scale == -1 ? apply("Neg", x) : apply("Mul", x, try number(scale))
            return shift == 0 ? scaled : apply("Add", scaled, try number(shift))
        }
        switch operation.kind {
        case .negate: return apply("Neg", x)
        case .absolute: return apply("Abs", x)
        case .sign: return apply("Sign", x)
        case .exponential: return apply("Exp", x)
        case .logarithm: return apply("Log", x)
        case .squareRoot: return apply("Sqrt", x)
        case .reciprocalSquareRoot: return apply("Reciprocal", apply("Sqrt", x))
        case .reciprocal: return apply("Reciprocal", x)
        case .square: return apply("Mul", x, x)
        case .power: return apply("Pow", x, try number(a))
        case .sine: return apply("Sin", x)
        case .cosine: return apply("Cos", x)
        case .errorFunction: return apply("Erf", x)
        case .affine: return try affine(x, a, b)
        case .clamp: return apply("Clip", x, try number(a), try number(b))
        case .isFinite: return mask(apply("Not", apply("Or", apply("IsNaN", x), apply("IsInf", x))), dtype)
        case .sigmoid: return apply("Sigmoid", x)
        case .tanh: return apply("Tanh", x)
        case .relu: return apply("Relu", x)
        case .leakyReLU: return apply("LeakyRelu", x, with: .real("alpha", a))
        case .elu: return apply("Elu", x, with: .real("alpha", a))
        case .silu: return apply("Mul", x, apply("Sigmoid", x))
        case .gelu:
            let bell = try affine(apply("Erf", try affine(x, 0.5.squareRoot(), 0)), 1, 1)
            return apply("Mul", try affine(x, 0.5, 0), bell)
        case .geluTanh:
            // tanh(√(2/π) (x + 0.044715 x³)) (Hendrycks and Gimpel 2016).
            let inner = apply("Mul", x, try affine(apply("Mul", x, x), 0.044715, 1))
            let bell = try affine(apply("Tanh", try affine(inner, (2 / Double.pi).squareRoot(), 0)), 1, 1)
            return apply("Mul", try affine(x, 0.5, 0), bell)
        case .softplus: return apply("Softplus", x)
        case .selu:
            return apply("Selu", x, with: .real("alpha", 1.6732632423543772), .real("gamma", 1.0507009873554805))
        case .celu: return apply("Celu", x, with: .real("alpha", a))
        case .mish: return apply("Mul", x, apply("Tanh", apply("Softplus", x)))
        case .logSigmoid: return apply("Neg", apply("Softplus", apply("Neg", x)))
        case .hardSigmoid: return hardSigmoid(x)
        case .hardSwish: return apply("Mul", x, hardSigmoid(x))
        case .hardShrink: return apply("Shrink", x, with: .real("lambd", a), .real("bias", 0))
        case .softShrink: return apply("Shrink", x, with: .real("lambd", a), .real("bias", a))
        case .threshold: return apply("Where", apply("LessOrEqual", x, try number(a)), try number(b), x)
        case .softsign: return apply("Softsign", x)
        }
    }

    private func hardSigmoid(_ x: String) -> String {
        graph.add("HardSigmoid", [x], [.real("alpha", 1.0 / 6), .real("beta", 0.5)])
    }
}
