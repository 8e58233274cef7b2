// What the examples in comments and articles may use without saying where it comes from; see Scripts/documentation.
import GimbalTrain

nonisolated(unsafe) let model = Sequential { Linear(784, 10) }
nonisolated(unsafe) let net = LSTM(inputSize: 128, hiddenSize: 256, layers: 2, isBatchFirst: true)
nonisolated(unsafe) let optimizer: Optimizer = SGD(model.parameters, learningRate: 0.1)
nonisolated(unsafe) let x = Tensor([1, 2, 3, 4], [2, 2])
nonisolated(unsafe) let y = Tensor([1, 2, 3, 4], [2, 2])
nonisolated(unsafe) let targets = Tensor([Int32(0), 1])
let (train, test) = Dataset.digits().flattened.split(trainFraction: 0.8)
let loader = DataLoader(train, batchSize: 64)
nonisolated(unsafe) let batch = loader.batches(epoch: 0, on: .current).first { _ in true }!
nonisolated(unsafe) let loss = crossEntropy(model(batch.inputs), batch.targets)
let step = 0
let testLoss = 0.5
