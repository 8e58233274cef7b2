extension SearchSpace {
    /// What is varied for a model unless something else is said: the rate around its own, L2, clipping, and what else the kind
    /// of model has: dropout, width, depth and initialisation.
    /// - Parameters:
    ///   - model: with the settings that are not varied.
    ///   - training: how it is trained, whose rate the middle is.
    ///   - fixed: names that are left out.
    public init(for model: ModelSettings, training: TrainingSettings, except fixed: Set<String> = []) {
        let (hidden, rate) = (model.hidden, training.rate)
        var all: [Dimension] = [
            Dimension("lr", range: Range(rate / 10...rate * 10, isLogarithmic: true)),
            Dimension("weight-decay", range: Range(1e-6...1e-2, isLogarithmic: true)),
            Dimension("clip-norm", range: Range(0.1...10, isLogarithmic: true)),
        ]
        if !model.kind.isResNet { all.append(Dimension("dropout", range: Range(0...0.5))) }
        switch model.kind {
        case .mlp:
            let widths = ["64", "128", "256", "512", "128,64", "256,128", "512,256", "256,128,64"]
            // Lists of several widths do not go with a number of layers, nor with layers that are added to their inputs.
            let isUniform = fixed.contains("layers") || model.isResidual
            all.append(Dimension("hidden", choices: isUniform ? widths.filter { !$0.contains(",") } : widths))
            all.append(Dimension("init", choices: ["default", "he", "xavier", "orthogonal"]))
        case .resnet20, .resnet56, .resnet18, .resnet34, .resnet50:
            all.append(Dimension("init", choices: ["default", "he"]))
        default:
            all.append(Dimension("hidden", choices: [hidden / 2, hidden, 2 * hidden].map(String.init)))
            let layers = Set([max(model.layers - 1, 1), model.layers, model.layers + 1]).sorted()
            all.append(Dimension("layers", choices: layers.map(String.init)))
        }
        self.init(all.filter { !fixed.contains($0.name) })
    }
}
