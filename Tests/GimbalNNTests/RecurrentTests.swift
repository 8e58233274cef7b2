import GimbalNN
import GimbalTestSupport
import Testing

/// Gradients of the recurrent nets against central differences, and what the nets promise beside their formulas.
@Suite struct RecurrentTests {
    static func make(
        _ kind: RecurrentKind, _ inputSize: Int, _ hiddenSize: Int, layers: Int = 1, hasBias: Bool = true,
        isBatchFirst: Bool = false, dropout: Double = 0, isBidirectional: Bool = false,
        variational: VariationalDropout = .none
    ) -> RecurrentNet {
        switch kind {
        case .tanh, .relu:
            RNN(
                inputSize: inputSize, hiddenSize: hiddenSize, layers: layers,
                nonlinearity: kind == .tanh ? .tanh : .relu, hasBias: hasBias, isBatchFirst: isBatchFirst,
                dropout: dropout, isBidirectional: isBidirectional, variationalDropout: variational)
        case .lstm:
            LSTM(
                inputSize: inputSize, hiddenSize: hiddenSize, layers: layers, hasBias: hasBias,
                isBatchFirst: isBatchFirst, dropout: dropout, isBidirectional: isBidirectional,
                variationalDropout: variational)
        case .gru:
            GRU(
                inputSize: inputSize, hiddenSize: hiddenSize, layers: layers, hasBias: hasBias,
                isBatchFirst: isBatchFirst, dropout: dropout, isBidirectional: isBidirectional,
                variationalDropout: variational)
        }
    }

    static func piece(_ kind: RecurrentKind) -> Piece {
        .layer(kind == .lstm ? "LSTM" : kind == .gru ? "GRU" : "RNN")
    }

    /// Outputs and final states as one tensor.
    private func everything(_ result: (outputs: Tensor, state: RecurrentState)) -> Tensor {
        let parts = [result.outputs, result.state.hidden, result.state.cell].compactMap { $0?.flattened() }
        return .concatenated(parts)
    }

    @Test(arguments: RecurrentKind.allCases) func gradients(_ kind: RecurrentKind) throws {
        try withEvery("layers, both directions", in: [(1, false), (2, true)]) { layers, isBidirectional in
            let places = layers * (isBidirectional ? 2 : 1)
            let shape: Shape = [places, 2, 3]
            var inputs = [spread([4, 2, 2]), spread(shape, low: -0.9, high: 1)]
            if kind.hasCell { inputs.append(spread(shape, low: -1.1, high: 0.8)) }
            try expectGradient(
                of: Self.piece(kind), inputs, "\(kind), \(places) directions",
                module: { Self.make(kind, 2, 3, layers: layers, isBidirectional: isBidirectional) }
            ) { net, inputs in
                everything(net(inputs[0], state: RecurrentState(hidden: inputs[1], cell: inputs.dropFirst(2).first)))
            }
        }
    }

    @Test(arguments: RecurrentKind.allCases) func gradientsWithLengthsAndMasks(_ kind: RecurrentKind) throws {
        try expectGradient(
            of: Self.piece(kind), [spread([4, 5, 2])], "\(kind), lengths",
            module: { Self.make(kind, 2, 3, isBidirectional: true) }
        ) { net, inputs in
            everything(net(inputs[0], lengths: Tensor([4, 1, 0, 3, 2] as [Int32])))
        }
        try expectGradient(
            of: Self.piece(kind), [spread([2, 4, 2])], "\(kind), batch first, no bias, dropped out",
            module: {
                Self.make(
                    kind, 2, 3, layers: 2, hasBias: false, isBatchFirst: true, dropout: 0.3,
                    variational: VariationalDropout(input: 0.2, hidden: 0.4))
            }
        ) { net, inputs in withGenerator(RandomGenerator(seed: 3)) { net(inputs[0]) } }
    }

    @Test(arguments: RecurrentKind.allCases) func noStepsAndNoSequences(_ kind: RecurrentKind) throws {
        let net = Self.make(kind, 2, 3)
        let start = RecurrentState(
            hidden: Tensor([1, 2, 3], [1, 1, 3]).requiringGradient(),
            cell: kind.hasCell ? Tensor([4, 5, 6], [1, 1, 3]) : nil)
        let none = net(.zeros([0, 1, 2]), state: start)
        #expect(none.outputs.shape == [0, 1, 3])
        let values = try none.state.hidden.floats()
        #expect(values == [1, 2, 3])
        try none.state.hidden.sum().backward()
        let gradient = try start.hidden.gradient?.floats()
        #expect(gradient == [1, 1, 1])

        let empty = net(Tensor.zeros([4, 0, 2]).requiringGradient(), state: nil)
        #expect(empty.outputs.shape == [4, 0, 3])
        #expect(empty.state.hidden.shape == [1, 0, 3])
        try empty.outputs.sum().backward()
        let weights = try net.parameters[0].gradient?.floats()
        #expect(weights?.allSatisfy { $0 == 0 } == true)
    }

    /// A stream in two pieces with the state carried over gives what it gives as one, and no gradient crosses the cut.
    @Test(arguments: RecurrentKind.allCases) func truncatedBackpropagation(_ kind: RecurrentKind) throws {
        let net = Self.make(kind, 2, 5, layers: 2)
        let stream = Tensor.normal([7, 3, 2])
        let whole = net(stream, state: nil)
        let first = net(stream.sliced(0..<4), state: nil)
        let second = net(stream.sliced(4..<7), state: first.state.detached())
        let expected = try whole.outputs.floats()
        let pieces = try Tensor.concatenated([first.outputs, second.outputs]).floats()
        for (x, y) in zip(expected, pieces) { #expect(abs(x - y) < 1e-6) }
        #expect(!first.state.detached().hidden.requiresGradient)
        let early = stream.sliced(0..<4).requiringGradient()
        let carried = net(early, state: nil).state.detached()
        try net(stream.sliced(4..<7), state: carried).outputs.sum().backward()
        #expect(early.gradient == nil)
    }

    /// One mask for all steps: what is dropped in the first is dropped in every one.
    @Test func variationalMasksStay() throws {
        let net = RNN(
            inputSize: 6, hiddenSize: 6, nonlinearity: .relu, hasBias: false,
            variationalDropout: VariationalDropout(input: 0.5),
            initialization: RecurrentInitialization(
                inputWeight: Initializer("identity") { shape, _, device in
                    Tensor(
                        (0..<shape.elementCount).map { $0 / shape[1] == $0 % shape[1] ? 1 : 0 }, shape, device: device)
                }, hiddenWeight: .zeros))
        let outputs = try net(.ones([5, 4, 6])).floats()
        for step in 0..<5 { #expect(Array(outputs[step * 24..<(step + 1) * 24]) == Array(outputs[..<24])) }
        #expect(Set(outputs) == [0, 2])
        net.setMode(.evaluation)
        let plain = try net(.ones([5, 4, 6])).floats()
        #expect(plain.allSatisfy { $0 == 1 })
    }

    @Test func parametersAreNamedAsPyTorchs() throws {
        let net = LSTM(inputSize: 3, hiddenSize: 4, layers: 2, isBidirectional: true)
        let names = net.parameters.map(\.name)
        let kinds = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]
        #expect(
            names == ["l0", "l0_reverse", "l1", "l1_reverse"].flatMap { place in kinds.map { "\($0)_\(place)" } })
        #expect(net.parameters[8].shape == [16, 8])
        #expect(GRUCell(inputSize: 2, hiddenSize: 3).parameters.map(\.name) == kinds)
    }

    @Test func initialization() throws {
        let net = LSTM(
            inputSize: 3, hiddenSize: 8,
            initialization: RecurrentInitialization(hiddenWeight: .orthogonal(), forgetGateBias: 1))
        let hidden = net.parameters[1].value
        for gate in 0..<4 {
            let block = hidden.sliced(gate * 8..<(gate + 1) * 8)
            let product = try block.matrixMultiplied(by: block.transposed()).floats()
            for (index, value) in product.enumerated() { #expect(abs(value - (index % 9 == 0 ? 1 : 0)) < 1e-5) }
        }
        let sum = try (net.parameters[2].value + net.parameters[3].value).floats()
        #expect(sum[8..<16].allSatisfy { $0 == 1 })
        let standard = try LSTM(inputSize: 3, hiddenSize: 16).parameters.flatMap { try $0.value.floats() }
        #expect(standard.allSatisfy { abs($0) <= 0.25 } && standard.contains { abs($0) > 0.24 })
    }

    /// Cells, step by step, against the whole layer with the same weights.
    @Test(arguments: [RecurrentKind.tanh, .lstm, .gru]) func cells(_ kind: RecurrentKind) throws {
        let net = Self.make(kind, 2, 5)
        let cell: RecurrentCell =
            switch kind {
            case .lstm: LSTMCell(inputSize: 2, hiddenSize: 5)
            case .gru: GRUCell(inputSize: 2, hiddenSize: 5)
            default: RNNCell(inputSize: 2, hiddenSize: 5)
            }
        for (target, source) in zip(cell.parameters, net.parameters) { target.assign(source.value) }
        let stream = Tensor.normal([3, 4, 2])
        var state: RecurrentState?
        for step in 0..<3 { state = cell(stream.selecting(step), state) }
        let expected = try net(stream, state: nil).state.hidden.floats()
        let actual = try #require(state).hidden.floats()
        for (x, y) in zip(expected, actual) { #expect(abs(x - y) < 1e-6) }
        let name = kind == .lstm ? "LSTMCell" : kind == .gru ? "GRUCell" : "RNNCell"
        try expectGradient(
            of: .layer(name), [spread([2, 2]), spread([2, 3])],
            module: { () -> RecurrentCell in
                switch kind {
                case .lstm: LSTMCell(inputSize: 2, hiddenSize: 3)
                case .gru: GRUCell(inputSize: 2, hiddenSize: 3)
                default: RNNCell(inputSize: 2, hiddenSize: 3)
                }
            }
        ) { cell, inputs in
            cell(inputs[0], cell(inputs[0], RecurrentState(hidden: inputs[1]))).hidden
        }
    }

    @Test func embedding() throws {
        let table = Embedding(5, 3, paddingIndex: -1)
        #expect(table.paddingIndex == 4)
        let indices = Tensor([4, 0, 2, 4, 2, 7] as [Int32], [2, 3])
        let vectors = table(indices)
        #expect(vectors.shape == [2, 3, 3])
        let values = try vectors.floats()
        #expect(values[..<3] == [0, 0, 0] && values[15..<18].allSatisfy { $0.isNaN })
        try vectors.sum().backward()
        let gradient = try table.weight.gradient?.floats()
        #expect(gradient == [1, 1, 1, 0, 0, 0, 2, 2, 2, 0, 0, 0, 0, 0, 0])
        try expectGradient(of: .layer("Embedding"), [], module: { Embedding(4, 2) }) { table, _ in
            table(Tensor([3, 1, 3, 0] as [Int32], [2, 2]))
        }
    }
}
