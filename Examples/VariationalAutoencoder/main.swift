// A variational autoencoder (Kingma and Welling 2014) of Fashion-MNIST: a loss of two terms, and random numbers in it.
//
//     swift run -c release VariationalAutoencoder [FASHION-MNIST [RUN [IMAGES]]]
//
// The folder of the IDX files, that of the run, and how many images to train on. Ctrl-C saves and leaves; the same command
// goes on, with the same bits as if it had never stopped.
import Foundation
import GimbalTrain

final class VariationalAutoencoder: Module {
    let codeSize = 16
    let encoder = Sequential {
        Linear(784, 256)
        ReLU()
        Linear(256, 32)  // the mean and the logarithm of the variance of each number of the code
    }
    let decoder = Sequential {
        Linear(16, 256)
        ReLU()
        Linear(256, 784)
    }

    /// What an image costs in nats: to be drawn from its code, and for the code to be told from noise. [count] each.
    func costs(_ images: Tensor) -> (reconstruction: Tensor, divergence: Tensor) {
        let code = encoder(images)
        let (mean, logVariance) = (code[0..., 0..<codeSize], code[0..., codeSize...])
        let drawn = mean + (logVariance * 0.5).exp() * Tensor.normal(mean.shape)
        let reconstruction = binaryCrossEntropyWithLogits(decoder(drawn), images, reduction: .none).sum([1])
        let divergence = (mean.square() + logVariance.exp() - logVariance - 1).sum([1]) * 0.5
        return (reconstruction, divergence)
    }
}

func train(data: String, run: String, count: Int) throws {
    let (train, test) = try Dataset.fashionMNIST(folder: data)
    RandomGenerator.shared.seed(0)
    let model = VariationalAutoencoder()
    let trainer = Trainer(
        model, optimizer: Adam(model.parameters, learningRate: 1e-3), schedule: { .cosine(steps: $0.steps) },
        data: DataLoader(train.flattened.prefix(count), batchSize: 64),
        validation: DataLoader(test.flattened.prefix(max(count / 6, 1)), batchSize: 500, shuffles: false),
        metrics: { batch in
            let costs = model.costs(batch.inputs)
            return ["reconstruction": costs.reconstruction.mean(), "divergence": costs.divergence.mean()]
        },
        settings: TrainerSettings { $0.epochs = 5 }, folder: try RunFolder(path: run)
    ) { batch in
        let costs = model.costs(batch.inputs)
        return (costs.reconstruction + costs.divergence).mean()
    }
    trainer.callbacks = [ConsoleLog()]
    if try trainer.resume() { print("going on after step \(trainer.progress.step)") }

    let interruption = Interruption()
    guard try trainer.run(isInterrupted: { interruption.isRequested }) != .interrupted else { exit(130) }

    // Three images that there never were.
    let codes = Tensor.normal([3, model.codeSize], generator: RandomGenerator(seed: 1))
    let images = try withoutGradients { try model.decoder(codes).sigmoid().floats() }
    for row in stride(from: 0, to: 28, by: 2) {
        let lines = (0..<3).map { image in
            String((0..<28).map { " .:-=+*#%@"[Int(images[image * 784 + row * 28 + $0] * 9.99)] })
        }
        print(lines.joined(separator: "  "))
    }
}

extension String {
    fileprivate subscript(place: Int) -> Character { self[index(startIndex, offsetBy: place)] }
}

let arguments =
    CommandLine.arguments + ["data/fashion-mnist", "runs/vae", "60000"].dropFirst(CommandLine.arguments.count - 1)
guard FileManager.default.fileExists(atPath: arguments[1]) else {
    print("skipped: there is no Fashion-MNIST in \(arguments[1])")
    exit(0)
}
try train(data: arguments[1], run: arguments[2], count: Int(arguments[3]) ?? 60000)
