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
let exchange: any GradientExchange = ThreadExchange.ranks(1)[0]
let step = 0
let testLoss = 0.5
nonisolated(unsafe) let resNet = ResNet.resNet18()
nonisolated(unsafe) let images = Tensor.zeros([1, 3, 224, 224])
nonisolated(unsafe) let (source, target, features) = (x, x, x)
nonisolated(unsafe) let (characters, tokens, nextTokens) = (targets, targets, targets)
nonisolated(unsafe) let (logits, inputLengths, targetLengths, lengths) = (x, targets, targets, targets)
let text = "To be, or not to be"
let tokenizer: any Tokenizer = CharacterVocabulary(text)
nonisolated(unsafe) let (labels, encoded, decoded) = (targets, x, x)
nonisolated(unsafe) let pieces = [x]
nonisolated(unsafe) let trainer = Trainer(model, optimizer: optimizer, data: loader) { batch in
    crossEntropy(model(batch.inputs), batch.targets)
}
