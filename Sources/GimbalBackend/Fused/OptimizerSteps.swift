// The optimizer steps of `Backend.optimizerStep`, over the primitives.

extension Backend {
    public func optimizerStep(
        _ step: OptimizerStep, weights: TensorView, gradient: TensorView, states: [TensorView], condition: TensorView?
    ) {
        guard weights.elementCount > 0 else { return }
        reportingErrors {
            func elements(_ view: TensorView) -> Elements { Elements(backend: self, view: view.flattened) }
            let results = try step.results(
                elements(weights), gradient: elements(gradient), states: states.map(elements))
            for (view, result) in zip([weights] + states, results) {
                let view = view.flattened
                guard let condition else {
                    copy(result.view, to: view)
                    continue
                }
                let isGiven = try allocate([1], .uint8)
                let zero = try allocate([1])
                fill(zero, with: 0)
                binary(.init(.notEqual), condition.reshaped([1]), zero, out: isGiven)
                select(isGiven.broadcast(to: view.shape), result.view, view, out: view)
            }
        }
    }
}

extension OptimizerStep {
    /// New weights and states.
    fileprivate func results(_ weights: Elements, gradient: Elements, states: [Elements]) throws -> [Elements] {
        var w = try weights * shrinkage
        let g = try gradient + w * weightDecay
        func blended(_ state: Elements, _ value: Elements, _ beta: Double, _ blend: Double) throws -> Elements {
            try state * beta + value * blend
        }
        var s = states
        switch rule {
        case .approach: w = try w + (g - w) * rate
        case .descent: w = try w - g * rate
        case .momentum, .momentumStart:
            s[0] = try rule == .momentumStart ? g : blended(s[0], g, beta1, blend1)
            w = try w - s[0] * rate
        case .nesterov, .nesterovStart:
            s[0] = try rule == .nesterovStart ? g : blended(s[0], g, beta1, blend1)
            w = try w - (g + s[0] * beta1) * rate
        case .adagrad:
            s[0] = try s[0] + g.squared()
            w = try w - g / (s[0].root() + epsilon) * rate
        case .adadelta:
            s[0] = try blended(s[0], g.squared(), beta2, blend2)
            let d = try (s[1] + epsilon).root() / (s[0] + epsilon).root() * g
            s[1] = try blended(s[1], d.squared(), beta2, blend2)
            w = try w - d * rate
        case .rmsprop, .rmspropMomentum:
            s[0] = try blended(s[0], g.squared(), beta2, blend2)
            var d = try g / (s[0].root() + epsilon)
            if rule == .rmspropMomentum {
                s[1] = try s[1] * beta1 + d
                d = s[1]
            }
            w = try w - d * rate
        case .rmspropCentred, .rmspropCentredMomentum:
            s[0] = try blended(s[0], g.squared(), beta2, blend2)
            s[1] = try s[1] + (g - s[1]) * blend2
            var d = try g / ((s[0] - s[1].squared()).root() + epsilon)
            if rule == .rmspropCentredMomentum {
                s[2] = try s[2] * beta1 + d
                d = s[2]
            }
            w = try w - d * rate
        case .adam, .amsgrad, .nadam, .radam, .radamStart, .lamb:
            s[0] = try blended(s[0], g, beta1, blend1)
            s[1] = try blended(s[1], g.squared(), beta2, blend2)
            if rule == .amsgrad { s[2] = try s[2].maximum(s[1]) }
            let scale = try ((rule == .amsgrad ? s[2] : s[1]) * correction2).root() + epsilon
            switch rule {
            case .nadam: w = try w - (g * gradientRate + s[0] * rate) / scale
            case .radamStart: w = try w - s[0] * rate
            case .radam: w = try w - s[0] / (s[1].root() + epsilon) * rate
            case .lamb: s[2] = try s[0] / scale * rate + w * directionDecay
            default: w = try w - s[0] / scale * rate
            }
        case .adamax:
            s[0] = try blended(s[0], g, beta1, blend1)
            s[1] = try (s[1] * beta2).maximum(g.absolute() + epsilon)
            w = try w - s[0] / s[1] * rate
        case .lion:
            let d = try blended(s[0], g, beta1, blend1)
            s[0] = try blended(s[0], g, beta2, blend2)
            w = try w - d.sign() * rate
        }
        return [w] + s
    }
}

/// Elements on a device, with operators that write each result to new memory: formulas read as in the literature.
private struct Elements {
    let backend: any Backend
    let view: TensorView

    private func unary(_ operation: UnaryOperation) throws -> Elements {
        let out = try backend.allocate(view.shape, view.dtype)
        backend.unary(operation, view, out: out)
        return Elements(backend: backend, view: out)
    }

    private static func binary(_ kind: BinaryOperation.Kind, _ x: Elements, _ y: Elements) throws -> Elements {
        let out = try x.backend.allocate(x.view.shape, x.view.dtype)
        x.backend.binary(.init(kind), x.view, y.view, out: out)
        return Elements(backend: x.backend, view: out)
    }

    static func + (x: Elements, y: Elements) throws -> Elements { try binary(.add, x, y) }
    static func - (x: Elements, y: Elements) throws -> Elements { try binary(.subtract, x, y) }
    static func * (x: Elements, y: Elements) throws -> Elements { try binary(.multiply, x, y) }
    static func / (x: Elements, y: Elements) throws -> Elements { try binary(.divide, x, y) }
    static func + (x: Elements, y: Double) throws -> Elements { try x.unary(.init(.affine, a: 1, b: y)) }
    static func * (x: Elements, y: Double) throws -> Elements { try x.unary(.init(.affine, a: y)) }
    func maximum(_ other: Elements) throws -> Elements { try Elements.binary(.maximum, self, other) }
    func squared() throws -> Elements { try unary(.init(.square)) }
    func root() throws -> Elements { try unary(.init(.squareRoot)) }
    func absolute() throws -> Elements { try unary(.init(.absolute)) }
    func sign() throws -> Elements { try unary(.init(.sign)) }
}
