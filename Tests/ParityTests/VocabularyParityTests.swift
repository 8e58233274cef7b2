import Gimbal
import GimbalTestSupport
import Testing

/// The tensor's words against PyTorch, values and gradients, and the gradients against central differences.
@Suite(.serialized) struct VocabularyParityTests {
    /// A case of the fixture: the piece it stands for, and the function of its inputs.
    struct Case: Sendable {
        var name: String
        var piece: Piece
        var function: @Sendable ([Tensor]) -> Tensor

        init(_ name: String, _ piece: String, _ function: @escaping @Sendable ([Tensor]) -> Tensor) {
            self.name = name
            self.piece = Piece(.operation, piece)
            self.function = function
        }
    }

    static let cases: [Case] = creation + operators + indexing + shapes + reductions + order + products

    static let creation: [Case] = [
        Case("arange", "arange") { _ in Tensor.arange(2, 17, by: 3) },
        Case("arange_down", "arange") { _ in Tensor.arange(10, 0, by: -3) },
        Case("arange_real", "arange") { _ in Tensor.arange(0.5, 2.25, by: 0.25) },
        Case("linspace", "linspace") { _ in Tensor.linspace(-1.5, 4, count: 12) },
        Case("eye", "eye") { _ in Tensor.eye(3, 5) },
        Case("full", "full") { _ in Tensor.full([2, 3], 2.5) },
        Case("zeros", "zeros") { Tensor.zeros(like: $0[0]) },
        Case("ones", "ones") { Tensor.ones(like: $0[0]) },
        Case("copy", "copy") { $0[0].copy() },
    ]

    static let operators: [Case] = [
        Case("scalars", "+ - * /") { 3 - (2 * $0[0] + 1) / 4 + 0.5 / ($0[0] * $0[0] + 1) },
        Case("equal", ".==") { integers($0[0]) .== integers($0[1]) },
        Case("not_equal", ".!=") { integers($0[0]) .!= integers($0[1]) },
        Case("less", ".<") { integers($0[0]) .< integers($0[1]) },
        Case("less_equal", ".<=") { integers($0[0]) .<= integers($0[1]) },
        Case("greater", ".>") { integers($0[0]) .> integers($0[1]) },
        Case("greater_equal", ".>=") { integers($0[0]) .>= integers($0[1]) },
        Case("less_than_scalar", ".<") { $0[0] .< 0.25 },
        Case("isnan", "isNaN") { $0[0].isNaN() },
        Case("logical_and", "logicalAnd") { mask($0[0]) .& mask($0[1]) },
        Case("logical_or", "logicalOr") { mask($0[0]) .| mask($0[1]) },
        Case("logical_xor", "logicalXor") { mask($0[0]) .^ mask($0[1]) },
        Case("logical_not", "logicalNot") { .!mask($0[0]) },
        Case("masked_fill", "filled") { $0[0].filled(where: mask($0[1]), with: 2.5) },
    ]

    static let indexing: [Case] = [
        Case("index_integer", "subscript") { $0[0][1, -1] },
        Case("index_range", "subscript") { $0[0][0..., 1..<3, (-2)...] },
        Case("index_stride", "subscript") { $0[0][.every(2), .every(2, from: 1)] },
        Case("index_ellipsis", "subscript") { $0[0][..., 0, .newAxis] },
        Case("index_tensor", "subscript") { $0[0][0..., whole($0[1])] },
        Case("index_tensors", "subscript") { $0[0][1..., whole($0[1]), whole($0[2])] },
        Case("index_apart", "subscript") { $0[0][whole($0[1]), 0..., whole($0[2])] },
        Case("index_mask", "subscript") { $0[0][mask($0[1])] },
        Case("index_mask_last", "subscript") { $0[0][0, ..., mask($0[1])] },
        Case("assign_range", "subscript") { inputs in
            var x = inputs[0]
            x[0..., 1..<3] = inputs[1]
            return x
        },
        Case("assign_tensor", "subscript") { inputs in
            var x = inputs[0]
            x[..., whole(inputs[1]), 0...] = inputs[2]
            return x
        },
        Case("assign_mask", "subscript") { inputs in
            var x = inputs[0]
            x[mask(inputs[1])] = inputs[2]
            return x
        },
        Case("gathered", "gathered") { $0[0].gathered(whole($0[1]), axis: 1) },
        Case("gathered_along", "gathered") { $0[0].gathered(along: 1, whole($0[1])) },
        Case("scattered", "scattered") { $0[0].scattered($0[2], along: 1, at: whole($0[1])) },
        Case("scatter_added", "scatterAdded") { $0[0].scatterAdded($0[2], along: 1, at: whole($0[1])) },
    ]

    static let shapes: [Case] = [
        Case("flipped", "flipped") { $0[0].flipped([0, 2]) },
        Case("diagonal", "diagonal") { $0[0].diagonal(offset: 1, axes: 0, 2) },
        Case("squeezed", "squeezed") { $0[0].squeezed() },
        Case("split", "split") { $0[0].split(sizes: [1, 3], axis: 1)[1] },
        Case("split_size", "split") { $0[0].split(size: 2, axis: 2)[2] },
        Case("chunked", "chunked") { $0[0].chunked(3, axis: 2)[1] },
        Case("moved", "movingAxis") { $0[0].movingAxis(0, to: 2) },
        Case("tiled", "tiled") { $0[0].tiled([2, 1, 3, 2]) },
        Case("repeated", "repeated") { $0[0].repeated(3, axis: 1) },
        Case("padded", "padded") { $0[0].padded([(3, 0), (1, 2)], .constant(1.5)) },
        Case("padded_reflect", "padded") { $0[0].padded([(1, 3), (4, 2)], .reflect) },
        Case("padded_replicate", "padded") { $0[0].padded([(0, 5), (4, 2)], .replicate) },
        Case("rolled", "rolled") { $0[0].rolled(by: -2, axis: 1) },
        Case("lower", "lowerTriangle") { $0[0].lowerTriangle(offset: 1) },
        Case("upper", "upperTriangle") { $0[0].upperTriangle(offset: -1) },
    ]

    static let reductions: [Case] = [
        Case("cumsum", "cumulativeSum") { $0[0].cumulativeSum(axis: 1) },
        Case("cumprod", "cumulativeProduct") { $0[0].cumulativeProduct(axis: 1) },
        Case("product", "product") { $0[0].product() },
        Case("product_zeros", "product") { $0[0].product([1]) },
        Case("product_axes", "product") { $0[0].product([0, 2]) },
        Case("recurrence", "linearRecurrence") { Tensor.linearRecurrence(factors: $0[0], terms: $0[1]) },
        Case("std", "standardDeviation") { $0[0].standardDeviation([0, 2], isUnbiased: true) },
        Case("std_population", "standardDeviation") { $0[0].standardDeviation([1], keepsAxes: true) },
        Case("logsumexp", "logSumExp") { $0[0].logSumExp([0, 2]) },
        Case("norm", "norm") { $0[0].norm([1]) },
        Case("norm_1", "norm") { $0[0].norm(p: 1, [0, 1]) },
        Case("norm_3", "norm") { $0[0].norm(p: 3) },
        Case("norm_inf", "norm") { $0[0].norm(p: .infinity, [2], keepsAxes: true) },
        Case("norm_0", "norm") { $0[0].norm(p: 0, [1]) },
        Case("any", "any") { mask($0[0]).any([1]) },
        Case("all", "all") { mask($0[0]).all([1]) },
        Case("mask_sum", "sum") { mask($0[0]).sum([0]) },
    ]

    static let order: [Case] = [
        Case("argmax", "argMax") { $0[0].argMax(axis: 1) },
        Case("argmin", "argMin") { $0[0].argMin(axis: 0, keepsAxis: true) },
        Case("sorted", "sorted") { $0[0].sorted().values },
        Case("sorted_down", "sorted") { $0[0].sorted(axis: 0, isDescending: true).values },
        Case("argsorted", "argSorted") { integers($0[0]).argSorted() },
        Case("argsorted_down", "argSorted") { integers($0[0]).argSorted(axis: 1, isDescending: true) },
        Case("topk", "topK") { $0[0].topK(3).values },
        Case("topk_indices", "topK") { $0[0].topK(2, axis: 1, isSmallest: true).indices },
    ]

    static let products: [Case] = [
        Case("matmul", "matmul") { matmul($0[0], $0[1]) },
        Case("matmul_vector", "matmul") { matmul($0[0], $0[1]) },
        Case("vector_matmul", "matmul") { matmul($0[0], $0[1]) },
        Case("dot", "dot") { dot($0[0], $0[1]) },
        Case("outer", "outer") { outer($0[0], $0[1]) },
        Case("einsum_product", "einsum") { einsum("ij,kj->ki", $0[0], $0[1]) },
        Case("einsum_attention", "einsum") { einsum("bqhd, bkhd -> bhqk", $0[0], $0[1]) },
        Case("einsum_trace", "einsum") { einsum("ii", $0[0]) },
        Case("einsum_diagonal", "einsum") { einsum("iji->ij", $0[0]) },
        Case("einsum_ellipsis", "einsum") { einsum("...ij,j...->...i", $0[0], $0[1]) },
        Case("einsum_broadcast", "einsum") { einsum("...i,...i", $0[0], $0[1]) },
        Case("einsum_bilinear", "einsum") { einsum("ni,oij,nj->no", $0) },
        Case("einsum_implicit", "einsum") { einsum("ba,ca", $0[0], $0[1]) },
        Case("einsum_sums", "einsum") { einsum("ijk,l->j", $0[0], $0[1]) },
    ]

    /// The numbers times three, to whole ones: so that many are equal. Halves do not occur.
    static func integers(_ x: Tensor) -> Tensor {
        let scaled = x * 3
        return Tensor.select(scaled .< 0, scaled - 0.5, scaled + 0.5).cast(to: .int32)
    }
    static func mask(_ x: Tensor) -> Tensor { x.cast(to: .uint8) }
    static func whole(_ x: Tensor) -> Tensor { x.cast(to: .int32) }

    @Test func everyCaseOfTheFixtureIsTested() throws {
        let names = Set(try Fixture("vocabulary").names.map { String($0.prefix { $0 != "." }) })
        #expect(names == Set(Self.cases.map(\.name)))
        #expect(Self.cases.count == names.count)
    }

    @Test(arguments: devices) func valuesAndGradientsAreThoseOfPyTorch(_ subject: BackendUnderTest) throws {
        let fixture = try Fixture("vocabulary")
        let names = Set(fixture.names)
        try withDevice(subject.device) {
            for each in Self.cases {
                let count = (0..<3).count { names.contains("\(each.name).input.\($0)") }
                let inputs = try (0..<count).map { index in
                    let input = try fixture.tensor("\(each.name).input.\(index)", on: subject.device)
                    return names.contains("\(each.name).gradients.\(index)") ? input.requiringGradient() : input
                }
                let outputs = each.function(inputs)
                try expectClose(outputs, try fixture.values("\(each.name).outputs"), 1e-5, each.name, of: each.piece)
                guard names.contains("\(each.name).upstream") else { continue }
                let upstream = try fixture.tensor("\(each.name).upstream", on: subject.device)
                #expect(outputs.shape == upstream.shape, "\(each.name)")
                try outputs.backward(gradient: upstream)
                for (index, input) in inputs.enumerated() where input.requiresGradient {
                    try expectClose(
                        try #require(input.gradient, "\(each.name)"),
                        try fixture.values("\(each.name).gradients.\(index)"), 1e-5,
                        "\(each.name), gradient \(index)", of: each.piece, .gradients)
                }
            }
        }
    }

    @Test func gradientsAgreeWithDifferences() throws {
        let fixture = try Fixture("vocabulary")
        let names = Set(fixture.names)
        for each in Self.cases where names.contains("\(each.name).upstream") {
            var varied: [(values: [Double], shape: Shape)] = []
            var inputs: [(position: Int?, tensor: Tensor)] = []
            for index in 0..<3 where names.contains("\(each.name).input.\(index)") {
                let tensor = try fixture.tensor("\(each.name).input.\(index)", on: .cpu)
                if names.contains("\(each.name).gradients.\(index)") {
                    inputs.append((varied.count, tensor))
                    varied.append((try tensor.doubles(), tensor.shape))
                } else {
                    inputs.append((nil, tensor))
                }
            }
            try expectGradient(of: each.piece, varied, each.name) { moved in
                each.function(try inputs.map { try $0.position.map { moved[$0] } ?? $0.tensor.to(.current) })
            }
        }
    }
}
