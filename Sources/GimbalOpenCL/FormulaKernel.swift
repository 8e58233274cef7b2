import GimbalBackend

/// The kernel of a formula, for operands of certain types and layouts: its text is written here and built as any other.
struct FormulaKernel {
    /// At most this many outputs and inputs.
    static let mostOperands = 16

    let formula: ElementFormula
    /// Outputs first.
    let operands: [Operand]
    /// 0 for contiguous views.
    let rank: Int
    let width: Int

    struct Operand {
        var dtype: DType
        /// Whether one element stands for all; among contiguous views only.
        var isSingle = false

        fileprivate var code: Int { Int(dtype.rawValue) << 1 | (isSingle ? 1 : 0) }
    }

    init(_ formula: ElementFormula, _ operands: [Operand], rank: Int, width: Int) {
        self.formula = formula
        self.operands = operands
        self.rank = rank
        self.width = width
    }

    var settings: [KernelKey.Setting] {
        let codes = operands.map(\.code)
        func packed(_ codes: ArraySlice<Int>) -> Int { codes.reversed().reduce(0) { $0 << 5 | $1 } }
        return [
            .formula(formula), .number(.operands, packed(codes.prefix(8))),
            .number(.moreOperands, packed(codes.dropFirst(8))), .number(.rank, rank), .number(.width, width),
        ]
    }

    /// The kernel that `settings` tell of, if they tell of any.
    init?(_ settings: [KernelKey.Setting]) {
        var formula: ElementFormula?
        var numbers: [KernelMacro: Int] = [:]
        for setting in settings {
            switch setting {
            case .formula(let value): formula = value
            case .number(let macro, let value): numbers[macro] = value
            default: break
            }
        }
        guard let formula else { return nil }
        let count = formula.outputs.count + formula.inputCount
        let operands = (0..<count).map { index in
            let code = numbers[index < 8 ? .operands : .moreOperands]! >> (index % 8 * 5) & 31
            return Operand(dtype: DType(rawValue: UInt8(code >> 1))!, isSingle: code & 1 == 1)
        }
        self.init(formula, operands, rank: numbers[.rank]!, width: numbers[.width]!)
    }

    // MARK: The text

    private var outputCount: Int { formula.outputs.count }

    private func name(_ operand: Int) -> String {
        operand < outputCount ? "out\(operand)" : "in\(operand - outputCount)"
    }

    var text: String {
        let hasNumbers = formula.numberCount > 0
        var lines: [String] = []
        if rank > 0 {
            lines.append("typedef struct { INDEX size[\(rank)]; INDEX stride[\(operands.count)][\(rank)]; } Axes;")
        }
        if hasNumbers { lines.append("typedef struct { float of[\(formula.numberCount)]; } Numbers;") }

        // The formula.
        let parameters =
            (0..<formula.inputCount).map { "const float in\($0)" } + (hasNumbers ? ["const Numbers numbers"] : [])
            + (0..<outputCount).map { "float *out\($0)" }
        lines.append("static inline void formula(\(parameters.joined(separator: ", "))) {")
        for (index, instruction) in formula.instructions.enumerated() {
            lines.append("    const float v\(index) = \(expression(instruction));")
        }
        for (output, index) in formula.outputs.enumerated() { lines.append("    *out\(output) = v\(index);") }
        lines.append("}")

        // The kernel.
        var arguments = operands.indices.map { index in
            let constant = index < outputCount ? "" : "const "
            return
                "__global \(constant)STORED(\(operands[index].dtype)) *\(name(index)), const ulong \(name(index))_offset"
        }
        if rank > 0 { arguments.append("const Axes axes") }
        if hasNumbers { arguments.append("const Numbers numbers") }
        arguments.append("const COUNT count")
        lines.append("__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void elementwise_formula(")
        lines.append("    " + arguments.joined(separator: ",\n    ") + ") {")
        for index in operands.indices { lines.append("    \(name(index)) += \(name(index))_offset;") }
        lines.append("    const COUNT first = (COUNT)get_global_id(0) * \(width);")
        lines.append("    if (first >= count) return;")
        lines += rank > 0 ? stridedBody : contiguousBody
        lines.append("}")
        return lines.joined(separator: "\n") + "\n"
    }

    private var stridedBody: [String] {
        var lines = ["    COUNT rest = first;", "    INDEX at[\(operands.count)];"]
        lines += operands.indices.map { "    at[\($0)] = 0;" }
        lines += [
            "#pragma unroll", "    for (int axis = \(rank - 1); axis >= 0; axis--) {",
            "        COUNT next = axis > 0 ? rest / (COUNT)axes.size[axis] : 0;",
            "        INDEX i = (INDEX)(rest - next * (COUNT)axes.size[axis]);", "        rest = next;",
        ]
        lines += operands.indices.map { "        at[\($0)] += i * axes.stride[\($0)][axis];" }
        return lines + ["    }"] + oneElement(indent: "    ") { "at[\($0)]" }
    }

    private var contiguousBody: [String] {
        var lines: [String] = []
        if width == 4 {
            lines.append("    if (first + 4 <= count) {")
            for index in outputCount..<operands.count {
                let (operand, name) = (operands[index], name(index))
                lines.append(
                    operand.isSingle
                        ? "        const float4 \(name)_values = (float4)((float)LOAD(\(operand.dtype), \(name), 0));"
                        : "        const float4 \(name)_values = LOAD4(\(operand.dtype), \(name) + first);")
            }
            for index in 0..<outputCount {
                lines.append("        float4 \(name(index))_values; float \(name(index))_value;")
            }
            for part in ["s0", "s1", "s2", "s3"] {
                let values = (outputCount..<operands.count).map { "\(name($0))_values.\(part)" }
                lines.append("        \(call(values))")
                for index in 0..<outputCount {
                    lines.append("        \(name(index))_values.\(part) = \(name(index))_value;")
                }
            }
            for index in 0..<outputCount {
                lines.append("        STORE4(\(operands[index].dtype), \(name(index))_values, \(name(index)) + first);")
            }
            lines += ["        return;", "    }"]
        }
        lines.append("    for (COUNT i = first; i < first + \(width) && i < count; i++) {")
        lines += oneElement(indent: "        ") { operands[$0].isSingle ? "0" : "i" }
        return lines + ["    }"]
    }

    /// Loads, computes and stores one element of each operand, at the place that `at` tells.
    private func oneElement(indent: String, at: (Int) -> String) -> [String] {
        let values = (outputCount..<operands.count).map {
            "(float)LOAD(\(operands[$0].dtype), \(name($0)), \(at($0)))"
        }
        return (0..<outputCount).map { "\(indent)float \(name($0))_value;" } + ["\(indent)\(call(values))"]
            + (0..<outputCount).map {
                "\(indent)STORE(\(operands[$0].dtype), \(name($0))_value, \(name($0)), \(at($0)));"
            }
    }

    private func call(_ values: [String]) -> String {
        let all =
            values + (formula.numberCount > 0 ? ["numbers"] : []) + (0..<outputCount).map { "&\(name($0))_value" }
        return "formula(\(all.joined(separator: ", ")));"
    }

    private func expression(_ instruction: ElementFormula.Instruction) -> String {
        switch instruction {
        case .input(let input): "in\(input)"
        case .number(let number): "numbers.of[\(number)]"
        case .constant(let bits): literal(Double(bitPattern: bits))
        case .unary(let operation, let x):
            "unary_\(operation.kind.rawValue)(v\(x), \(literal(operation.a)), \(literal(operation.b)))"
        case .binary(let operation, let x, let y):
            "binary_\(operation.kind.rawValue)(v\(x), v\(y), \(literal(operation.a)), \(literal(operation.b)))"
        case .select(let condition, let x, let y): "v\(condition) != 0.0f ? v\(x) : v\(y)"
        }
    }

    /// A float by its bits: exact, and NaN and infinity too.
    private func literal(_ value: Double) -> String { "as_float(0x\(String(Float(value).bitPattern, radix: 16))u)" }
}

extension OpenCLBackend {
    public func elementwise(
        _ function: ElementFunction, _ inputs: [TensorView], numbers: [Double], out: [TensorView]
    ) {
        let views = out + inputs
        guard let count = out.first?.elementCount, count > 0, supports("elementwise", views) else { return }
        let (sizes, strides) = collapseAxes(views)
        if sizes.count > largestRank {
            for i in 0..<sizes[0] {
                let slices = views.indices.map { slice(views[$0], sizes, strides[$0], i) }
                elementwise(
                    function, Array(slices.dropFirst(out.count)), numbers: numbers, out: Array(slices.prefix(out.count))
                )
            }
            return
        }
        let isContiguous = sizes.count == 1 && strides.allSatisfy { $0[0] == 1 || $0[0] == 0 }
        let isWide = needsWideIndex(views)
        let rank = isContiguous ? 0 : sizes.count
        let isVectorized =
            isContiguous
            && zip(views, strides).allSatisfy { view, strides in
                strides[0] == 0
                    || view.isAligned
                        && (view.dtype == .float32 || view.dtype.byteCount == 2 && !openCLDevice.isCPU)
            }
        let argumentBytes = views.count * 16 + (views.count + 1) * rank * 8 + numbers.count * 4 + 8
        guard views.count <= FormulaKernel.mostOperands, argumentBytes <= 1024 else {
            return elementwiseByPrimitives(function, inputs, numbers: numbers, out: out)
        }
        let kernel = FormulaKernel(
            function.formula,
            zip(views, strides).map { .init(dtype: $0.dtype, isSingle: isContiguous && $1[0] == 0) }, rank: rank,
            width: isVectorized ? 4 : 1)
        var arguments = views.map { KernelArgument.view($0) }
        if rank > 0 { arguments.append(.indices(sizes + strides.flatMap { $0 }, isWide: isWide)) }
        if !numbers.isEmpty { arguments.append(.floats(numbers)) }
        arguments.append(.index(count, isWide: isWide))
        let usesFloat64 = views.contains { $0.dtype == .float64 }
        launch(
            KernelKey(
                .elementwiseFormula,
                kernel.settings + [.flag(.wideIndex, isWide), .flag(.usesFloat64, usesFloat64)]),
            count: (count + kernel.width - 1) / kernel.width, arguments)
    }
}
