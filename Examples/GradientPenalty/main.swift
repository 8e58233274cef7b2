// A Wasserstein GAN of the digits, whose critic is held to slope 1 by a gradient penalty (Gulrajani et al. 2017).
//
//     swift run -c release GradientPenalty
import Foundation
import GimbalTrain

RandomGenerator.shared.seed(0)
let digits = Dataset.digits().flattened
let images = digits.batch(on: .current).inputs * 2 - 1

let generator = Sequential([Linear(16, 128), SiLU(), Linear(128, 128), SiLU(), Linear(128, 64), Tanh()])
let critic = Sequential([Linear(64, 128), SiLU(), Linear(128, 128), SiLU(), Linear(128, 1)])
let generatorOptimizer = Adam(generator.parameters, learningRate: 1e-3, beta1: 0.5, beta2: 0.9)
let criticOptimizer = Adam(critic.parameters, learningRate: 1e-3, beta1: 0.5, beta2: 0.9)

func gradientPenalty(_ critic: Sequential, _ real: Tensor, _ fake: Tensor) throws -> Tensor {
    let share = Tensor.uniform([real.shape[0], 1])
    let between = (share * real + (1 - share) * fake).requiringGradient()
    let slope = try gradient(of: critic(between).sum(), withRespectTo: between, createsGraph: true)
    return (slope.norm([1]) - 1).square().mean()
}

for step in 1...1000 {
    let real = images[Tensor.integers(in: 0..<digits.count, [64])]
    let fake = generator(.normal([64, 16])).detached()
    let distance = critic(real).mean() - critic(fake).mean()
    let penalty = try gradientPenalty(critic, real, fake)
    criticOptimizer.zeroGradients()
    try (10 * penalty - distance).backward()
    try criticOptimizer.step()

    if step % 5 == 0 {
        generatorOptimizer.zeroGradients()
        try (-critic(generator(.normal([64, 16]))).mean()).backward()
        try generatorOptimizer.step()
    }
    if step % 200 == 0 {
        print(String(format: "step %d  distance %.4f  penalty %.4f", step, try distance.item(), try penalty.item()))
    }
}

let drawn: [[Float]] = try withoutGradients { try generator(.normal([1, 16])).reshaped([8, 8]).array() }
for row in drawn { print(String(row.map { Array(" .:-=+*#%@")[Int(($0 + 1) * 4.99)] })) }
