// A generative adversarial network (Goodfellow et al. 2014) on Fashion-MNIST: two optimizers that take turns.
//
//     swift run -c release AdversarialNetwork [FASHION-MNIST [RUN [IMAGES]]]
//
// The folder of the IDX files, that of the run, and how many images to train on. Ctrl-C saves and leaves; the same command
// goes on, with the same bits as if it had never stopped.
import Foundation
import GimbalTrain

/// Both nets in one module, so that they are saved and averaged together.
final class AdversarialNetwork: Module {
    let generator = Sequential {
        Linear(32, 128)
        BatchNorm1d(128)
        ReLU()
        Linear(128, 784)
        Sigmoid()
    }
    let discriminator = Sequential {
        Linear(784, 128)
        LeakyReLU(slope: 0.2)
        Dropout(0.3)
        Linear(128, 1)
    }

    func images(_ count: Int) -> Tensor { generator(.normal([count, 32])) }

    /// How badly `images` are told for what they are.
    func loss(_ images: Tensor, areReal: Bool) -> Tensor {
        let logits = discriminator(images)
        return binaryCrossEntropyWithLogits(logits, Tensor(repeating: areReal ? 1 : 0, logits.shape))
    }
}

func train(data: String, run: String, count: Int) throws {
    let (train, test) = try Dataset.fashionMNIST(folder: data)
    RandomGenerator.shared.seed(0)
    let model = AdversarialNetwork()
    let phases: [Phase<Batch>] = [
        Phase("discriminator", Adam(model.discriminator.parameters, learningRate: 2e-4, beta1: 0.5)) { batch in
            let fake = withoutGradients { model.images(batch.count) }
            return model.loss(batch.inputs, areReal: true) + model.loss(fake, areReal: false)
        },
        Phase("generator", Adam(model.generator.parameters, learningRate: 2e-4, beta1: 0.5)) { batch in
            model.loss(model.images(batch.count), areReal: true)
        },
    ]
    let trainer = Trainer(
        model, phases: phases, data: DataLoader(train.flattened.prefix(count), batchSize: 64, dropsLast: true),
        settings: TrainerSettings {
            ($0.epochs, $0.averageDecay, $0.weights) = (5, 0.99, .averaged)
        }, folder: try RunFolder(path: run))

    // Losses tell little here. How far the mean image of the averaged generator is from that of real ones tells more.
    let real = test.flattened.prefix(1000).batch(on: .current).inputs.mean([0])
    trainer.evaluation = {
        ["distance": Double(try (model.images(1000).mean([0]) - real).absolute().mean().item())]
    }
    trainer.callbacks = [ConsoleLog()]
    if try trainer.resume() { print("going on after step \(trainer.progress.step)") }

    let interruption = Interruption()
    guard try trainer.run(isInterrupted: { interruption.isRequested }) != .interrupted else { exit(130) }
}

let arguments =
    CommandLine.arguments + ["data/fashion-mnist", "runs/gan", "60000"].dropFirst(CommandLine.arguments.count - 1)
guard FileManager.default.fileExists(atPath: arguments[1]) else {
    print("skipped: there is no Fashion-MNIST in \(arguments[1])")
    exit(0)
}
try train(data: arguments[1], run: arguments[2], count: Int(arguments[3]) ?? 60000)
