import Gimbal

/// Numbers for the characters of a text: its Unicode scalars, so that what is decoded has the bytes of what was encoded,
/// and a vocabulary the size that other programs count.
///
/// ```swift
/// let text = try String(contentsOfFile: "shakespeare.txt", encoding: .utf8)
/// let vocabulary = CharacterVocabulary(text)
/// let (train, test) = TextWindows(try vocabulary.encode(text), length: 128).split(trainFraction: 0.9)
/// for batch in train.batches(of: 32, epoch: 0, seed: 1, on: .current) {
///     let logits = model(batch.inputs)  // a LanguageModel's: [32 · 128, vocabulary.count]
///     let loss = crossEntropy(logits, batch.targets)
/// }
/// ```
public struct CharacterVocabulary: Sendable, Equatable {
    /// The characters that have numbers, in the order of their Unicode where they were taken from a text. The number of
    /// each is its place here.
    public let characters: [Unicode.Scalar]
    private let numbers: [Unicode.Scalar: Int32]

    /// Numbers every character that occurs in `text`, in the order of their Unicode.
    public init(_ text: String) { self.init(characters: Set(text.unicodeScalars).sorted()) }

    /// Numbers distinct characters in the order in which they are given; one that comes twice stops the program.
    public init(characters: [Unicode.Scalar]) {
        self.characters = characters
        numbers = Dictionary(zip(characters, 0...)) { first, second in
            stop("CharacterVocabulary", "\(Self.name(characters[Int(first)])) comes twice, as \(first) and \(second)")
        }
    }

    /// Number of characters that have a number: the classes of a model that predicts characters.
    public var count: Int { characters.count }

    /// The number of each character.
    /// - Throws: `GimbalError.invalidSetting` for a text with a character that is not in the vocabulary, such as a prompt
    ///   or another text than the one it was made of.
    public func encode(_ text: String) throws -> [Int32] {
        var result: [Int32] = []
        result.reserveCapacity(text.utf8.count)
        for character in text.unicodeScalars {
            guard let number = numbers[character] else {
                throw GimbalError.invalidSetting(
                    name: "text",
                    reason:
                        "character \(result.count + 1), \(Self.name(character)), is not in the vocabulary of \(count); "
                        + "leave it out, or make the vocabulary, and the model, of a text that has it")
            }
            result.append(number)
        }
        return result
    }

    /// The text of these numbers, each in 0..<count; another stops the program.
    public func decode(_ numbers: some Sequence<Int32>) -> String {
        var scalars = String.UnicodeScalarView()
        for number in numbers {
            require(
                characters.indices.contains(Int(number)), "CharacterVocabulary",
                "\(number) is the number of none of \(count) characters")
            scalars.append(characters[Int(number)])
        }
        return String(scalars)
    }

    private static func name(_ character: Unicode.Scalar) -> String {
        "U+\(hexadecimal(character.value, digits: 4).uppercased()) (\(visible(CollectionOfOne(character))))"
    }
}

/// A long text of numbered tokens in windows, for a model that predicts each token from those before it.
///
/// Every epoch cuts the text at other places and goes through the windows in another order. Both depend on the seed and
/// the epoch only.
public struct TextWindows: Sendable {
    /// The numbers of the text's tokens, in its order.
    public let tokens: [Int32]
    /// Tokens in a window.
    public let length: Int

    /// - Parameters:
    ///   - tokens: at least `length` + 1 of them, or there are no windows.
    ///   - length: at least 1.
    public init(_ tokens: [Int32], length: Int) {
        require(length > 0, "TextWindows", "windows of \(length) tokens")
        self.tokens = tokens
        self.length = length
    }

    /// Windows in an epoch. Each has a target for every token, so the text's last token begins none.
    public var count: Int { max(0, (tokens.count - 1) / length) }

    /// The beginning and the rest of the text.
    /// - Parameter trainFraction: the share of the beginning, in 0...1.
    public func split(trainFraction: Double) -> (train: TextWindows, test: TextWindows) {
        require((0...1).contains(trainFraction), "TextWindows", "a fraction of \(trainFraction)")
        let size = Int((Double(tokens.count) * trainFraction).rounded())
        return (
            TextWindows(Array(tokens[..<size]), length: length), TextWindows(Array(tokens[size...]), length: length)
        )
    }

    /// Where the windows of an epoch begin, in its order.
    /// - Parameters:
    ///   - epoch: counted from 0.
    ///   - seed: of order and places.
    ///   - shuffles: whether the epoch has an order and places of its own, rather than those of the text.
    public func starts(epoch: Int, seed: UInt64, shuffles: Bool = true) -> [Int] {
        guard shuffles, count > 0 else { return (0..<count).map { $0 * length } }
        var random = Philox(seed: seed, stream: .epoch, number: UInt32(truncatingIfNeeded: epoch))
        // What the windows leave over lies before the first, behind the last, or on both sides.
        let offset = random.next(below: tokens.count - 1 - count * length + 1)
        return random.permutation(of: count).map { offset + $0 * length }
    }

    /// The batches of an epoch: inputs int32 [size, length], and as targets the tokens that follow each, int32
    /// [size · length], in the order of the rows of logits of [size · length, vocabulary].
    /// - Parameters:
    ///   - size: windows in a batch; the last one may have fewer.
    ///   - epoch: counted from 0.
    ///   - first: the batch to begin at.
    ///   - seed: of order and places.
    ///   - shuffles: whether each epoch has an order and places of its own.
    ///   - device: where the batches are to be.
    public func batches(
        of size: Int, epoch: Int, from first: Int = 0, seed: UInt64 = 0, shuffles: Bool = true,
        on device: Device = .current
    ) -> some Sequence<Batch> {
        require(size > 0 && first >= 0, "TextWindows", "batches of \(size), from \(first)")
        let starts = starts(epoch: epoch, seed: seed, shuffles: shuffles)
        return stride(from: first * size, to: starts.count, by: size).lazy.map { begin in
            let windows = starts[begin..<min(begin + size, starts.count)]
            return Batch(
                inputs: Tensor(
                    windows.flatMap { tokens[$0..<$0 + length] }, [windows.count, length], device: device),
                targets: Tensor(windows.flatMap { tokens[$0 + 1..<$0 + 1 + length] }, device: device))
        }
    }
}

extension Dataset {
    /// A series of numbers as examples for a forecast: inputs [window, 1], and the `horizon` values that follow as
    /// targets.
    /// - Parameters:
    ///   - series: in order of time.
    ///   - window: values that a model sees.
    ///   - horizon: values to be predicted.
    ///   - step: distance between the beginnings of neighbouring windows.
    ///   - name: what messages and reports call the data.
    public static func windows(
        of series: [Float], window: Int, horizon: Int = 1, step: Int = 1, name: String = "series"
    ) -> Dataset {
        require(
            window > 0 && horizon > 0 && step > 0, "windows",
            "windows of \(window), a horizon of \(horizon), a step of \(step)")
        let starts = Array(stride(from: 0, through: series.count - window - horizon, by: step))
        return Dataset(
            name: name, inputShape: [window, 1],
            inputs: .floats(starts.flatMap { series[$0..<$0 + window] }),
            targets: .values(
                starts.flatMap { series[$0 + window..<$0 + window + horizon] }, width: horizon))
    }
}
