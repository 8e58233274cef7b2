// The derivative of every elementwise function, as an expression. A function that is added does not compile before it has
// one here; with it, the second derivative and all others follow.
//
// A gradient of 0, as of a branch that was not selected, stays 0 where the slope is infinite or NaN.

extension ElementExpression {
    /// This gradient through `slope`: 0 where it is 0.
    fileprivate func through(_ slope: Self) -> Self { slope.applying(.init(.maskedProduct), self) }

    /// This gradient divided by `divisor`: 0 where it is 0.
    fileprivate func over(_ divisor: Self) -> Self { divisor.applying(.init(.maskedQuotient), self) }
}

extension UnaryOperation {
    /// The gradient for x, where `gradient` arrives at y = f(x); nil where it is 0 everywhere.
    func inputGradient(_ x: ElementExpression, _ y: ElementExpression, _ gradient: ElementExpression)
        -> ElementExpression?
    {
        typealias Element = ElementExpression
        let g = gradient
        switch kind {
        case .negate: return -g
        case .absolute: return .select(x .== 0, 0, g.through(x.sign()))
        case .sign, .isFinite: return nil
        case .exponential: return g.through(y)
        case .logarithm: return g.over(x)
        case .squareRoot: return 0.5 * g.over(y)
        case .reciprocalSquareRoot: return -0.5 * g.through(y * y * y)
        case .reciprocal: return -g.through(y).through(y)
        case .square: return 2 * g.through(x)
        case .power: return a == 0 ? nil : a * g.through(x.power(a - 1))
        case .sine: return g.through(x.cosine())
        case .cosine: return -g.through(x.sine())
        case .errorFunction: return 1.128_379_167_095_512_6 * g.through((-x.square()).exp())
        case .affine: return a * g
        case .clamp: return .select(x .== y, g, 0)
        case .sigmoid: return g.through(y * (1 - y))
        case .tanh: return g.through(1 - y * y)
        case .relu: return .select(y .<= 0, 0, g)
        case .leakyReLU: return .select(x .> 0, g, a * g)
        case .elu: return .select(x .> 0, g, a * g.through(x.exp()))
        case .silu:
            let s = x.sigmoid()
            return g.through(s * (1 + x * (-x).sigmoid()))
        case .gelu:
            let probability = 0.5 + 0.5 * (0.707_106_781_186_547_5 * x).errorFunction()
            return g.through(probability + 0.398_942_280_401_432_7 * x * (-0.5 * x.square()).exp())
        case .geluTanh:
            // With ½ (1 + tanh u) = σ(2u). Beyond ±20 the derivative is 0 or 1, and its factors would overflow.
            let c = x.clamped(to: -20...20)
            let u = 1.595_769_121_605_730_7 * c * (1 + 0.044715 * c.square())
            let slope = 1.595_769_121_605_730_7 * (1 + 0.134145 * c.square())
            return g.through(u.sigmoid() + c * u.sigmoid() * (-u).sigmoid() * slope)
        case .softplus: return g.through(x.sigmoid())
        case .selu:
            let scale = 1.050_700_987_355_480_5
            return .select(x .<= 0, scale * 1.673_263_242_354_377_2 * g.through(x.exp()), scale * g)
        case .celu: return .select(x .<= 0, g.through((x / a).exp()), g)
        case .mish:
            let t = x.softplus().tanh()
            return g.through(t + x * x.sigmoid() * (1 - t * t))
        case .logSigmoid: return g.through((-x).sigmoid())
        case .hardSigmoid: return .select((x .> -3) * (x .< 3), g / 6, 0)
        case .hardSwish: return .select(x .<= -3, 0, .select(x .< 3, g.through(x / 3 + 0.5), g))
        case .hardShrink, .softShrink: return .select(x.absolute() .<= Element(a), 0, g)
        case .threshold: return .select(x .<= Element(a), 0, g)
        case .softsign: return g.through((1 + x.absolute()).reciprocal().square())
        }
    }
}

extension BinaryOperation {
    /// The gradients for x and y, where `gradient` arrives at z = f(x, y); nil where one is 0 everywhere.
    func inputGradients(
        _ x: ElementExpression, _ y: ElementExpression, _ z: ElementExpression, _ gradient: ElementExpression
    ) -> (x: ElementExpression?, y: ElementExpression?) {
        let g = gradient
        switch kind {
        case .add: return (g, g)
        case .subtract: return (g, -g)
        case .multiply: return (g.through(y), g.through(x))
        case .divide: return (g.over(y), -g.over(y).through(z))
        case .power:
            // A power of 0 is 1 for every x, and a positive power of 0 is 0 for every exponent.
            return (
                .select(y .== 0, 0, g.through(y * x.power(y - 1))),
                .select((x .== 0) * (y .>= 0), 0, g.through(z * x.log()))
            )
        // Where both are equal, each receives half.
        case .maximum:
            return (
                .select(x .> y, g, .select(x .== y, 0.5 * g, 0)), .select(y .> x, g, .select(x .== y, 0.5 * g, 0))
            )
        case .minimum:
            return (
                .select(x .< y, g, .select(x .== y, 0.5 * g, 0)), .select(y .< x, g, .select(x .== y, 0.5 * g, 0))
            )
        case .equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual: return (nil, nil)
        case .prelu:
            return (.select(x .> 0, g, g.through(y)), .select(x .> 0, 0, g.through(x)))
        case .preluSlope: return (nil, .select(x .> 0, 0, g))
        case .preluWeightGradient: return (.select(x .> 0, 0, g.through(y)), .select(x .> 0, 0, g.through(x)))
        case .maskedProduct: return (y.through(g), g.through(x))
        case .maskedQuotient: return (-z.through(g.over(x)), g.over(x))
        case .sigmoidGradient, .tanhGradient, .reluGradient, .leakyReLUGradient, .eluGradient, .siluGradient,
            .geluGradient, .geluTanhGradient, .softplusGradient, .seluGradient, .celuGradient, .mishGradient,
            .logSigmoidGradient, .hardSigmoidGradient, .hardSwishGradient, .softsignGradient, .absoluteGradient,
            .insideGradient,
            .outsideGradient:
            stop("ElementFunction", "\(kind) has no derivative; use the function that it belongs to")
        }
    }
}
