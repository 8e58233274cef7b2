import Gimbal
import GimbalBackend
import Testing

/// Checks that ranks which share out the rows of a batch get, of a function that draws random numbers, what one rank gets for the
/// same rows: the same bits of its result and of the gradient, with the stream of numbers as far used.
///
/// There are as many ranks as leave shares of one size, of two sizes, and more than there are rows.
/// - Parameters:
///   - x: the whole batch.
///   - axis: along which its rows lie, in the result too.
///   - name: what a failure is called by.
///   - sourceLocation: where a failure is shown.
///   - body: what is made of rows. It draws from the current generator, and computes each row by itself.
public func expectSameByShares(
    _ x: Tensor, axis: Int = 0, _ name: String, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: (Tensor) throws -> Tensor
) throws {
    func run(_ rows: Tensor) throws -> (results: [Tensor], state: RandomState) {
        let generator = RandomGenerator(seed: 5)
        generator.state.counter = 3
        return try withGenerator(generator) {
            let rows = rows.detached().requiringGradient()
            let output = try body(rows)
            if output.requiresGradient { try (output * output).sum().backward() }
            return ([output.detached()] + [rows.gradient].compactMap { $0 }, generator.state)
        }
    }
    let whole = try run(x)
    let count = x.shape[axis]
    for size in [1, 2, 3, 5, count + 2] {
        for rank in 0..<size {
            let share = BatchShare(rank: rank, of: size, rows: count)
            let part = try BatchShare.$current.withValue(share) { try run(x.sliced(share.rows, axis: axis)) }
            let comment: Comment = "\(name), rank \(rank) of \(size)"
            #expect(part.state == whole.state, comment, sourceLocation: sourceLocation)
            #expect(part.results.count == whole.results.count, comment, sourceLocation: sourceLocation)
            for (own, all) in zip(part.results, whole.results) {
                let expected = all.sliced(share.rows, axis: axis)
                #expect(own.shape == expected.shape, comment, sourceLocation: sourceLocation)
                // A part of nothing begins where there is no memory to read from.
                if own.elementCount == 0 { continue }
                #expect(try own.doubles() == expected.doubles(), comment, sourceLocation: sourceLocation)
            }
        }
    }
}
