import Foundation

extension Recipe {
    /// This recipe with a remedy applied; nil where the model has no place for it, or has it already.
    /// - Parameters:
    ///   - remedy: what is to change.
    ///   - train: what the recipe is trained on, which tells how to standardise data that a program holds in memory; that of
    ///     tables is already. The recipe that comes out has it in `data.standardization`, to be applied to all parts.
    public func applying(_ remedy: Remedy, trainedOn train: (any SupervisedData)? = nil) -> Recipe? {
        remedy.change.flatMap { applying($0, trainedOn: train) }
    }

    /// This recipe with a change; nil as for a remedy.
    func applying(_ change: Remedy.Change, trainedOn train: (any SupervisedData)? = nil) -> Recipe? {
        var recipe = self
        guard recipe.apply(change, train), recipe != self, (try? recipe.validate()) != nil else { return nil }
        return recipe
    }

    private mutating func apply(_ change: Remedy.Change, _ train: (any SupervisedData)?) -> Bool {
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
            if let widths = model.widths {
                model.widths = widths.map { max($0, units) }
            } else {
                model.hidden = max(model.hidden, units)
            }
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
            guard data.kind == .samples, data.standardization == nil, let train = train as? Dataset else {
                return false
            }
            if data.name.isEmpty { data = DataRecord(train) }
            data.standardization = Standardization(fittedTo: train)
        case .learningRate(let factor):
            training.learningRate = spoken(training.rate * factor)
        case .weightDecay(let factor):
            training.weightDecay = spoken(training.weightDecay * factor)
        case .penalty(let factor):
            training.l1 = spoken(training.l1 * factor)
        case .momentum(let momentum):
            guard training.momentum > momentum else { return false }
            training.momentum = momentum
        case .dropout(let probability):
            if let dropouts = model.dropouts {
                model.dropouts = dropouts.map { min($0, probability) }
            } else {
                model.dropout = min(model.dropout, probability)
            }
        case .batchSize(let count):
            training.batchSize = max(training.batchSize, count)
        case .clipping(let norm):
            training.clipNorm = min(training.clipNorm ?? .infinity, norm)
        case .looserClipping(let norm):
            guard let limit = training.clipNorm, norm > limit else { return false }
            training.clipNorm = spoken(norm)
        }
        return true
    }
}

/// A number as people write it, to six digits: it is shown in a command.
private func spoken(_ value: Double) -> Double { Double(String(format: "%.6g", value)) ?? value }
