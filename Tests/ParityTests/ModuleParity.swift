import GimbalNN
import GimbalTestSupport
import Testing

/// One case of a fixture: a module's state, inputs, outputs and gradients, all under one name.
struct ModuleCase {
    let fixture: Fixture
    let name: String
    let device: Device

    func tensor(_ entry: String) throws -> Tensor { try fixture.tensor("\(name).\(entry)", on: device) }

    /// A mask as uint8.
    func mask(_ entry: String) throws -> Tensor { try tensor(entry).cast(to: .uint8) }

    var inputs: [Tensor] {
        get throws {
            let count = fixture.names.count { $0.hasPrefix("\(name).inputs.") }
            return try (0..<count).map { try tensor("inputs.\($0)").requiringGradient() }
        }
    }

    /// Sets the module's state, whose names and shapes must be PyTorch's.
    func load(into module: Module) throws {
        let names = fixture.names.filter { $0.hasPrefix("\(name).state.") }.map { $0.dropFirst(name.count + 7) }
        #expect(Set(module.stateParts.map(\.path)) == Set(names.map(String.init)), "state of \(name)")
        for (path, part) in module.stateParts {
            switch part {
            case .parameter(_, let parameter): parameter.assign(try tensor("state.\(path)"))
            case .buffer(_, let buffer):
                buffer.value.backend.copy(try tensor("state.\(path)").view, to: buffer.value.view)
            case .counter(_, let counter): counter.value = Int(try tensor("state.\(path)").item())
            case .module: break
            }
        }
    }

    /// Runs `body` and compares outputs to 1e-5, gradients of inputs and parameters to 1e-4, and the state after.
    func check(
        of piece: Piece, _ module: (Module)?, outputs tolerance: Double = 1e-5,
        gradients gradientTolerance: Double = 1e-4, _ body: ([Tensor]) throws -> Tensor
    ) throws {
        if let module { try load(into: module) }
        let inputs = try inputs
        let outputs = try body(inputs)
        try expectClose(outputs, try fixture.values("\(name).outputs"), tolerance, "outputs of \(name)", of: piece)
        let upstream = try tensor("upstream")
        let terms = try upstream.doubles().map(abs).max()
        try outputs.backward(gradient: upstream)
        for (index, input) in inputs.enumerated() {
            let gradient = try #require(input.gradient, "input \(index) of \(name) has no gradient")
            try expectClose(
                gradient, try fixture.values("\(name).gradients.inputs.\(index)"), gradientTolerance,
                "gradient of input \(index) of \(name)", of: piece, .gradients, terms: terms)
        }
        for parameter in module?.parameters ?? [] {
            let gradient = try #require(parameter.gradient, "\(parameter.name) of \(name) has no gradient")
            try expectClose(
                gradient, try fixture.values("\(name).gradients.\(parameter.name)"), gradientTolerance,
                "gradient of \(parameter.name) of \(name)", of: piece, .gradients)
        }
        for (path, part) in module?.stateParts ?? [] {
            guard fixture.names.contains("\(name).after.\(path)") else { continue }
            let expected = try fixture.values("\(name).after.\(path)")
            switch part {
            case .buffer(_, let buffer): try expectClose(buffer.value, expected, 1e-5, "\(path) of \(name)", of: piece)
            case .counter(_, let counter): #expect([Float(counter.value)] == expected, "\(path) of \(name)")
            default: break
            }
        }
    }
}
