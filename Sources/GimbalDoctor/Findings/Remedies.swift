// Remedies by illness; the order in which they are tried is the rules'.

extension Remedy {
    static let fillMissing = Remedy(
        "leave the samples out, or fill what is missing", code: "gimbal train --missing-rows fill")
    static let standardizeInputs = Remedy(
        "give inputs mean 0 and deviation 1, as those of the training part have them", .standardization,
        code: "let x = (x - mean) / deviation",
        evidence: "softmax regression on raw pixels bears a rate of 9e-6, on scaled ones of 0.6")
    static func lookForOutliers(in feature: String) -> Remedy {
        Remedy(
            "look for values of \(feature) that are far off, such as marks for what is missing, and leave them empty")
    }
    static let standardizeTargets = Remedy(
        "give targets mean 0 and deviation 1, and predictions theirs back", .standardization,
        code: "let y = (y - mean) / deviation")
    static let mendTargets = Remedy(
        "look at how targets are read: divided, rounded, one so large that all others are the same beside it, or sorted so "
            + "that a batch holds one class; shuffle")
    /// - Parameter name: of the feature; nil where it has none.
    static func leaveOut(_ name: String?) -> Remedy {
        Remedy("leave the feature out", code: name.map { "gimbal train --exclude '\($0)'" })
    }
    static let shuffle = Remedy("shuffle the samples", code: "DataLoader(train, batchSize: 64, shuffles: true)")
    static let drawAll = Remedy("look at how samples are drawn, so that each comes once in an epoch")
    static let weighClasses = Remedy(
        "let rare classes count for more", code: "gimbal train --class-weights balanced")
    static let keepFromEdge = Remedy(
        "keep its input from the edge, before the operation: (x + 1e-6).squareRoot(), not squareRoot() + 1e-6; leave rows out "
            + "that are masked as a whole")
    static let classesFromZero = Remedy("number classes from 0, or give the model one more output", code: "y - 1")
    static let fewerObstacles = Remedy(
        "look at whether inputs and targets belong together, and try without dropout and decay, and with a higher rate")
    static let oneShape = Remedy("give both one shape", code: "y.reshaped(predictions.shape)")
    static let turnRound = Remedy("turn the sign round")
    static let boundLoss = Remedy(
        "keep deviations and the like above some least value, so that the loss has a least one")
    /// A decay that pulls a hundredth as hard as the data do.
    /// - Parameters:
    ///   - decay: what it is now.
    ///   - share: how hard it pulls now, over what the data do.
    static func lessDecay(_ decay: Double, share: Double) -> Remedy {
        let factor = min(0.01, 0.01 / share)
        return Remedy(
            "lower the weight decay to \(short(decay * factor))", .weightDecay(factor: factor),
            code: "gimbal train --weight-decay \(short(decay * factor))")
    }
    static let lessPenaltyInLoss = Remedy("take a hundredth of the penalty on the weights")
    /// A penalty that pulls a hundredth as hard as the data do.
    static func lessPenalty(_ penalty: WeightPenalty, share: Double) -> Remedy {
        let factor = min(0.01, 0.01 / share)
        let (l1, l2) = (short(penalty.l1 * factor), short(penalty.l2 * factor))
        return Remedy(
            "divide the penalty on the weights by \(short(1 / factor))", .penalty(factor: factor),
            code: penalty.l2 > 0 ? "WeightPenalty(l1: \(l1), l2: \(l2))" : "gimbal train --l1 \(l1)")
    }
    static let lookAtInputs = Remedy(
        "look at how inputs are read: from which file, divided by what, and which part of each sample is taken")
    static let lookAtNumbers = Remedy("look at how words, or other marks, are turned into numbers")
    static let normalizeFirst = Remedy(
        "normalise before each branch", code: "TransformerEncoderLayer(128, heads: 4, normFirst: true)",
        evidence: "Xiong et al. 2020")
    static let lessMomentum = Remedy("take a momentum of 0.9", .momentum(0.9), code: "gimbal train --momentum 0.9")
    static let smallEpsilon = Remedy(
        "take an epsilon far below the gradients", code: "Adam(model.parameters, epsilon: 1e-8)",
        evidence: "Wortsman et al. 2023, section 3.4")
    static let largerBatch = Remedy("take larger batches", .batchSize(32), code: "gimbal train --batch-size 32")
    static let groupNormalization = Remedy(
        "normalise over groups of channels", code: "gimbal train --norm group", evidence: "Wu and He 2018")
    static let lessDropout = Remedy("drop a fifth of the units", .dropout(0.2), code: "gimbal train --dropout 0.2")
    static let sigmoidForOne = Remedy(
        "leave the softmax out", code: "binaryCrossEntropyWithLogits(model(x), y)")
    static let softmaxOverMany = Remedy(
        "take the softmax over the axis of what is chosen from, such as the time steps", code: "scores.softmax(axis: 1)"
    )
    static let softmaxOverClasses = Remedy("take the softmax over the classes", code: "crossEntropy(logits, y)")
    static let logits = Remedy("give the loss the model's plain outputs", code: "crossEntropy(model(x), y)")
    static let lossOfLogits = Remedy(
        "take the loss of logits, which never takes the logarithm of 0", code: "crossEntropy(logits, y)")
    static let logSumExp = Remedy(
        "add up in logarithms, where no density or probability rounds to 0",
        code: "(logShares + logDensities).logSumExp([1])")
    static let plainOutput = Remedy("leave the function behind the last layer out")
    static let crossEntropy = Remedy("take the cross-entropy of logits", code: "crossEntropy(logits, y)")
    static let binaryCrossEntropy = Remedy(
        "take the binary cross-entropy of logits", code: "binaryCrossEntropyWithLogits(logits, y)")
    static let sigmoidOutput = Remedy(
        "let the loss apply the sigmoid", code: "binaryCrossEntropyWithLogits(model(x), y)")
    static let squaredError = Remedy("take the mean squared error", code: "meanSquaredError(model(x), y)")
    static let holdParameters = Remedy(
        "make the optimizer from all parameters, after the model has its last layer",
        code: "SGD(model.parameters, learningRate: 0.1)")
    static let useOrFreeze = Remedy("use the layers in the forward pass, or freeze them")
    static let thaw = Remedy("let the layers be trained that should learn", code: "parameter.isTrainable = true")
    static let zeroBiases = Remedy("start biases at 0", code: "layer.bias?.assign(.zeros(layer.bias!.shape))")
    static func width(_ units: Int) -> Remedy {
        Remedy("make hidden layers at least \(units) wide", .width(units), code: "gimbal train --hidden \(units)")
    }
    static let leakyRectifier = Remedy(
        "take a leaky ReLU, which is never off", .activation(.leakyReLU), code: "gimbal train --activation leaky-relu",
        evidence: "Lu et al. 2019")
    static let rectifierAndInitialization = Remedy(
        "take ReLU with He's first weights", .activation(.relu), code: "gimbal train --activation relu --init he",
        evidence:
            "50 layers of sigmoid keep 0.235 of the gradient each with Glorot's weights; ReLU with He's keeps it all")
    static let normalization = Remedy(
        "normalise each hidden layer", .normalization(.batch), code: "gimbal train --norm batch",
        evidence: "Ioffe and Szegedy 2015")
    static let shortcuts = Remedy(
        "add the input of each hidden layer to its output", .residualConnections, code: "gimbal train --residual",
        evidence: "He et al. 2016")
    static let zeroBranches = Remedy(
        "let each branch begin as 0", .zeroInitializedBranches, code: "model.zeroResidualBranches()",
        evidence: "Zhang et al. 2019")
    static let forgetGateBias = Remedy(
        "start the biases of forget gates at 1", .forgetGateBias(1), code: "gimbal train --forget-bias 1",
        evidence: "Gers et al. 2000, Jozefowicz et al. 2015")
    static let gatedCell = Remedy(
        "take a LSTM or GRU", .gatedCell, code: "gimbal train --model lstm --forget-bias 1",
        evidence: "Hochreiter and Schmidhuber 1997")
    static let orthogonalRecurrence = Remedy(
        "draw an orthogonal recurrent matrix", .initialization(.orthogonal), code: "gimbal train --init orthogonal",
        evidence: "Saxe et al. 2014")
    static let clipping = Remedy(
        "clip the norm of all gradients to 1", .clipping(norm: 1), code: "gimbal train --clip-norm 1",
        evidence: "Pascanu et al. 2013")
    /// A warmup of a twentieth of the run, 500 steps at the most.
    /// - Parameter steps: of the run; nil where that is not known.
    static func warmup(of steps: Double?) -> Remedy {
        let length = steps.map { Int(max(1, min(500, $0 / 20)).rounded()) } ?? 500
        return Remedy(
            "let the rate rise over the first steps", code: "gimbal train --warmup \(length)",
            evidence: "Gilmer et al. 2022")
    }
    static let meanLoss = Remedy("take the mean over the batch", code: "meanSquaredError(model(x), y)")

    static let raiseRate = Remedy("multiply the learning rate by 10 until weights move", .learningRate(factor: 10))

    /// A rate at which the first step changes the weights that it changes most by five in a thousand of themselves, as 0.1
    /// does in plain descent and 1e-3 in Adam.
    static func raiseRate(_ examination: Examination) -> Remedy {
        guard let rate = examination.learningRate, let largest = examination.probe?.updateRatios.values.max(),
            largest > 0, largest < 5e-3
        else { return raiseRate }
        let factor = 5e-3 / largest
        return Remedy(
            "raise the learning rate to \(short(rate * factor))", .learningRate(factor: factor),
            code: "gimbal train --lr \(short(rate * factor))")
    }

    static let clearGradients = Remedy(
        "forget the gradients before each step", code: "optimizer.zeroGradients()")
    static let descend = Remedy("subtract the gradient, or turn the sign of the loss", code: "try loss.backward()")
    /// - Parameter rate: what it is now, where that is known.
    static func lowerRate(by factor: Double, from rate: Double? = nil) -> Remedy {
        Remedy(
            "divide the learning rate by \(short(factor))", .learningRate(factor: 1 / factor),
            code: rate.map { "gimbal train --lr \(short($0 / factor))" })
    }
    static let lookAtBatch = Remedy(
        "look at the samples of that batch: one may be of another scale, or a missing value's mark")
    static let recover = Remedy(
        "let the run leave out batches that spoil it", code: "gimbal train --auto-recover",
        evidence: "Chowdhery et al. 2022, section 5.1")
    static let fitSchedule = Remedy(
        "make the schedule from the length of the run", code: "gimbal train --schedule cosine --warmup 0")
    static func otherClipping(to norm: Double) -> Remedy {
        Remedy(
            "limit gradients less, or by the norm of all of them", code: "gimbal train --clip-norm \(short(2 * norm))",
            evidence: "Pascanu et al. 2013, section 3.2")
    }
    static func loosenClipping(to norm: Double) -> Remedy {
        Remedy(
            "clip at twice the usual norm", .looserClipping(norm: 2 * norm),
            code: "gimbal train --clip-norm \(short(2 * norm))",
            evidence: "Pascanu et al. 2013, section 3.2")
    }
    static let mendRunningStatistics = Remedy(
        "let normalisation layers see batches of 16 samples and more in training mode, so that their running statistics follow"
    )
    static let layerNormalization = Remedy(
        "normalise by groups or layers, which is the same in both modes", .normalization(.layer),
        code: "gimbal train --norm layer", evidence: "Wu and He 2018")
    static let lookAtPairs = Remedy(
        "look at whether each target still belongs to its input: both must be shuffled, sorted and cut alike")
    static let earlyStopping = Remedy(
        "stop where the validation loss was least", code: "gimbal train --early-stopping 5", evidence: "Prechelt 1998")
    static let augmentation = Remedy("vary the training data, of images", code: "gimbal train --augment crop")
    static let weightDecay = Remedy(
        "pull weights towards 0", code: "gimbal train --weight-decay 1e-4", evidence: "Krogh and Hertz 1991")
    static let dropout = Remedy(
        "leave out units at random", code: "gimbal train --dropout 0.2", evidence: "Srivastava et al. 2014")

    /// A lower rate: half of what the curvature allows where it is known.
    static func lowerRate(_ examination: Examination) -> Remedy {
        guard let rate = examination.learningRate, let largest = examination.sharpness?.largestRate, largest < rate
        else {
            return lowerRate(by: 10, from: examination.learningRate)
        }
        let factor = largest / 2 / rate
        return Remedy(
            "lower the learning rate to \(short(rate * factor))", .learningRate(factor: factor),
            code: "gimbal train --lr \(short(rate * factor))", evidence: "half of what the curvature allows")
    }

    /// First weights by the rule for the model's activation function.
    static func initialize(for examination: Examination) -> Remedy {
        let kinds = examination.hiddenActivations.compactMap { ActivationKind(rawValue: $0.units.function) }
        if kinds.isEmpty || kinds.contains(where: \.saturates) {
            return Remedy(
                "draw first weights by Glorot's rule", .initialization(.xavier), code: "gimbal train --init xavier",
                evidence: "Glorot and Bengio 2010, equation 16")
        }
        if kinds.contains(.selu) {
            return Remedy(
                "draw first weights by LeCun's rule", .initialization(.leCun), code: "gimbal train --init lecun",
                evidence: "Klambauer et al. 2017")
        }
        return Remedy(
            "draw first weights by He's rule", .initialization(.he), code: "gimbal train --init he",
            evidence: "He et al. 2015, equation 10")
    }
}
