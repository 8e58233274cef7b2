extension Recipe {
    /// This recipe with a remedy applied; nil where the model has no place for it, or has it already.
    public func applying(_ remedy: Remedy) -> Recipe? {
        guard let change = remedy.change else { return nil }
        var recipe = self
        guard recipe.apply(change), recipe != self, (try? recipe.validate()) != nil else { return nil }
        return recipe
    }

    private mutating func apply(_ change: Remedy.Change) -> Bool {
        switch change {
        case .activation(let function):
            guard model.kind == .mlp else { return false }
            model.activation =
                switch function {
                case .relu: .relu
                case .leakyReLU: .leakyReLU
                case .gelu: .gelu
                case .selu: .selu
                case .tanh: .tanh
                }
            // Weights that suited the old function do not suit this one.
            model.initialization = function == .selu ? .lecunNormal : function == .tanh ? .xavierNormal : .heNormal
        case .initialization(let rule):
            model.initialization =
                switch rule {
                case .he: .heNormal
                case .xavier: .xavierNormal
                case .orthogonal: .orthogonal
                case .leCun: .lecunNormal
                case .unitVariance: .lsuv
                }
        case .normalization(let kind):
            guard model.kind == .mlp else { return false }
            model.normalization = kind == .batch ? .batch : .layer
        case .residualConnections:
            guard model.kind == .mlp || model.kind.isResNet else { return false }
            model.isResidual = true
        case .zeroInitializedBranches:
            guard model.kind.isResNet else { return false }
            model.startsAsIdentity = true
        case .width(let units):
            model.hidden = max(model.hidden, units)
        case .forgetGateBias(let bias):
            guard model.kind == .lstm else { return false }
            model.forgetGateBias = bias
        case .gatedCell:
            guard model.kind == .rnn else { return false }
            let gated = ModelSettings(
                kind: .lstm, inputShape: model.inputShape, outputs: model.outputs, task: model.task)
            let (hidden, layers) = (model.hidden, model.layers)
            model = gated
            (model.hidden, model.layers, model.forgetGateBias) = (hidden, layers, 1)
        case .standardization:
            // What a recipe makes of its data it makes of it when it is read.
            return false
        case .learningRate(let factor):
            training.learningRate = training.rate * factor
        case .clipping(let norm):
            training.clipNorm = min(training.clipNorm ?? .infinity, norm)
        }
        return true
    }
}
