/// A function from elements of several tensors to elements of others, as a formula that every backend compiles into one
/// pass over memory: `Backend.elementwise` computes it.
///
/// ```swift
/// let swish = ElementFunction { x in x * x.sigmoid() }
/// let scaled = ElementFunction(inputs: 1, numbers: 1) { x, n in [n[0] * x[0].tanh()] }
/// ```
/// Two functions are equal where their formulas are; making one of a formula that was made before costs a look-up. Constants
/// are part of a formula, and each new one means a new kernel. Numbers are not: they are given with every call.
public struct ElementFunction: Sendable, Hashable {
    package let formula: ElementFormula
    /// The gradients for the inputs, where its maker gave them; see `withGradient`.
    private let givenGradient: ElementFormula?

    private init(_ formula: ElementFormula, givenGradient: ElementFormula? = nil) {
        self.formula = formula
        self.givenGradient = givenGradient
    }

    /// - Parameters:
    ///   - inputs: how many tensors it takes.
    ///   - numbers: how many numbers it takes beside them, the same for all elements.
    ///   - body: gives the outputs, one at least.
    public init(
        inputs: Int, numbers: Int = 0,
        _ body: (_ inputs: [ElementExpression], _ numbers: [ElementExpression]) -> [ElementExpression]
    ) {
        self.init(
            ElementFormula.of(
                body((0..<inputs).map { .init(.input($0)) }, (0..<numbers).map { .init(.number($0)) }),
                inputs: inputs, numbers: numbers))
    }

    /// A function of one tensor.
    public init(_ body: (_ x: ElementExpression) -> ElementExpression) {
        self.init(inputs: 1) { x, _ in [body(x[0])] }
    }

    /// A function of two tensors.
    public init(_ body: (_ x: ElementExpression, _ y: ElementExpression) -> ElementExpression) {
        self.init(inputs: 2) { x, _ in [body(x[0], x[1])] }
    }

    /// A function of three tensors.
    public init(_ body: (_ x: ElementExpression, _ y: ElementExpression, _ z: ElementExpression) -> ElementExpression) {
        self.init(inputs: 3) { x, _ in [body(x[0], x[1], x[2])] }
    }

    /// The same function with a gradient of its own, in place of the one that is worked out from the formula.
    /// - Parameter body: the gradients for the inputs, one for each, from the inputs, the numbers, and the gradients that
    ///   arrive at the outputs.
    public func withGradient(
        _ body: (_ inputs: [ElementExpression], _ numbers: [ElementExpression], _ arriving: [ElementExpression]) ->
            [ElementExpression]
    ) -> ElementFunction {
        let function = ElementFunction(inputs: inputCount + outputCount, numbers: numberCount) { inputs, numbers in
            body(Array(inputs.prefix(inputCount)), numbers, Array(inputs.dropFirst(inputCount)))
        }
        require(
            function.outputCount == inputCount, "withGradient",
            "\(function.outputCount) gradients for \(inputCount) inputs")
        return ElementFunction(formula, givenGradient: function.formula)
    }

    /// How many tensors the function takes.
    public var inputCount: Int { formula.inputCount }
    /// How many numbers it takes beside them.
    public var numberCount: Int { formula.numberCount }
    /// How many tensors it gives.
    public var outputCount: Int { formula.outputs.count }

    /// The function that gives the gradients for the inputs at `indices`, in this order. It takes the inputs, then the
    /// gradients that arrive at the outputs, and the same numbers.
    public func gradient(for indices: [Int]) -> ElementFunction {
        ElementFunction(givenGradient.map { $0.choosing(indices) } ?? formula.gradient(for: indices))
    }

    /// The function with only the outputs at `indices`.
    package func choosing(_ indices: [Int]) -> ElementFunction {
        ElementFunction(formula.choosing(indices))
    }
}

extension ElementFunction: CustomStringConvertible {
    /// The formula, step by step: `v1 = silu(v0)`.
    public var description: String { formula.description }
}

/// A formula as a list of instructions, each of which is computed from earlier ones. There is one of each formula in a
/// process, which lives as long: so backends can keep what they compiled under its number.
package final class ElementFormula: Sendable, Hashable, CustomStringConvertible {
    package enum Instruction: Hashable, Sendable {
        case input(Int)
        case number(Int)
        /// By its bits, so that -0 is not 0 and NaN equals itself.
        case constant(UInt64)
        case unary(UnaryOperation, Int)
        case binary(BinaryOperation, Int, Int)
        /// Where the first is not 0 the second, else the third.
        case select(Int, Int, Int)

        package var operands: [Int] {
            switch self {
            case .input, .number, .constant: []
            case .unary(_, let x): [x]
            case .binary(_, let x, let y): [x, y]
            case .select(let condition, let x, let y): [condition, x, y]
            }
        }
    }

    private struct Content: Hashable {
        var inputCount: Int
        var numberCount: Int
        var instructions: [Instruction] = []
        var outputs: [Int] = []
    }

    private let content: Content
    /// A number that no other formula has.
    package let id: Int
    /// Whether the value of each instruction is the same for all elements.
    package let isUniform: [Bool]
    /// The last instruction that reads the value of each; outputs are read to the end.
    package let lastUse: [Int]

    package var inputCount: Int { content.inputCount }
    package var numberCount: Int { content.numberCount }
    package var instructions: [Instruction] { content.instructions }
    /// The instructions whose values are the results.
    package var outputs: [Int] { content.outputs }

    private static let known = Lock<[Content: ElementFormula]>([:])
    private let gradients = Lock<[[Int]: ElementFormula]>([:])

    private init(_ content: Content, id: Int) {
        self.content = content
        self.id = id
        var isUniform: [Bool] = []
        var lastUse = Array(content.instructions.indices)
        for (index, instruction) in content.instructions.enumerated() {
            if case .input = instruction {
                isUniform.append(false)
            } else {
                isUniform.append(instruction.operands.allSatisfy { isUniform[$0] })
            }
            for operand in instruction.operands { lastUse[operand] = index }
        }
        for output in content.outputs { lastUse[output] = content.instructions.count }
        self.isUniform = isUniform
        self.lastUse = lastUse
    }

    package static func == (a: ElementFormula, b: ElementFormula) -> Bool { a === b }
    package func hash(into hasher: inout Hasher) { hasher.combine(id) }

    /// The formula that gives `outputs`.
    static func of(_ outputs: [ElementExpression], inputs: Int, numbers: Int) -> ElementFormula {
        require(!outputs.isEmpty, "ElementFunction", "a function gives one output at least")
        var content = Content(inputCount: inputs, numberCount: numbers)
        var places: [Instruction: Int] = [:]
        var placed: [ObjectIdentifier: Int] = [:]
        func place(_ expression: ElementExpression) -> Int {
            if let place = placed[expression.identity] { return place }
            let instruction: Instruction =
                switch expression.form {
                case .input(let index): .input(index)
                case .number(let index): .number(index)
                case .constant(let value): .constant(value.bitPattern)
                case .unary(let operation, let x): .unary(operation, place(x))
                case .binary(let operation, let x, let y): .binary(operation, place(x), place(y))
                case .select(let condition, let x, let y): .select(place(condition), place(x), place(y))
                }
            let found =
                places[instruction]
                ?? {
                    content.instructions.append(instruction)
                    return content.instructions.count - 1
                }()
            places[instruction] = found
            placed[expression.identity] = found
            return found
        }
        content.outputs = outputs.map(place)
        for case .input(let index) in content.instructions where index >= inputs {
            stop("ElementFunction", "an expression of another function's inputs")
        }
        for case .number(let index) in content.instructions where index >= numbers {
            stop("ElementFunction", "an expression of another function's numbers")
        }
        return known.withLock { known in
            if let formula = known[content] { return formula }
            let formula = ElementFormula(content, id: known.count)
            known[content] = formula
            return formula
        }
    }

    /// The value of each instruction as an expression.
    private var expressions: [ElementExpression] {
        var result: [ElementExpression] = []
        for instruction in instructions {
            let form: ElementExpression.Form =
                switch instruction {
                case .input(let index): .input(index)
                case .number(let index): .number(index)
                case .constant(let bits): .constant(Double(bitPattern: bits))
                case .unary(let operation, let x): .unary(operation, result[x])
                case .binary(let operation, let x, let y): .binary(operation, result[x], result[y])
                case .select(let condition, let x, let y): .select(result[condition], result[x], result[y])
                }
            result.append(ElementExpression(form))
        }
        return result
    }

    func choosing(_ indices: [Int]) -> ElementFormula {
        let expressions = expressions
        return .of(indices.map { expressions[outputs[$0]] }, inputs: inputCount, numbers: numberCount)
    }

    /// See `ElementFunction.gradient(for:)`.
    func gradient(for indices: [Int]) -> ElementFormula {
        if let known = gradients.withLock({ $0[indices] }) { return known }
        let values = expressions
        var arriving = [ElementExpression?](repeating: nil, count: instructions.count)
        func add(_ gradient: ElementExpression?, to place: Int) {
            guard let gradient else { return }
            arriving[place] = arriving[place].map { $0 + gradient } ?? gradient
        }
        for (number, output) in outputs.enumerated() {
            add(ElementExpression(.input(inputCount + number)), to: output)
        }
        for (index, instruction) in instructions.enumerated().reversed() {
            guard let gradient = arriving[index] else { continue }
            switch instruction {
            case .input, .number, .constant: break
            case .unary(let operation, let x):
                add(operation.inputGradient(values[x], values[index], gradient), to: x)
            case .binary(let operation, let x, let y):
                let both = operation.inputGradients(values[x], values[y], values[index], gradient)
                add(both.x, to: x)
                add(both.y, to: y)
            case .select(let condition, let x, let y):
                add(.select(values[condition], gradient, 0), to: x)
                add(.select(values[condition], 0, gradient), to: y)
            }
        }
        let results = indices.map { input in
            instructions.firstIndex(of: .input(input)).flatMap { arriving[$0] } ?? ElementExpression(0)
        }
        let formula = ElementFormula.of(results, inputs: inputCount + outputs.count, numbers: numberCount)
        gradients.withLock { $0[indices] = formula }
        return formula
    }

    package var description: String {
        func settings(_ a: Double, _ b: Double) -> String { a == 0 && b == 0 ? "" : b == 0 ? ", \(a)" : ", \(a), \(b)" }
        let lines = instructions.enumerated().map { index, instruction in
            let value =
                switch instruction {
                case .input(let input): "input \(input)"
                case .number(let number): "number \(number)"
                case .constant(let bits): "\(Double(bitPattern: bits))"
                case .unary(let operation, let x): "\(operation.kind)(v\(x)\(settings(operation.a, operation.b)))"
                case .binary(let operation, let x, let y):
                    "\(operation.kind)(v\(x), v\(y)\(settings(operation.a, operation.b)))"
                case .select(let condition, let x, let y): "v\(condition) ? v\(x) : v\(y)"
                }
            return "v\(index) = \(value)"
        }
        return (lines + ["→ " + outputs.map { "v\($0)" }.joined(separator: ", ")]).joined(separator: "\n")
    }
}
