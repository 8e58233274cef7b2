import Gimbal
import Testing

@Suite struct OperatorTests {
    /// Of whatever type the number is, on either side.
    @Test func numbersOfAnyTypeAreTheSame() throws {
        let x = Tensor([1, -2, 4])
        let (double, float, whole) = (2.0, Float(2), 2)
        for (actual, expected) in [
            ([x + double, x + float, x + whole], [3, 0, 6]), ([x - double, x - float, x - whole], [-1, -4, 2]),
            ([x * double, x * float, x * whole], [2, -4, 8]), ([x / double, x / float, x / whole], [0.5, -1, 2]),
            ([double + x, float + x, whole + x], [3, 0, 6]), ([double - x, float - x, whole - x], [1, 4, -2]),
            ([double * x, float * x, whole * x], [2, -4, 8]), ([double / x, float / x, whole / x], [2, -1, 0.5]),
        ] as [([Tensor], [Double])] {
            for tensor in actual { #expect(try tensor.doubles() == expected) }
        }
    }
}
