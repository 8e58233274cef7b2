// Fifty layers: how the gradient vanishes, and three ways to keep it.
//
//     swift run -c release VanishingGradients
//
// Each net is a stack of 50 hidden layers that reads 8 × 8 digits. For each, the program prints the norm of the gradient
// of some layers' weights before training, trains, and compares the nets in a table at the end.

import GimbalTrain

let depth = 50
let (train, test) = Dataset.digits().flattened.split(trainFraction: 0.8, seed: 0)
var rows: [Row] = []

// The problem. A sigmoid's slope is 1/4 at most, and weights this small shrink what passes through them as well. The
// factors multiply, layer by layer, until the first layers receive nothing to learn from (Hochreiter 1991; Glorot and
// Bengio 2010).
try examine("sigmoid, small weights", epochs: 3) {
    for _ in 0..<depth {
        Linear(64, 64, weightInitializer: .normal(standardDeviation: 0.1))
        Sigmoid()
    }
    Linear(64, 10)
}

// Cure 1: weights whose variance makes up for what ReLU cuts off, so that signals and gradients keep their size
// (He et al. 2015). It holds at the beginning only, so a net as deep as this wants a small rate that rises slowly.
try examine("ReLU, He initialisation", epochs: 30, learningRate: 2e-4, warmup: 100) {
    Linear(64, 128, weightInitializer: .heNormal())
    ReLU()
    for _ in 1..<depth {
        Linear(128, 128, weightInitializer: .heNormal())
        ReLU()
    }
    Linear(128, 10)
}

// Cure 2: the same sigmoids, each fed with normalised values, which lie where it is steep (Ioffe and Szegedy 2015).
try examine("sigmoid, BatchNorm", epochs: 20) {
    for _ in 0..<depth {
        Linear(64, 64, weightInitializer: .xavierNormal())
        BatchNorm1d(64)
        Sigmoid()
    }
    Linear(64, 10)
}

// No cure: with ReLU, normalisation by the batch alone makes gradients grow by about a fifth in each layer, whatever
// the weights (Yang et al. 2019).
try examine("ReLU, BatchNorm", epochs: 8) {
    for _ in 0..<depth {
        Linear(64, 64, weightInitializer: .heNormal())
        BatchNorm1d(64)
        ReLU()
    }
    Linear(64, 10)
}

// Cure 3: shortcuts around every layer, on which the gradient travels undiminished (He et al. 2016).
try examine("ReLU, BatchNorm, residual", epochs: 8) {
    for _ in 0..<depth {
        Residual {
            Linear(64, 64, weightInitializer: .heNormal())
            BatchNorm1d(64)
            ReLU()
        }
    }
    Linear(64, 10)
}

printTable(rows)
