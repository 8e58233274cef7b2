import GimbalNN
import GimbalTestSupport
import Testing

/// What the commonest mistakes are told: operation, shapes, layer, and what to do.
@Suite struct MistakeTests {
    struct Mistake: Sendable {
        /// Parts of the message.
        let told: [String]
        let body: @Sendable () throws -> Void

        init(_ told: String..., body: @escaping @Sendable () throws -> Void) { (self.told, self.body) = (told, body) }
    }

    static let mistakes = [
        Mistake("linear: an input of [2, 8] does not fit a weight of [3, 4]", "axis of 4 (in layer 1: Linear)") {
            let model = Sequential {
                Linear(4, 8)
                Linear(4, 3)
            }
            _ = model(.zeros([2, 4]))
        },
        Mistake("linear: an input of int32 and a weight of float64; convert one with cast(to:) (in Linear)") {
            _ = Linear(4, 3)(Tensor([1, 2, 3, 4] as [Int32], [1, 4]))
        },
        Mistake("matrixMultiplied: [2, 3] by [2, 3]", "the last of the first the size of the last but one") {
            _ = matmul(Tensor.zeros([2, 3]), Tensor.zeros([2, 3]))
        },
        Mistake("convolved: needs [batch, channels] and 2 more axes, not [2, 64] (in Conv2d)") {
            _ = Conv2d(1, 8, kernelSize: 3)(.zeros([2, 64]))
        },
        Mistake("has 1 channels, a weight of [8, 3, 3, 3] in 1 groups takes 3 (in Conv2d)") {
            _ = Conv2d(3, 8, kernelSize: 3)(.zeros([1, 1, 8, 8]))
        },
        Mistake("reshaped: [2, 3] has 6 elements, [4, 2] 8") { _ = Tensor.zeros([2, 3]).reshaped([4, 2]) },
        Mistake("gathered: needs rows and int32 indices", "convert with cast(to: .int32) (in Embedding)") {
            _ = Embedding(10, 4)(Tensor([3, 1]))
        },
        Mistake("crossEntropy: targets of float64 are probabilities", "numbers of classes are int32: cast(to: .int32)")
        {
            _ = crossEntropy(.zeros([2, 3]), .zeros([2]))
        },
        Mistake("crossEntropy: weights of [2] for 3 classes") {
            _ = crossEntropy(.zeros([2, 3]), Tensor([0, 1] as [Int32]), weight: .ones([2]))
        },
        Mistake("sizes must be positive, not 0 and 4") { _ = Embedding(0, 4) },
        Mistake("/: a number and a tensor of int32 have no quotient; convert the tensor with cast(to: .float32)") {
            _ = Tensor.arange(4) / 2
        },
        Mistake("/: a number and a tensor of int32 have no quotient") { _ = 2 / Tensor.arange(4) },
        Mistake("exp: needs real numbers, not int32; convert with cast(to: .float32)") { _ = Tensor.arange(4).exp() },
        Mistake("item: a tensor of [2] has no single value; array() gives all") { _ = try Tensor.zeros([2]).item() },
        Mistake("poissonNLL: predictions of [2, 3] and targets of [3] differ in shape") {
            _ = poissonNLL(.zeros([2, 3]), .zeros([3]))
        },
        Mistake("norm: needs real numbers, not int32") { _ = Tensor.arange(4).norm() },
        Mistake("GlobalAveragePool: needs [batch, channels, axes...], not [2, 3]") {
            _ = GlobalAveragePool()(.zeros([2, 3]))
        },
        Mistake("sizes: the padding `.same` is for convolutions only") {
            _ = MaxPool2d(kernelSize: 2, padding: .same)
        },
        Mistake("sizes must be positive, not 0, 4 and 1 layers") { _ = LSTM(inputSize: 0, hiddenSize: 4) },
        Mistake("sizes must be positive, not 3, 4 and 0 layers") { _ = GRU(inputSize: 3, hiddenSize: 4, layers: 0) },
        Mistake("backward: a tensor of [2, 3] is more than one number; reduce it by sum() or mean()") {
            try Linear(4, 3)(.zeros([2, 4])).backward()
        },
        Mistake("backward: nothing that this tensor was computed from needs a gradient", "withoutGradients?") {
            try withoutGradients { Linear(4, 3)(.zeros([2, 4])).sum() }.backward()
        },
        Mistake("backward: an earlier pass has released the graph", "retainsGraph: true") {
            let loss = Linear(4, 3)(.zeros([2, 4])).sum()
            try loss.backward()
            try loss.backward()
        },
    ]

    @Test(arguments: mistakes.indices) func messageSaysWhatToDo(index: Int) async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            [index = index as Int] in
            try withDevice(Device(backend: ReferenceBackend())) { try Self.mistakes[index].body() }
        }
        let message = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        for part in Self.mistakes[index].told { #expect(message.contains(part), "\(message.prefix(300))") }
    }
}
