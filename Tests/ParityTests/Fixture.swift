import Foundation
import Gimbal
import GimbalTestSupport
import Testing

/// A file of PyTorch's results, made by `make_fixtures.py`.
struct Fixture {
    private let file: SafeTensors

    init(_ name: String) throws { file = try SafeTensors(path: Fixture.path(name)) }

    static func path(_ name: String, extension: String = "safetensors") -> String {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Fixtures/\(name).\(`extension`)"
    }

    var names: [String] { file.entries.map(\.name) }

    func values(_ name: String) throws -> [Float] {
        let entry = try #require(file[name], "the fixture has no \(name)")
        return try file.floats(of: entry)
    }

    func integers(_ name: String) throws -> [Int32] { try values(name).map { Int32($0) } }

    func tensor(_ name: String, on device: Device) throws -> Tensor {
        let entry = try #require(file[name], "the fixture has no \(name)")
        return Tensor(try file.floats(of: entry), entry.shape, device: device)
    }
}

/// The devices that are held against PyTorch.
let devices = BackendUnderTest.all

extension BackendUnderTest {
    var device: Device { Device(backend: backend) }
}

/// Expects `actual` to lie within `tolerance` of PyTorch's values, relative to the largest of them.
///
/// Single elements near 0 come out of cancellation: against themselves they would measure PyTorch's rounding.
/// - Parameters:
///   - piece: what the result belongs to, for the table of pieces.
///   - check: what is compared.
///   - terms: the magnitude of what the values are sums of, for values that are all 0 because these cancel; how much
///     rounding leaves of them depends on which multiplications and additions a compiler fuses.
func expectClose(
    _ actual: Tensor, _ expected: [Float], _ tolerance: Double, _ what: String, of piece: Piece? = nil,
    _ check: Ledger.Check = .outputs, terms: Double? = nil, sourceLocation: SourceLocation = #_sourceLocation
) throws {
    let values = try actual.doubles()
    let cancels = expected.allSatisfy { $0 == 0 }
    let mismatch = Tolerance(
        relative: cancels ? min(tolerance, 1e-6) : tolerance,
        scale: cancels ? terms.map { .constant($0) } ?? .largest : .largest
    )
    .mismatch(values, expected: expected.map(Double.init))
    #expect(mismatch == nil, "\(what): \(mismatch ?? "")", sourceLocation: sourceLocation)
    guard let piece else { return }
    let pairs = zip(values, expected.map(Double.init)).filter { $0.isFinite && $1.isFinite }
    let largest = pairs.map { abs($1) }.max() ?? 0
    let error = (pairs.map { abs($0 - $1) }.max() ?? 0) / max(largest, .leastNormalMagnitude)
    Ledger.record(piece, check, on: actual.device.id, error: largest == 0 ? 0 : error, tolerance: tolerance)
}
