import Foundation

/// How an orthogonal matrix is made from a random one.
public enum OrthogonalMethod: String, Sendable, CaseIterable {
    /// Q of its QR decomposition (Mezzadri 2007).
    case qr
    /// The singular vectors of its singular value decomposition (Saxe et al. 2014).
    case svd
}

extension Initializer {
    /// A random orthogonal matrix times `gain`: it keeps the length of every vector, whatever the depth
    /// (Saxe et al. 2014). The shape is seen as [outputs, the rest]; of rows and columns, the fewer are orthonormal.
    public static func orthogonal(gain: Double = 1, method: OrthogonalMethod = .qr) -> Initializer {
        Initializer("orthogonal", ranks: 2...Int.max) { shape, generator, device in
            let rows = shape[0]
            let columns = shape.sizes.dropFirst().reduce(1, *)
            let (long, short) = (max(rows, columns), min(rows, columns))
            var vectors = hostNumbers(.normal([short, long], generator: generator, device: .cpu))
            switch method {
            case .qr: orthonormalizeRows(&vectors, count: short, length: long)
            case .svd: vectors = rightSingularVectors(vectors, count: short, length: long)
            }
            let matrix = Tensor(vectors.map { $0 * gain }, [short, long], device: device)
            return (rows <= columns ? matrix : matrix.transposed()).reshaped(shape)
        }
    }
}

/// The elements of a tensor on the CPU. What is worked out on the host is drawn there in float32 whatever the device,
/// so that a seed gives the same weights everywhere.
func hostNumbers(_ tensor: Tensor) -> [Double] {
    guard let values = try? tensor.doubles() else { stop("initializer", "the CPU has no memory for \(tensor.shape)") }
    return values
}

/// Replaces `count` rows of `length` ≥ `count` by orthonormal ones that span the same space.
///
/// This is the Q of a QR decomposition by Householder reflections, with the signs that make R's diagonal positive: only
/// so is Q uniform over all orthogonal matrices (Mezzadri 2007).
private func orthonormalizeRows(_ values: inout [Double], count: Int, length: Int) {
    values.withUnsafeMutableBufferPointer { a in
        func dot(_ x: Int, _ y: Int, from start: Int) -> Double {
            var sum = 0.0
            for k in start..<length { sum += a[x * length + k] * a[y * length + k] }
            return sum
        }
        // Row i of `a` becomes the Householder vector of step i; its first i elements are not part of it.
        var scale = [Double](repeating: 0, count: count)
        var sign = [Double](repeating: 1, count: count)
        for i in 0..<count {
            let norm = dot(i, i, from: i).squareRoot()
            let head = a[i * length + i]
            let diagonal = head > 0 ? -norm : norm
            sign[i] = diagonal < 0 ? -1 : 1
            a[i * length + i] = head - diagonal
            let square = dot(i, i, from: i)
            scale[i] = square > 0 ? 2 / square : 0
            for j in i + 1..<max(count, i + 1) {
                let factor = scale[i] * dot(i, j, from: i)
                for k in i..<length { a[j * length + k] -= factor * a[i * length + k] }
            }
        }
        // Q's rows: the reflections applied, last first, to unit vectors. Row i is free once its reflection is used.
        var q = [Double](repeating: 0, count: count * length)
        q.withUnsafeMutableBufferPointer { q in
            for i in 0..<count { q[i * length + i] = sign[i] }
            for i in stride(from: count - 1, through: 0, by: -1) {
                for row in i..<count {
                    var sum = 0.0
                    for k in i..<length { sum += a[i * length + k] * q[row * length + k] }
                    let factor = scale[i] * sum
                    for k in i..<length { q[row * length + k] -= factor * a[i * length + k] }
                }
            }
            for k in 0..<count * length { a[k] = q[k] }
        }
    }
}

/// The right singular vectors of a matrix of `count` rows of `length` ≥ `count`, as rows, by one-sided Jacobi rotations
/// (Hestenes 1958): pairs of rows are turned until all are orthogonal, and what remains is Σ Vᵀ.
private func rightSingularVectors(_ values: [Double], count: Int, length: Int) -> [Double] {
    var a = values
    a.withUnsafeMutableBufferPointer { a in
        for _ in 0..<60 {
            var isDone = true
            for i in 0..<count {
                for j in i + 1..<max(count, i + 1) {
                    var (alpha, beta, gamma) = (0.0, 0.0, 0.0)
                    for k in 0..<length {
                        let (x, y) = (a[i * length + k], a[j * length + k])
                        alpha += x * x
                        beta += y * y
                        gamma += x * y
                    }
                    if abs(gamma) <= 1e-15 * (alpha * beta).squareRoot() { continue }
                    isDone = false
                    // The smaller angle that makes the two rows orthogonal.
                    let zeta = (beta - alpha) / (2 * gamma)
                    let tangent = (zeta < 0 ? -1 : 1) / (abs(zeta) + (1 + zeta * zeta).squareRoot())
                    let cosine = 1 / (1 + tangent * tangent).squareRoot()
                    let sine = cosine * tangent
                    for k in 0..<length {
                        let (x, y) = (a[i * length + k], a[j * length + k])
                        a[i * length + k] = cosine * x - sine * y
                        a[j * length + k] = sine * x + cosine * y
                    }
                }
            }
            if isDone { break }
        }
        for i in 0..<count {
            var square = 0.0
            for k in 0..<length { square += a[i * length + k] * a[i * length + k] }
            for k in 0..<length { a[i * length + k] /= square.squareRoot() }
        }
    }
    return a
}
