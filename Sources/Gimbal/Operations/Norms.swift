// Measures over axes: standard deviation, norms, log-sum-exp.

extension Tensor {
    /// The root of the mean squared distance from the mean over `axes`, all of them unless given. The gradient of a deviation
    /// of 0 is 0.
    /// - Parameters:
    ///   - axes: negative ones count from the last.
    ///   - isUnbiased: divides by one less than the number of elements. PyTorch does so unless told otherwise.
    ///   - keepsAxes: leaves size 1 where an axis was folded.
    public func standardDeviation(
        _ axes: [Int]? = nil, isUnbiased: Bool = false, keepsAxes: Bool = false
    ) -> Tensor {
        let x = inFloat32
        let count = resolve(axes, "standardDeviation").reduce(1) { $0 * shape[$1] }
        // The norm has room for distances whose squares have none.
        let distance = (x - x.mean(axes, keepsAxes: true)).norm(axes, keepsAxes: keepsAxes)
        return (distance / Double(isUnbiased ? count - 1 : count).squareRoot()).cast(to: fullType)
    }

    /// log Σ exp(x) over `axes`, all of them unless given, without overflow.
    public func logSumExp(_ axes: [Int]? = nil, keepsAxes: Bool = false) -> Tensor {
        require(dtype.isFloatingPoint, "logSumExp", "needs real numbers, not \(dtype)")
        let axes = axes ?? [Int](shape.indices)
        let largest = inFullPrecision.detached().max(axes, keepsAxes: true)
        // Nothing is moved by an infinity, of which the difference from itself would be NaN.
        let shift = largest.filled(where: largest.absolute() .== Double.infinity, with: 0)
        let sum = (inFullPrecision - shift).exp().sum(axes, keepsAxes: true)
        let result = sum.log() + shift
        return keepsAxes ? result : result.removing(axes.map { resolve($0, "logSumExp") })
    }

    /// (Σ |x|ᵖ)^(1/p) over `axes`, all of them unless given; max |x| for p = ∞, min |x| for p = -∞, and the number of
    /// elements other than 0 for p = 0, whose gradient is 0. So is the gradient of a norm of 0.
    public func norm(p: Double = 2, _ axes: [Int]? = nil, keepsAxes: Bool = false) -> Tensor {
        require(dtype.isFloatingPoint, "norm", "needs real numbers, not \(dtype)")
        switch p {
        case .infinity: return absolute().max(axes, keepsAxes: keepsAxes)
        case -.infinity: return absolute().min(axes, keepsAxes: keepsAxes)
        case 0:
            // NaN is other than 0.
            return sign().absolute().filled(where: isNaN(), with: 1).sum(axes, keepsAxes: keepsAxes)
        case 1: return absolute().sum(axes, keepsAxes: keepsAxes)
        default: break
        }
        // Measured in the element that counts most, since powers of large and of small numbers do not fit: a
        // constant, on which a norm does not depend.
        let magnitudes = inFloat32.absolute()
        let measure = magnitudes.detached()
        let largest = p > 0 ? measure.max(axes, keepsAxes: true) : measure.min(axes, keepsAxes: true)
        let scale = largest.clamped(to: Double(Float.leastNormalMagnitude)...Double(Float.greatestFiniteMagnitude))
        let ratios = magnitudes / scale
        let sum = (p == 2 ? ratios.square() : ratios.power(p)).sum(axes, keepsAxes: true)
        let result = (sum.rooted { p == 2 ? $0.squareRoot() : $0.power(1 / p) } * scale).cast(to: fullType)
        return keepsAxes ? result : result.removing((axes ?? [Int](shape.indices)).map { resolve($0, "norm") })
    }

    /// A root of this sum. Its slope at 0 is infinite: a sum of 0 goes another way, on which its gradient is 0.
    private func rooted(_ root: (Tensor) -> Tensor) -> Tensor {
        let isZero = detached() .== 0
        return root(filled(where: isZero, with: 1)).filled(where: isZero, with: 0)
    }
}
