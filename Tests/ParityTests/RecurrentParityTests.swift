import GimbalNN
import GimbalTestSupport
import Testing

/// Recurrent nets with PyTorch's own weight files: outputs and final states to 1e-5, gradients to 1e-4.
@Suite(.serialized) struct RecurrentParityTests {
    static let kinds: [RecurrentKind] = [.tanh, .relu, .lstm, .gru]

    private func net(_ kind: RecurrentKind, _ layers: Int, isBidirectional: Bool, isBatchFirst: Bool) -> RecurrentNet {
        switch kind {
        case .tanh, .relu:
            RNN(
                inputSize: 3, hiddenSize: 7, layers: layers, nonlinearity: kind == .tanh ? .tanh : .relu,
                isBatchFirst: isBatchFirst, isBidirectional: isBidirectional)
        case .lstm:
            LSTM(
                inputSize: 3, hiddenSize: 7, layers: layers, isBatchFirst: isBatchFirst,
                isBidirectional: isBidirectional)
        case .gru:
            GRU(
                inputSize: 3, hiddenSize: 7, layers: layers, isBatchFirst: isBatchFirst,
                isBidirectional: isBidirectional)
        }
    }

    private func piece(_ kind: RecurrentKind) -> Piece {
        .layer(kind == .lstm ? "LSTM" : kind == .gru ? "GRU" : "RNN")
    }

    @Test(arguments: devices) func nets(_ subject: BackendUnderTest) throws {
        let fixture = try Fixture("recurrent")
        let device = subject.device
        try withDevice(device) {
            for kind in Self.kinds {
                for (layers, isBidirectional, isBatchFirst) in [(2, true, false), (1, false, true)] {
                    let name = "\(kind)\(layers)"
                    let net = net(kind, layers, isBidirectional: isBidirectional, isBatchFirst: isBatchFirst)
                    try net.load(from: Fixture.path("recurrent-\(name)"))
                    for variant in ["full", "packed", "single"] {
                        try check(net, fixture, name, variant, device)
                    }
                }
            }
        }
    }

    private func check(
        _ net: RecurrentNet, _ fixture: Fixture, _ name: String, _ variant: String, _ device: Device
    ) throws {
        let (piece, prefix) = (piece(net.kind), "\(name).\(variant)")
        var input = try fixture.tensor("\(name).input", on: device)
        if variant == "single" { input = input.sliced(0..<1, axis: net.isBatchFirst ? 1 : 0) }
        input = input.requiringGradient()
        var state = RecurrentState(
            hidden: try fixture.tensor("\(name).initial.hidden", on: device).requiringGradient())
        if net.kind == .lstm {
            state.cell = try fixture.tensor("\(name).initial.cell", on: device).requiringGradient()
        }
        let lengths = variant == "packed" ? Tensor(try fixture.integers("lengths"), device: device) : nil
        net.zeroGradients()
        let (outputs, final) = net(input, state: state, lengths: lengths)

        var loss = Tensor(0, device: device)
        for (part, value) in [("outputs", outputs), ("hidden", final.hidden), ("cell", final.cell)] {
            guard let value else { continue }
            try expectClose(value, try fixture.values("\(prefix).\(part)"), 1e-5, "\(prefix) \(part)", of: piece)
            let arriving = try fixture.tensor("\(prefix).arriving.\(part)", on: device)
            loss = loss + (value * arriving.reshaped(value.shape)).sum()
        }
        try loss.backward()
        var gradients = [("input", input.gradient), ("hidden", state.hidden.gradient)]
        if let cell = state.cell { gradients.append(("cell", cell.gradient)) }
        gradients += net.parameters.map { ($0.name, $0.gradient) }
        for (part, gradient) in gradients {
            try expectClose(
                try #require(gradient), try fixture.values("\(prefix).gradients.\(part)"), 1e-4,
                "\(prefix) gradient of \(part)", of: piece, .gradients)
        }
    }

    @Test(arguments: devices) func cells(_ subject: BackendUnderTest) throws {
        let fixture = try Fixture("recurrent")
        let device = subject.device
        try withDevice(device) {
            let cells: [(String, Piece, RecurrentCell)] = [
                ("tanhcell", .layer("RNNCell"), RNNCell(inputSize: 3, hiddenSize: 7)),
                ("lstmcell", .layer("LSTMCell"), LSTMCell(inputSize: 3, hiddenSize: 7)),
                ("grucell", .layer("GRUCell"), GRUCell(inputSize: 3, hiddenSize: 7)),
            ]
            for (name, piece, cell) in cells {
                for parameter in cell.parameters {
                    parameter.assign(try fixture.tensor("\(name).\(parameter.name)", on: device))
                }
                let input = try fixture.tensor("\(name).input", on: device)
                var state = RecurrentState(hidden: try fixture.tensor("\(name).initial.hidden", on: device))
                if cell.kind == .lstm { state.cell = try fixture.tensor("\(name).initial.cell", on: device) }
                for _ in 0..<3 { state = cell(input, state) }
                try expectClose(state.hidden, try fixture.values("\(name).hidden"), 1e-5, name, of: piece)
                try state.hidden.sum().backward()
                for parameter in cell.parameters {
                    try expectClose(
                        try #require(parameter.gradient), try fixture.values("\(name).gradients.\(parameter.name)"),
                        1e-4, "\(name) gradient of \(parameter.name)", of: piece, .gradients)
                }
            }
        }
    }

    @Test(arguments: devices) func embedding(_ subject: BackendUnderTest) throws {
        let fixture = try Fixture("recurrent")
        let device = subject.device
        try withDevice(device) {
            let table = Embedding(11, 4, paddingIndex: 2)
            table.weight.assign(try fixture.tensor("embedding.weight", on: device))
            let outputs = table(Tensor(try fixture.integers("embedding.numbers"), [3, 5], device: device))
            let piece = Piece.layer("Embedding")
            try expectClose(outputs, try fixture.values("embedding.outputs"), 1e-6, "embedding", of: piece)
            try outputs.backward(gradient: try fixture.tensor("embedding.arriving", on: device))
            try expectClose(
                try #require(table.weight.gradient), try fixture.values("embedding.gradients"), 1e-5,
                "embedding's gradient", of: piece, .gradients)
        }
    }
}
