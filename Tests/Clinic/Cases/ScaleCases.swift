import Foundation
import GimbalTrain

/// Inputs and targets of a wrong scale, and what a rate makes of it.
let scaleCases: [ClinicCase] =
    .pairs(
        .pair(
            "S19", "line through x = 0...99, half the squared error, rate 0.5", [.inputScale, .learningRateTooHigh],
            cure: "x standardised",
            sick: { line((0..<100).map { Float($0) }, sgd(0.5), factor: 0.5) },
            healthy: { line((0..<100).map { (Float($0) - 49.5) / 28.9 }, sgd(0.5), factor: 0.5) }),
        .pair(
            "S20", "a x² + b x + c on 4 points, summed squares, rate 1.13x the bound",
            [.learningRateTooHigh, .summedLoss], cure: "0.005",
            sick: { parabola(sgd(0.01)) }, healthy: { parabola(sgd(0.005)) }),
        .pair(
            "S21", "line through 8 points in ±8, rate 2x the bound", [.learningRateTooHigh, .inputScale], cure: "0.02",
            sick: { line([-8, -6, -4, -2, 2, 4, 6, 8], sgd(0.1)) },
            healthy: { line([-8, -6, -4, -2, 2, 4, 6, 8], sgd(0.02)) }),
        .pair(
            "S22", "softmax regression on pixels 0...255", [.inputScale], cure: "/255",
            sick: {
                classify(
                    perceptron(784, 0, 0, 10), on: changing(try ClinicData.mnist()) { $0.flat.inputs { $0 * 255 } })
            },
            healthy: { classify(perceptron(784, 0, 0, 10), on: changing(try ClinicData.mnist(), \.flat)) }),
        .pair(
            "S23", "1-50-30-1 ReLU, y = 5 x² + noise up to 125, rate 0.1", [.targetScale, .learningRateTooHigh],
            cure: "y standardised, 0.01",
            sick: { compare(funnel(), sgd(0.1), on: squares(5)) },
            healthy: { compare(funnel(), sgd(0.01), on: squares(nil)) }),
        .pair(
            "S24", "2 x 64 ReLU, targets 25...346, rate 0.1", [.targetScale], cure: "y standardised",
            sick: {
                compare(perceptron(8, 64, 2, 1), sgd(0.1), on: ClinicData.regression(8, scale: 160, shift: 180))
            },
            healthy: { compare(perceptron(8, 64, 2, 1), sgd(0.1), on: ClinicData.regression(8)) }),
        .pair(
            "S25", "binary cross-entropy on numbers of any size", [.targetScale, .unfittingLoss, .inputScale],
            cure: "squared error of standardised numbers",
            sick: {
                compare(
                    perceptron(4, 32, 2, 1), sgd(0.01),
                    on: changing(ClinicData.regression(4, scale: 100, shift: 300)) { $0.inputs { $0 * 500 } }
                ) { binaryCrossEntropyWithLogits($0, $1) }
            },
            healthy: { compare(perceptron(4, 32, 2, 1), sgd(0.01), on: ClinicData.regression(4)) }),
        .pair(
            "S34", "1-50-50-1 sigmoid and ELU, x in ±100, Adam", [.inputScale, .targetScale], cure: "standardised",
            sick: { compare(mixedNet(), adam(), on: wide(100)) },
            healthy: { compare(mixedNet(), adam(), on: wide(1)) }),
        .pair(
            "S35", "2 x 128 sigmoid, pixels 0...255", [.inputScale], cure: "/255",
            sick: {
                classify(
                    perceptron(784, 128, 2, 10, { Sigmoid() }, .xavierNormal()),
                    on: changing(try ClinicData.mnist()) { $0.flat.inputs { $0 * 255 } })
            },
            healthy: {
                classify(
                    perceptron(784, 128, 2, 10, { Sigmoid() }, .xavierNormal()),
                    on: changing(try ClinicData.mnist(), \.flat))
            }),
        .pair(
            "S67", "MLP on a raw table, features of 4e-3...4e3, Adam", [.inputScale], cure: "standardised",
            sick: { classify(perceptron(30, 64, 2, 2), adam(), on: try cancer(standardized: false)) },
            healthy: { classify(perceptron(30, 64, 2, 2), adam(), on: try cancer(standardized: true)) }),
        .pair(
            "S68", "LeNet, pixels divided by 255 twice", [.inputScale], cure: "once",
            sick: { classify(leNet(), on: changing(try ClinicData.mnist()) { $0.inputs { $0 / 255 } }) },
            healthy: { classify(leNet(), sgd(0.05), on: try ClinicData.mnist()) }),
        .pair(
            "D1", "3 x 64 ReLU, one feature in millions", [.inputScale], cure: "standardised",
            sick: {
                classify(
                    perceptron(64, 64, 3, 10), adam(),
                    on: changing(ClinicData.digits()) { batch in
                        batch.inputs {
                            .concatenated([$0.sliced(0..<63, axis: 1), $0.sliced(63..<64, axis: 1) + 3e6], axis: 1)
                        }
                    })
            },
            healthy: { classify(perceptron(64, 64, 3, 10), adam()) }),
        .pair(
            "D2", "regression of incomes, 20 000 to 90 000, Adam", [.targetScale], cure: "standardised",
            sick: {
                compare(
                    perceptron(8, 64, 2, 1), adam(), on: ClinicData.regression(8, scale: 20_000, shift: 55_000))
            },
            healthy: { compare(perceptron(8, 64, 2, 1), adam(), on: ClinicData.regression(8)) }),
        .pair(
            "D3", "regression of targets about 1e-6", [.targetScale], cure: "standardised",
            sick: { compare(perceptron(8, 64, 2, 1), sgd(0.05), on: ClinicData.regression(8, scale: 1e-6)) },
            healthy: { compare(perceptron(8, 64, 2, 1), sgd(0.05), on: ClinicData.regression(8)) }),
        .pair(
            "D4", "absolute error of targets around 1000, sum and inputs fine", [.targetScale], cure: "standardised",
            sick: {
                compare(perceptron(8, 64, 2, 1), adam(), on: ClinicData.regression(8, scale: 300, shift: 1000)) {
                    meanAbsoluteError($0, $1)
                }
            },
            healthy: {
                compare(perceptron(8, 64, 2, 1), adam(), on: ClinicData.regression(8)) { meanAbsoluteError($0, $1) }
            })
    )

private func line(_ x: [Float], _ optimizer: MakeOptimizer, factor: Double = 1) -> Program {
    let x = Tensor(x, [x.count, 1])
    let batch = ClinicBatch(x: x, y: x * 0.5 + 1)
    return compare(Linear(1, 1), optimizer, on: { _ in batch }) { meanSquaredError($0, $1) * factor }
}

/// x², x and 1 at four points, whose products have a largest eigenvalue of 226.9 / 2.
private func parabola(_ optimizer: MakeOptimizer) -> Program {
    let points: [Float] = [0, 1, 2, 3]
    let x = Tensor(points.flatMap { [$0 * $0, $0, 1] }, [4, 3])
    let batch = ClinicBatch(x: x, y: Tensor(points.map { 2 * $0 * $0 - 3 * $0 + 1 }, [4, 1]))
    return compare(Linear(3, 1, hasBias: false), optimizer, on: { _ in batch }) {
        meanSquaredError($0, $1, reduction: .sum)
    }
}

private func funnel() -> Sequential {
    Sequential {
        Linear(1, 50)
        ReLU()
        Linear(50, 30)
        ReLU()
        Linear(30, 1)
    }
}

/// factor x² with noise, for x in ±5; standardised without a factor.
private func squares(_ factor: Double?) -> ClinicData.Batches {
    { _ in
        let x = Tensor.uniform([128, 1], low: -5, high: 5)
        let y = x.square() + Tensor.normal([128, 1])
        return factor.map { ClinicBatch(x: x, y: y * $0) } ?? ClinicBatch(x: x / 2.89, y: (y - 8.33) / 7.45)
    }
}

private func mixedNet() -> Sequential {
    Sequential {
        Linear(1, 50, weightInitializer: .normal(standardDeviation: 1))
        Sigmoid()
        Linear(50, 50)
        ELU()
        Linear(50, 1)
    }
}

/// x in ±size, and a step of the same size.
private func wide(_ size: Double) -> ClinicData.Batches {
    { _ in
        let x = Tensor.uniform([128, 1], low: -1, high: 1)
        return ClinicBatch(x: x * (1.7 * size), y: (x * 3).tanh() * size)
    }
}

private func cancer(standardized: Bool) throws -> ClinicData.Batches {
    let table = try ClinicData.toyTable("breast_cancer")
    return ClinicData.batches(of: standardized ? Standardization(fittedTo: table)(table) : table, 128)
}
