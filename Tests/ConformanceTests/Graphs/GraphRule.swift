import Gimbal
import GimbalNN

/// What a step of a graph may do: by which operands and numbers it is which call.
struct GraphRule: Sendable {
    let name: String
    /// How many earlier tensors it takes.
    let operands: Int
    /// How often it is drawn, compared with others.
    let weight: Int
    /// The call, from what the planner tells of its operands and decides by its numbers; nil where they do not fit.
    let plan: @Sendable (inout GraphPlanner) -> GraphPlan?

    init(
        _ name: String, _ operands: Int, weight: Int = 2, _ plan: @escaping @Sendable (inout GraphPlanner) -> GraphPlan?
    ) {
        (self.name, self.operands, self.weight, self.plan) = (name, operands, weight, plan)
    }
}

/// A call of an operation.
struct GraphPlan {
    /// As a test writes it, with $0, $1, … for the operands and then the step's own tensors, and $m for its module.
    var source: String
    /// As a test writes the module that it calls, with what makes it.
    var module: (source: String, make: () -> Module)?
    var compute: (_ tensors: [Tensor], _ module: Module?) -> Tensor

    /// A call that needs no module.
    init(_ source: String, _ compute: @escaping ([Tensor]) -> Tensor) {
        (self.source, self.compute) = (source, { tensors, _ in compute(tensors) })
    }

    /// A call of a module on tensors.
    init<M: Module>(
        _ moduleSource: String, _ source: String = "$m($0)", make: @escaping () -> M,
        _ compute: @escaping (M, [Tensor]) -> Tensor
    ) {
        self.source = source
        module = (moduleSource, make)
        self.compute = { tensors, module in compute(module as! M, tensors) }
    }
}

/// What a rule plans by: the operands' shapes, and numbers that are read one after the other as choices. Numbers of 0,
/// and those that are missing, choose the simplest.
struct GraphPlanner {
    /// Only their shapes and types are to be looked at: a plan must be the same on every device.
    let operands: [Tensor]
    /// Tensors that the call takes beside them, such as weights.
    private(set) var own: [(shape: [Int], values: Graph.Values, requiresGradient: Bool)] = []
    private var choices: [Int]
    private var next = 0

    init(_ operands: [Tensor], choices: [Int]) { (self.operands, self.choices) = (operands, choices) }

    func shape(_ index: Int) -> [Int] { operands[index].shape.sizes }
    func rank(_ index: Int) -> Int { operands[index].rank }
    func count(_ index: Int) -> Int { operands[index].elementCount }

    /// A number from 0..<bound.
    mutating func below(_ bound: Int) -> Int {
        defer { next += 1 }
        return bound <= 1 || next >= choices.count ? 0 : choices[next] % bound
    }
    mutating func flag() -> Bool { below(2) == 1 }
    mutating func among<Element>(_ elements: [Element]) -> Element { elements[below(elements.count)] }

    /// An axis of an operand, which has one.
    mutating func axis(_ index: Int = 0) -> Int { below(rank(index)) }

    /// Some axes of an operand, in order, or nil for all.
    mutating func axes(_ index: Int = 0) -> [Int]? {
        let bits = below(1 << min(rank(index), 4))
        return bits == 0 ? nil : (0..<rank(index)).filter { bits >> $0 & 1 == 1 }
    }

    /// A tensor of the call's own: its place among the tensors that the call is given.
    @discardableResult
    mutating func tensor(_ shape: [Int], _ values: Graph.Values = .real, requiresGradient: Bool = true) -> Int {
        own.append((shape, values, requiresGradient && values.dtype == nil))
        return operands.count + own.count - 1
    }
}
