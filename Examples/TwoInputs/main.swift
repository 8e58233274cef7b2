// Classifies by two inputs, the two halves of an image, with skip connections and a focal loss (Lin et al. 2017): a model,
// a loss and a batch of one's own, on Fashion-MNIST.
//
//     swift run -c release TwoInputs [FASHION-MNIST [RUN [IMAGES]]]
//
// The folder of the IDX files, that of the run, and how many images to train on. Ctrl-C saves and leaves; the same command
// goes on, with the same bits as if it had never stopped.
import Foundation
import GimbalTrain

final class Branch: Module, Layer {
    let inner: Linear
    let outer: Linear

    init(_ width: Int) {
        inner = Linear(392, width)
        outer = Linear(width, width)
    }

    func forward(_ x: Tensor) -> Tensor {
        let hidden = inner(x).relu()
        return hidden + outer(hidden).relu()
    }
}

final class TwoInputs: Module, Layer {
    let upper: Branch
    let lower: Branch
    let head: Linear

    init(width: Int = 64) {
        upper = Branch(width)
        lower = Branch(width)
        head = Linear(2 * width, 10)
    }

    func forward(_ input: (upper: Tensor, lower: Tensor)) -> Tensor {
        head(.concatenated([upper(input.upper), lower(input.lower)], axis: 1))
    }
}

func focalLoss(_ logits: Tensor, _ targets: Tensor, gamma: Double = 2) -> Tensor {
    let logProbability = logits.logSoftmax().gathered(along: 1, targets.reshaped([-1, 1]))
    return (-(1 - logProbability.exp()).power(gamma) * logProbability).mean()
}

/// What a training step takes.
struct Halves {
    let images: (upper: Tensor, lower: Tensor)
    let targets: Tensor
}

/// The upper and the lower half of each image.
func halves(_ data: Dataset) -> Examples<HostBatch, Halves> {
    Examples(count: data.count) { indices in
        data.batch(indices)
    } upload: { host, device in
        let batch = host.to(device)
        return Halves(images: (batch.inputs[0..., 0..<392], batch.inputs[0..., 392...]), targets: batch.targets)
    }
}

func train(data: String, run: String, count: Int) throws {
    let (train, test) = try Dataset.fashionMNIST(folder: data)
    RandomGenerator.shared.seed(0)
    let model = TwoInputs()
    let trainer = Trainer(
        model, optimizer: Adam(model.parameters, learningRate: 1e-3),
        data: DataLoader(halves(train.flattened.prefix(count)), batchSize: 64, workers: 2),
        validation: DataLoader(halves(test.flattened.prefix(max(count / 6, 1))), batchSize: 500, shuffles: false),
        metrics: { batch in ["accuracy": (model(batch.images).argMax() .== batch.targets).mean()] },
        settings: TrainerSettings { $0.epochs = 5 }, folder: try RunFolder(path: run)
    ) { batch in
        focalLoss(model(batch.images), batch.targets)
    }
    trainer.callbacks = [ConsoleLog()]
    if try trainer.resume() { print("going on after step \(trainer.progress.step)") }

    let interruption = Interruption()
    guard try trainer.run(isInterrupted: { interruption.isRequested }) != .interrupted else { exit(130) }
    if let best = trainer.progress.best { print("the best of them, of epoch \(best.epoch), are in \(run)") }
}

let arguments =
    CommandLine.arguments + ["data/fashion-mnist", "runs/two", "60000"].dropFirst(CommandLine.arguments.count - 1)
guard FileManager.default.fileExists(atPath: arguments[1]) else {
    print("skipped: there is no Fashion-MNIST in \(arguments[1])")
    exit(0)
}
try train(data: arguments[1], run: arguments[2], count: Int(arguments[3]) ?? 60000)
