import CGimbalLoops
import GimbalBackend

// Functions of elements: each instruction of the formula is a loop over a block of elements that stays in the cache.

/// Elements of a block. A dozen of them fill the first cache.
private let block = 512

extension CPUBackend {
    public func elementwise(
        _ function: ElementFunction, _ inputs: [TensorView], numbers: [Double], out: [TensorView]
    ) {
        guard let count = out.first?.elementCount, count > 0 else { return }
        for view in out { view.storage.noteWrite() }
        let views = out + inputs
        var sizes = [count]
        var strides = [[Int]](repeating: [1], count: views.count)
        if !views.allSatisfy(\.isContiguous) { (sizes, strides) = collapseAxes(views) }
        if sizes.count > 1 { orderAxes(&sizes, &strides) }
        require(sizes.count <= Int(gimbal_maximum_rank), "elementwise", "more than \(gimbal_maximum_rank) axes")
        let program = FormulaProgram(function.formula, views, strides.map { $0.last! }, out.count, self)

        let axis = sizes.indices.max { sizes[$0] < sizes[$1] }!
        let perIndex = max(count / sizes[axis] * program.cost, 1)
        let byteStrides = zip(views, strides).flatMap { view, strides in strides.map { $0 * view.dtype.byteCount } }
        let values = numbers.map { Float($0) } + program.constants
        divide(sizes[axis], grain: max(grain / perIndex, 1), alignment: perIndex > 16 ? 1 : 16) { range in
            var part = sizes
            part[axis] = range.count
            withUnsafeTemporaryAllocation(byteCount: max(program.slotCount, 1) * block * 4, alignment: 64) { scratch in
                let uniform = scratch.baseAddress!.assumingMemoryBound(to: Float.self)
                var bases: [UnsafeMutablePointer<CChar>?] = views.indices.map { view in
                    let start = range.lowerBound * byteStrides[view * sizes.count + axis]
                    return (views[view].pointer + start).assumingMemoryBound(to: CChar.self)
                }
                for slot in 0..<program.slotCount {
                    bases.append(
                        (scratch.baseAddress! + slot * block * 4).assumingMemoryBound(to: CChar.self))
                }
                // Numbers and constants lie in the first slots, one element of each.
                for (slot, value) in values.enumerated() { uniform[slot * block] = value }
                program.instructions.withUnsafeBufferPointer { instructions in
                    var formula = gimbal_formula(
                        instructions: instructions.baseAddress, instruction_count: Int32(instructions.count),
                        view_count: Int32(views.count), block: block)
                    gimbal_run_formula(&formula, Int32(part.count), part, byteStrides, &bases)
                }
            }
        }
    }
}

/// The instructions of a formula as loops over views and slots of scratch memory.
private struct FormulaProgram {
    private(set) var instructions: [gimbal_instruction] = []
    /// What the slots after those of the numbers hold from the start.
    private(set) var constants: [Float] = []
    private(set) var slotCount = 0
    /// How many cheap operations one element takes, roughly.
    private(set) var cost = 0

    /// Where an operand of a loop lies.
    private struct Place {
        var base: Int
        /// From one element to the next; 0 where all are one.
        var stride: Int
        /// Bytes from one element to the next for a view; 0 in a slot, which each block uses again.
        var step: Int
    }

    /// - Parameter strides: of each view along the innermost axis.
    init(_ formula: ElementFormula, _ views: [TensorView], _ strides: [Int], _ outputCount: Int, _ backend: CPUBackend)
    {
        let viewCount = views.count
        var places = [Place?](repeating: nil, count: formula.instructions.count)
        var free: [Int] = []
        // Numbers and constants keep their slots.
        for case .constant(let bits) in formula.instructions {
            constants.append(Float(Double(bitPattern: bits)))
        }
        var nextConstant = formula.numberCount
        slotCount = formula.numberCount + constants.count

        func slot() -> Place {
            if let slot = free.popLast() { return Place(base: slot, stride: 1, step: 0) }
            slotCount += 1
            return Place(base: viewCount + slotCount - 1, stride: 1, step: 0)
        }
        func viewPlace(_ view: Int) -> Place {
            let stride = strides[view]
            return Place(base: view, stride: stride, step: stride * views[view].dtype.byteCount)
        }
        let last = formula.instructions.count - 1
        for (index, instruction) in formula.instructions.enumerated() {
            var result: Place
            switch instruction {
            case .number(let number): result = Place(base: viewCount + number, stride: 0, step: 0)
            case .constant:
                result = Place(base: viewCount + nextConstant, stride: 0, step: 0)
                nextConstant += 1
            case .input(let input):
                let view = outputCount + input
                result = viewPlace(view)
                // What goes to an output unchanged is kept, as that output may be another input.
                let isKept = formula.outputs.contains(index)
                if isKept || views[view].dtype != .float32 || (strides[view] != 0 && strides[view] != 1) {
                    let source = result
                    result = slot()
                    if source.stride == 0 { result.stride = 0 }
                    add(backend.conversionLoop(views[view].dtype, .float32), [result, source])
                }
            case .unary, .binary, .select:
                let operands = instruction.operands.map { places[$0]! }
                // Slots that are read for the last time may be written at once: loops go element by element. Not where a
                // single element lies in them, which the first store would change for those after it.
                let isSingle = operands.allSatisfy { $0.stride == 0 }
                for (operand, place) in zip(instruction.operands, operands)
                where formula.lastUse[operand] == index && isReusable(operand, place, formula, viewCount) {
                    if !free.contains(place.base) && (place.stride == 1 || isSingle) { free.append(place.base) }
                }
                if index == last, formula.outputs.last == index, formula.outputs.count(where: { $0 == index }) == 1,
                    let output = formula.outputs.indices.last, views[output].dtype == .float32, !isSingle
                {
                    // The last result goes where it belongs.
                    result = viewPlace(output)
                } else {
                    result = slot()
                    if isSingle { result.stride = 0 }
                }
                let all = [result] + operands
                switch instruction {
                case .unary(let operation, _):
                    add(backend.loop(operation.kind), all, operation.a, operation.b, operation.kind.cost)
                case .binary(let operation, _, _):
                    add(backend.loop(operation.kind), all, operation.a, operation.b, operation.kind.cost)
                default: add(backend.chooseLoop, all)
                }
            }
            places[index] = result
        }
        for (output, index) in formula.outputs.enumerated() {
            let source = places[index]!
            if source.base == output { continue }
            add(backend.conversionLoop(.float32, views[output].dtype), [viewPlace(output), source])
        }
    }

    private func isReusable(_ operand: Int, _ place: Place, _ formula: ElementFormula, _ viewCount: Int) -> Bool {
        guard place.base >= viewCount else { return false }
        switch formula.instructions[operand] {
        case .number, .constant: return false
        default: return true
        }
    }

    private mutating func add(
        _ loop: gimbal_inner, _ places: [Place], _ a: Double = 0, _ b: Double = 0, _ cost: Int = 1
    ) {
        var instruction = gimbal_instruction()
        instruction.loop = loop
        instruction.operand_count = Int32(places.count)
        withUnsafeMutableBytes(of: &instruction.bases) { bases in
            for (index, place) in places.enumerated() {
                bases.storeBytes(of: Int32(place.base), toByteOffset: index * 4, as: Int32.self)
            }
        }
        withUnsafeMutableBytes(of: &instruction.strides) { strides in
            for (index, place) in places.enumerated() {
                strides.storeBytes(of: place.stride, toByteOffset: index * 8, as: Int.self)
            }
        }
        withUnsafeMutableBytes(of: &instruction.steps) { steps in
            for (index, place) in places.enumerated() {
                steps.storeBytes(of: place.step, toByteOffset: index * 8, as: Int.self)
            }
        }
        instruction.is_single = places.dropFirst().allSatisfy { $0.stride == 0 } && places[0].stride == 0
        (instruction.a, instruction.b) = (Float(a), Float(b))
        instructions.append(instruction)
        self.cost += cost
    }
}
