import GimbalTrain

/// What is not connected, and what is wrong with samples and classes.
let wiringAndDataCases: [ClinicCase] =
    .pairs(
        .pair(
            "S47", "labels divided by 255", [.constantTargets], cure: "as they are",
            sick: {
                classify(
                    convolutionalNet(), adam(),
                    on: changing(try ClinicData.mnist()) {
                        $0.targets { ($0.cast(to: .float32) / 255).cast(to: .int32) }
                    })
            },
            healthy: { classify(convolutionalNet(), adam(), on: try ClinicData.mnist()) }),
        .pair(
            "S59", "3 x 128, optimizer holds the weights of another model", [.unheldParameters], cure: "made anew",
            sick: {
                let old = perceptron(64, 128, 3, 10)
                return classify(perceptron(64, 128, 3, 10), { _ in Adam(old.parameters) })
            },
            healthy: { classify(perceptron(64, 128, 3, 10), adam()) }),
        .pair(
            "S63", "LSTM on CO2, missing weeks as NaN", [.nonFiniteInput], cure: "without them",
            sick: { forecastWithMissing(try ClinicData.carbonDioxide(keepsMissing: true)) },
            healthy: {
                let data = try ClinicData.carbonDioxide()
                return forecast(Standardization(fittedTo: data)(data))
            }),
        .pair(
            "S64", "features and their norm, one row all 0", [.undefinedOperation], cure: "ε inside the root",
            sick: { classify(normalized(epsilon: 0), on: withEmptyRow) },
            healthy: { classify(normalized(epsilon: 1e-6), on: withEmptyRow) }),
        .pair(
            "S65", "attention, one sequence fully masked", [.undefinedOperation], cure: "row skipped",
            sick: { attention(masksAll: true) }, healthy: { attention(masksAll: false) }),
        .pair(
            "S69", "table with a constant column, divided by its deviation of 0", [.nonFiniteInput], cure: "dropped",
            sick: {
                classify(
                    perceptron(64, 64, 2, 10),
                    on: changing(ClinicData.digits()) {
                        $0.inputs { ($0 - $0.mean([0])) / $0.variance([0]).squareRoot() }
                    })
            },
            healthy: {
                classify(
                    perceptron(64, 64, 2, 10), sgd(0.05),
                    on: changing(ClinicData.digits()) {
                        $0.inputs { ($0 - $0.mean([0])) / ($0.variance([0]).squareRoot() + 0.01) }
                    })
            }),
        .pair(
            "S70", "digit 0 against the rest at 1:99, cross-entropy", [.classImbalance], cure: "weights",
            sick: { classify(perceptron(64, 64, 2, 2), on: rare(99)) },
            healthy: {
                let weights = Tensor([0.505, 50] as [Float])
                return compare(perceptron(64, 64, 2, 2), sgd(0.02), on: rare(99)) {
                    crossEntropy($0, $1, weight: weights)
                }
            }),
        .pair(
            "S74", "LeNet, Fashion-MNIST in order of class", [.orderedData, .constantTargets], cure: "shuffled",
            sick: {
                let set = try ClinicData.images("fashion-mnist")
                guard case .classes(let classes, _) = set.targets else { return classify(leNet()) }
                let sorted = set.subset(classes.indices.sorted { classes[$0] < classes[$1] })
                return classify(leNet(), on: ClinicData.batches(of: sorted, 64))
            },
            healthy: { classify(leNet(), on: try ClinicData.fashion(64)) }),
        .pair(
            "W1", "new head after the optimizer was made", [.unheldParameters], layers: ["6.weight"], cure: "made anew",
            sick: {
                let model = perceptron(64, 128, 3, 5)
                let optimizer = Adam(model.parameters)
                model[6] = Linear(128, 10)
                return classify(model, { _ in optimizer })
            },
            healthy: {
                let model = perceptron(64, 128, 3, 5)
                model[6] = Linear(128, 10)
                return classify(model, adam())
            }),
        .pair(
            "W2", "a layer that forward forgets", [.unreachedParameters], layers: ["layers.1.weight"], cure: "called",
            sick: {
                classify(Assembly([Linear(64, 64), Linear(64, 64), Linear(64, 10)]) { $0[2]($0[0]($1).relu()) })
            },
            healthy: {
                classify(
                    Assembly([Linear(64, 64), Linear(64, 64), Linear(64, 10)]) { $0[2]($0[1]($0[0]($1).relu()).relu()) }
                )
            }),
        .pair(
            "W3", "features detached before the head", [.unreachedParameters], layers: ["layers.0.weight"],
            cure: "attached",
            sick: { classify(Assembly([Linear(64, 64), Linear(64, 10)]) { $0[1]($0[0]($1).relu().detached()) }) },
            healthy: { classify(Assembly([Linear(64, 64), Linear(64, 10)]) { $0[1]($0[0]($1).relu()) }) }),
        .pair(
            "W5", "one sample again and again in the batch", [.repeatedSamples], cure: "all samples",
            sick: {
                classify(
                    perceptron(64, 64, 2, 10),
                    on: changing(ClinicData.digits()) { batch in
                        let places = Tensor((0..<128).map { Int32($0 % 3) })
                        return ClinicBatch(x: batch.x.gathered(places), y: batch.y.gathered(places))
                    })
            },
            healthy: { classify(perceptron(64, 64, 2, 10)) }),
        .pair(
            "W6", "a target that is one of the inputs", [.leakedTarget], cure: "left out",
            sick: {
                compare(
                    perceptron(9, 64, 2, 1), adam(),
                    on: changing(ClinicData.regression(8)) { batch in
                        batch.inputs { .concatenated([$0, batch.y * 2 + 1], axis: 1) }
                    })
            },
            healthy: { compare(perceptron(8, 64, 2, 1), adam(), on: ClinicData.regression(8)) })
    )

private func forecastWithMissing(_ data: Dataset) -> Program {
    // The first batch with a missing week, scaled by what is known.
    let batches = ClinicData.batches(of: data, 512)
    return compare(
        Memory(LSTM(inputSize: 1, hiddenSize: 32)), adam(),
        on: { step in
            let batch = batches(step)
            return ClinicBatch(x: ((batch.x - 340) / 17).transposed(0, 1), y: (batch.y - 340) / 17)
        })
}

/// A perceptron of features that are divided by their norm over the sample.
private func normalized(epsilon: Double) -> Assembly {
    Assembly([Linear(64, 32), Linear(32, 10)]) { layers, x in
        let features = layers[0](x) * x.sum([1], keepsAxes: true).sign()
        let norm = (features.square().sum([1], keepsAxes: true) + epsilon).squareRoot()
        return layers[1](features / (norm + 1) + norm)
    }
}

@Sendable private func withEmptyRow(_ step: Int) -> ClinicBatch {
    let keeps = Tensor((0..<128).map { $0 == 5 ? Float(0) : 1 }, [128, 1])
    return ClinicData.digits()(step).inputs { $0 * keeps }
}

private func attention(masksAll: Bool) -> Program {
    let model = Assembly([Linear(8, 16), Linear(16, 10)]) { layers, x in
        let rows = layers[0](x.reshaped([x.shape[0], 8, 8]))
        let scores = rows.matrixMultiplied(by: rows.transposed()) / 4
        var mask = [Float](repeating: 0, count: x.shape[0] * 8)
        for place in mask.indices where masksAll ? place / 8 == 3 : place % 8 == 7 { mask[place] = -.infinity }
        let weights = (scores + Tensor(mask, [x.shape[0], 1, 8])).softmax()
        return layers[1](weights.matrixMultiplied(by: rows).mean([1]))
    }
    return classify(model, adam())
}

/// Digits of class 0 against all others, 1 to `others`.
private func rare(_ others: Int) -> ClinicData.Batches {
    let digits = Dataset.digits().flattened
    guard case .classes(let classes, _) = digits.targets else { return ClinicData.digits() }
    let rows = classes.indices
    let zeros = rows.filter { classes[$0] == 0 }
    let rest = rows.filter { classes[$0] != 0 }
    return { step in
        let places = (0..<200).map { place -> Int in
            let number = step * 200 + place
            return place % (others + 1) == 7 ? zeros[number % zeros.count] : rest[number % rest.count]
        }
        let batch = digits.batch(places).to(.current)
        return ClinicBatch(x: batch.inputs, y: Tensor(places.map { classes[$0] == 0 ? Int32(1) : 0 }))
    }
}
