import GimbalNN
import GimbalTestSupport
import Testing

/// What layers drop does not depend on how many ranks share out the rows of a batch.
///
/// On the oracle, where no sum depends on what else is computed with it.
@Suite struct RandomShareLayerTests {
    private func withOracle(_ body: () throws -> Void) throws {
        try withDevice(Device(backend: ReferenceBackend())) { try withGenerator(RandomGenerator(seed: 1), body) }
    }

    private func batch(_ shape: Shape) -> Tensor { Tensor(spread(shape).values, shape) }

    @Test func elementsAndChannels() throws {
        try withOracle {
            for rows in [7, 10] {
                let name = "\(rows) rows"
                let (dropout, timeMajor) = (Dropout(0.4), Dropout(0.4, batchAxis: 1))
                try expectSameByShares(batch([rows, 3]), name) { dropout($0) }
                try expectSameByShares(batch([rows, 8]), name) { dropout($0) }
                try expectSameByShares(batch([3, rows, 5]), axis: 1, name) { timeMajor($0) }
                let (line, plane) = (Dropout1d(0.4), Dropout2d(0.4))
                try expectSameByShares(batch([rows, 3, 2]), name) { line($0) }
                try expectSameByShares(batch([rows, 4, 2, 3]), name) { plane($0) }
                let (slopes, timeMajorSlopes) = (RReLU(), RReLU(batchAxis: 1))
                try expectSameByShares(batch([rows, 3]), name) { slopes($0) }
                try expectSameByShares(batch([2, rows, 3]), axis: 1, name) { timeMajorSlopes($0) }
            }
        }
    }

    @Test(arguments: StochasticDepth.Mode.allCases) func stochasticDepth(_ mode: StochasticDepth.Mode) throws {
        try withOracle {
            let layer = StochasticDepth(0.5, mode: mode)
            for rows in [7, 10] {
                try expectSameByShares(batch([rows, 2, 3]), "\(mode), \(rows) rows") { x in
                    // Several, of which some drop and some keep.
                    layer(x) + layer(x * 2) + layer(x * 4) + layer(x * 8)
                }
            }
        }
    }

    @Test(arguments: RecurrentKind.allCases) func recurrentNets(_ kind: RecurrentKind) throws {
        try withOracle {
            for isBatchFirst in [false, true] {
                let net = RecurrentTests.make(
                    kind, 2, 3, layers: 3, isBatchFirst: isBatchFirst, dropout: 0.3, isBidirectional: true,
                    variational: VariationalDropout(input: 0.2, hidden: 0.4))
                for rows in [7, 10] {
                    try expectSameByShares(
                        batch(isBatchFirst ? [rows, 3, 2] : [3, rows, 2]), axis: isBatchFirst ? 0 : 1,
                        "\(kind), batch first: \(isBatchFirst), \(rows) rows"
                    ) { net($0) }
                }
            }
        }
    }

    @Test(arguments: [false, true]) func transformers(isBatchFirst: Bool) throws {
        try withOracle {
            let encoder = TransformerEncoderLayer(
                4, heads: 2, feedforwardSize: 6, dropout: 0.3, isBatchFirst: isBatchFirst)
            let decoder = TransformerDecoderLayer(
                4, heads: 2, feedforwardSize: 6, dropout: 0.3, isBatchFirst: isBatchFirst, normFirst: true)
            let (rows, axis) = (7, isBatchFirst ? 0 : 1)
            let x = batch(isBatchFirst ? [rows, 3, 4] : [3, rows, 4])
            try expectSameByShares(x, axis: axis, "encoder") { encoder($0) }
            try expectSameByShares(x, axis: axis, "decoder") { decoder($0, memory: $0 * 2) }
            try expectSameByShares(x, axis: axis, "checkpointed") { checkpointed($0) { encoder($0) } }
        }
    }
}
