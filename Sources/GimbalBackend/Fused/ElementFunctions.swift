// Functions of elements over the primitives: an operation for each instruction of the formula.

extension Backend {
    public func elementwise(
        _ function: ElementFunction, _ inputs: [TensorView], numbers: [Double], out: [TensorView]
    ) {
        elementwiseByPrimitives(function, inputs, numbers: numbers, out: out)
    }

    /// For backends that compile most functions, but not all.
    package func elementwiseByPrimitives(
        _ function: ElementFunction, _ inputs: [TensorView], numbers: [Double], out: [TensorView]
    ) {
        guard let shape = out.first?.shape, shape.elementCount > 0 else { return }
        let formula = function.formula
        reportingErrors {
            var values = [TensorView?](repeating: nil, count: formula.instructions.count)
            for (index, instruction) in formula.instructions.enumerated() {
                // What is the same for all elements is computed once.
                let own: Shape = formula.isUniform[index] ? [] : shape
                func operand(_ place: Int) -> TensorView { values[place]!.broadcast(to: own) }
                func result(_ compute: (TensorView) throws -> Void) throws -> TensorView {
                    let view = try allocate(own)
                    try compute(view)
                    return view
                }
                values[index] =
                    switch instruction {
                    case .input(let input):
                        // Whole numbers are computed with as real ones. What goes to an output unchanged is kept, as that
                        // output may be another input.
                        inputs[input].dtype.isFloatingPoint && !formula.outputs.contains(index)
                            ? inputs[input] : try result { copy(inputs[input], to: $0) }
                    case .number(let number): try result { fill($0, with: numbers[number]) }
                    case .constant(let bits): try result { fill($0, with: Double(bitPattern: bits)) }
                    case .unary(let operation, let x): try result { unary(operation, operand(x), out: $0) }
                    case .binary(let operation, let x, let y):
                        try result { binary(operation, operand(x), operand(y), out: $0) }
                    case .select(let condition, let x, let y):
                        try result { view in
                            let zero = try allocate([])
                            let mask = try allocate(own, .uint8)
                            fill(zero, with: 0)
                            binary(.init(.notEqual), operand(condition), zero.broadcast(to: own), out: mask)
                            select(mask, operand(x), operand(y), out: view)
                        }
                    }
                for place in instruction.operands where formula.lastUse[place] == index { values[place] = nil }
            }
            // Only now, as an output may be one of the inputs.
            for (place, view) in zip(formula.outputs, out) { copy(values[place]!.broadcast(to: shape), to: view) }
        }
    }
}
