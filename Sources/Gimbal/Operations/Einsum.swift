/// Sums of products over named axes, in Einstein's notation: each operand's axes are named by letters, and a letter that the
/// result does not name is summed over.
///
/// ```swift
/// let product = einsum("ij,jk->ik", x, y)       // the matrix product
/// let scores = einsum("...qd,...kd->...qk", x, y)  // of queries and keys
/// let diagonal = einsum("ii->i", x)
/// let transposed = einsum("...ij->...ji", x)
/// ```
/// A letter twice in one operand takes its diagonal. `...` stands for the axes that the letters leave, which broadcast.
/// Without `->`, the result has the axes of `...` and then the letters that occur once, in alphabetical order. Operands are
/// taken from left to right; two of them are joined by a matrix product where they share an axis that is summed over.
/// - Parameters:
///   - equation: letters, upper and lower case told apart; spaces do not count.
///   - operands: one for each part of the equation before `->`.
public func einsum(_ equation: String, _ operands: Tensor...) -> Tensor { einsum(equation, operands) }

/// The same for an array of operands.
public func einsum(_ equation: String, _ operands: [Tensor]) -> Tensor {
    let parsed = EinsteinEquation(equation, operands)
    var terms = zip(operands, parsed.inputs).map { LabelledTensor($0, $1).withDiagonals() }
    while terms.count > 1 {
        let (x, y) = (terms.removeFirst(), terms.removeFirst())
        let needed = Set(parsed.output).union(terms.flatMap(\.labels))
        terms.insert(x.joined(with: y, keeping: needed), at: 0)
    }
    return terms[0].summed(keeping: Set(parsed.output)).arranged(parsed.output)
}

/// The axes of each operand and of the result, each by a label; the axes of `...` are called 0, 1, … from the last.
private struct EinsteinEquation {
    enum Label: Hashable, CustomStringConvertible {
        case letter(Character)
        case ellipsis(Int)

        var description: String {
            switch self {
            case .letter(let letter): "'\(letter)'"
            case .ellipsis: "'...'"
            }
        }
    }
    var inputs: [[Label]] = []
    var output: [Label] = []

    init(_ equation: String, _ operands: [Tensor]) {
        func fail(_ reason: String) -> Never { stop("einsum", "'\(equation)': \(reason)") }
        let text = String(equation.filter { $0 != " " })
        var (left, right) = (text[...], Substring?.none)
        if let arrow = text.firstIndex(of: ">") {
            guard arrow > text.startIndex, text[text.index(before: arrow)] == "-" else { fail("> belongs to ->") }
            left = text[..<text.index(before: arrow)]
            right = text[text.index(after: arrow)...]
        }
        let parts = left.split(separator: ",", omittingEmptySubsequences: false)
        if parts.count != operands.count { fail("\(parts.count) operands are named, \(operands.count) are given") }

        /// The letters of one operand; nil stands for `...`.
        func letters(_ part: Substring) -> [Character?] {
            var (result, rest) = ([Character?](), part)
            while let first = rest.first {
                if rest.hasPrefix("...") {
                    if result.contains(nil) { fail("more than one ... in '\(part)'") }
                    result.append(nil)
                    rest = rest.dropFirst(3)
                } else if first.isASCII && first.isLetter {
                    result.append(first)
                    rest = rest.dropFirst()
                } else {
                    fail("'\(first)' is no letter")
                }
            }
            return result
        }
        var ellipsisRank = 0
        for (part, operand) in zip(parts, operands) {
            let letters = letters(part)
            let open = operand.rank - letters.count(where: { $0 != nil })
            if open < 0 || open > 0 && !letters.contains(nil) { fail("'\(part)' does not fit \(operand.shape)") }
            if letters.contains(nil) { ellipsisRank = max(ellipsisRank, open) }
            inputs.append(
                letters.flatMap { letter in
                    letter.map { [.letter($0)] } ?? (0..<open).reversed().map { .ellipsis($0) }
                })
        }
        let ellipsis = (0..<ellipsisRank).reversed().map { Label.ellipsis($0) }
        if let right {
            output = letters(right).flatMap { letter in letter.map { [.letter($0)] } ?? ellipsis }
            if Set(output).count != output.count { fail("the result names an axis twice") }
            for label in output where !inputs.contains(where: { $0.contains(label) }) {
                fail("no operand has the result's axis \(label)")
            }
            if !right.contains("...") && ellipsisRank > 0 { fail("the result leaves out the axes of ...") }
        } else {
            let all = parts.joined().filter(\.isLetter)
            let once = Set(all.filter { letter in all.count { $0 == letter } == 1 }).sorted()
            output = ellipsis + once.map { .letter($0) }
        }
    }
}

/// A tensor with a label for each of its axes.
private struct LabelledTensor {
    typealias Label = EinsteinEquation.Label
    var tensor: Tensor
    var labels: [Label]

    init(_ tensor: Tensor, _ labels: [Label]) {
        self.tensor = tensor
        self.labels = labels
    }

    func size(_ label: Label) -> Int { labels.firstIndex(of: label).map { tensor.shape[$0] } ?? 1 }

    /// With one axis for each label, the diagonal where there were several.
    func withDiagonals() -> LabelledTensor {
        var result = self
        while let second = result.labels.indices.first(where: { result.labels[..<$0].contains(result.labels[$0]) }) {
            let label = result.labels[second]
            let first = result.labels.firstIndex(of: label)!
            require(
                result.tensor.shape[first] == result.tensor.shape[second], "einsum",
                "the axes \(first) and \(second) of \(result.tensor.shape) have one name and two sizes")
            result.tensor = result.tensor.diagonal(axes: first, second)
            result.labels.remove(at: second)
            result.labels.remove(at: first)
            result.labels.append(label)
        }
        return result
    }

    /// Summed over all axes that are not to be kept.
    func summed(keeping kept: Set<Label>) -> LabelledTensor {
        let axes = labels.indices.filter { !kept.contains(labels[$0]) }
        return axes.isEmpty ? self : LabelledTensor(tensor.sum(axes), labels.filter(kept.contains))
    }

    /// With axes in the order of `order`, those it has not as axes of size 1.
    func arranged(_ order: [Label]) -> Tensor {
        let present = order.filter(labels.contains)
        let axes = present.map { labels.firstIndex(of: $0)! }
        let permuted = axes == [Int](axes.indices) ? tensor : tensor.permuted(axes)
        return present.count == order.count ? permuted : permuted.reshaped(Shape(order.map { size($0) }))
    }

    /// The product with `other`, summed over all axes that are not to be kept.
    func joined(with other: LabelledTensor, keeping kept: Set<Label>) -> LabelledTensor {
        let x = summed(keeping: kept.union(other.labels))
        let y = other.summed(keeping: kept.union(labels))
        let shared = x.labels.filter(y.labels.contains)
        for label in shared {
            require(
                x.size(label) == y.size(label) || x.size(label) == 1 || y.size(label) == 1, "einsum",
                "an axis has size \(x.size(label)) in \(x.tensor.shape) and \(y.size(label)) in \(y.tensor.shape)")
        }
        // An axis of size 1 broadcasts, so only equal sizes are for the matrix product to sum over.
        let summed = shared.filter { !kept.contains($0) && x.size($0) == y.size($0) }
        let batch = shared.filter { !summed.contains($0) }
        let (left, right) = (x.labels.filter { !shared.contains($0) }, y.labels.filter { !shared.contains($0) })
        if summed.isEmpty {
            let labels = batch + left + right
            return LabelledTensor(x.arranged(labels) * y.arranged(labels), labels).summed(keeping: kept)
        }
        func count(_ labels: [Label], _ of: LabelledTensor) -> Int { labels.reduce(1) { $0 * of.size($1) } }
        let product = x.arranged(batch + left + summed)
            .reshaped(Shape(batch.map { x.size($0) } + [count(left, x), count(summed, x)]))
            .matrixMultiplied(
                by: y.arranged(batch + summed + right)
                    .reshaped(Shape(batch.map { y.size($0) } + [count(summed, y), count(right, y)])))
        let sizes = batch.map { x.size($0) == 1 ? y.size($0) : x.size($0) } + left.map { x.size($0) }
        let labels = batch + left + right
        return LabelledTensor(product.reshaped(Shape(sizes + right.map { y.size($0) })), labels).summed(keeping: kept)
    }
}
