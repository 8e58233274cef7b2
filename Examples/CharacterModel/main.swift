// A Transformer that learns a text by characters and writes on, keeping the keys and values of what it has written.
//
//     swift run -c release CharacterModel TEXT
import Foundation
import GimbalTrain

enum Size { static let (features, heads, length) = (64, 4, 128) }
typealias Cache = (key: Tensor, value: Tensor)

final class Block: Module, Layer {
    let norm1 = LayerNorm(Size.features), norm2 = LayerNorm(Size.features)
    let qkv = Linear(Size.features, 3 * Size.features), out = Linear(Size.features, Size.features)
    let up = Linear(Size.features, 4 * Size.features), down = Linear(4 * Size.features, Size.features)

    func forward(_ input: (x: Tensor, cache: Cache?)) -> (x: Tensor, cache: Cache) {
        let (batch, length) = (input.x.shape[0], input.x.shape[1])
        let parts = qkv(norm1(input.x)).reshaped([batch, length, 3, Size.heads, -1]).permuted([2, 0, 3, 1, 4])
        var (key, value) = (parts[1], parts[2])
        if let cache = input.cache {
            key = .concatenated([cache.key, key], axis: 2)
            value = .concatenated([cache.value, value], axis: 2)
        }
        // The last query stands at the last key.
        let mixed = scaledDotProductAttention(
            parts[0], key, value, isCausal: true, queryOffset: key.shape[2] - length)
        let x = input.x + out(mixed.transposed(1, 2).reshaped([batch, length, Size.features]))
        return (x + down(up(norm2(x)).gelu()), (key, value))
    }
}

final class LanguageModel: Module, Layer {
    let characterTable: Embedding
    let positionTable = Embedding(Size.length, Size.features)
    let blocks = [Block(), Block()]
    let norm = LayerNorm(Size.features)
    let head: Linear

    init(characters: Int) {
        characterTable = Embedding(characters, Size.features)
        head = Linear(Size.features, characters)
    }

    func forward(_ input: (codes: Tensor, caches: [Cache]?)) -> (logits: Tensor, caches: [Cache]) {
        let start = input.caches?[0].key.shape[2] ?? 0
        var x = characterTable(input.codes) + positionTable(.arange(start, start + input.codes.shape[1]))
        var caches: [Cache] = []
        for (index, block) in blocks.enumerated() {
            let (next, cache) = block((x, input.caches?[index]))
            x = next
            caches.append(cache)
        }
        return (head(norm(x)), caches)
    }
}

RandomGenerator.shared.seed(0)
let text = try String(contentsOfFile: CommandLine.arguments[1], encoding: .utf8)
let characters = CharacterVocabulary(text)
let data = Tensor(try characters.encode(text))
guard data.elementCount > Size.length + 1 else {
    throw GimbalError.invalidFile(
        path: CommandLine.arguments[1], reason: "\(data.elementCount) characters, too few for windows of \(Size.length)"
    )
}
let model = LanguageModel(characters: characters.count)
let optimizer = AdamW(model.parameters, learningRate: 3e-3)
for step in 1...300 {
    let starts = Tensor.integers(in: 0..<data.elementCount - Size.length - 1, [16, 1])
    let piece = data[starts + Tensor.arange(Size.length + 1)]
    let (logits, _) = model((piece[..., 0..<Size.length], nil))
    let loss = crossEntropy(logits.flattened(to: 1), piece[..., 1...].flattened())
    optimizer.zeroGradients()
    try loss.backward()
    try clipGradientNorm(model.parameters, maxNorm: 1)
    try optimizer.step()
    if step % 100 == 0 { print(String(format: "step %d  loss %.4f", step, try loss.item())) }
}

let written = try withoutGradients {
    var (code, caches, written) = (data[0..<1].reshaped([1, 1]), [Cache]?.none, [Int32]())
    for _ in 0..<Size.length {
        let (logits, kept) = model((code, caches))
        caches = kept
        code = (logits[0..., -1] / 0.8).softmax().multinomial(1)
        written.append(try code.item(as: Int32.self))
    }
    return written
}
print(characters.decode(written))
