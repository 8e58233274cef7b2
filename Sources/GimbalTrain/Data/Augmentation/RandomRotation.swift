import Foundation
import Gimbal

/// How a value between pixels is found.
public enum Interpolation: String, Sendable, Codable, CaseIterable {
    /// The nearest pixel.
    case nearest
    /// The four pixels around, weighted by their nearness.
    case bilinear
}

/// Turns the image about its centre by a random angle; what comes in from outside is 0. As torchvision's
/// `RandomRotation`, and `grid_sample` with `align_corners=False` and zeros for padding.
public struct RandomRotation: ImageTransform {
    /// Angles are drawn uniformly from this range; positive ones turn counter-clockwise.
    public let degrees: ClosedRange<Double>
    /// How a value between pixels is found.
    public let interpolation: Interpolation

    /// Turns by an angle drawn uniformly from -degrees...degrees; `degrees` is not negative.
    public init(_ degrees: Double, interpolation: Interpolation = .bilinear) {
        require(degrees >= 0, "RandomRotation", "by up to \(degrees) degrees")
        self.init(-degrees...degrees, interpolation: interpolation)
    }

    /// Turns by an angle drawn uniformly from this range of degrees; positive ones turn counter-clockwise.
    public init(_ degrees: ClosedRange<Double>, interpolation: Interpolation = .bilinear) {
        self.degrees = degrees
        self.interpolation = interpolation
    }

    public func apply(
        _ image: UnsafePointer<Float>, _ size: ImageSize, to target: UnsafeMutablePointer<Float>,
        random: inout AugmentationRandom
    ) {
        let isNearest = interpolation == .nearest
        let angle = random.uniform(degrees) * .pi / 180
        let (cosine, sine) = (cos(angle), sin(angle))
        let (height, width, plane) = (size.height, size.width, size.height * size.width)
        let (middleX, middleY) = (Double(width - 1) / 2, Double(height - 1) / 2)
        // No place lies so far outside: moved by as much, all are positive, and truncation rounds down.
        let away = Double(width + height)
        for row in 0..<height {
            let y = Double(row) - middleY
            for column in 0..<width {
                // Where the pixel comes from: the rotation backwards. Rows run downwards.
                let x = Double(column) - middleX
                let fromX = cosine * x - sine * y + middleX
                let fromY = sine * x + cosine * y + middleY
                let to = target + (row * width + column)
                if isNearest {
                    let (column, row) = (Int(nearestInteger(fromX)), Int(nearestInteger(fromY)))
                    let isInside = column >= 0 && column < width && row >= 0 && row < height
                    for start in stride(from: 0, to: size.count, by: plane) {
                        to[start] = isInside ? image[start &+ row &* width &+ column] : 0
                    }
                    continue
                }
                let (column, row) = (Int(fromX + away) &- Int(away), Int(fromY + away) &- Int(away))
                let (right, bottom) = (Float(fromX - Double(column)), Float(fromY - Double(row)))
                // Nearly every pixel has all four neighbours.
                let isInner = column >= 0 && column + 1 < width && row >= 0 && row + 1 < height
                for start in stride(from: 0, to: size.count, by: plane) {
                    let image = image + start
                    let corner = row &* width &+ column
                    let (a, b, c, d) =
                        isInner
                        ? (image[corner], image[corner &+ 1], image[corner &+ width], image[corner &+ width &+ 1])
                        : (
                            pixel(image, size, row, column), pixel(image, size, row, column + 1),
                            pixel(image, size, row + 1, column), pixel(image, size, row + 1, column + 1)
                        )
                    let above = a * (1 - right) + b * right
                    let below = c * (1 - right) + d * right
                    to[start] = above * (1 - bottom) + below * bottom
                }
            }
        }
    }
}

/// 0 outside the image.
private func pixel(_ plane: UnsafePointer<Float>, _ size: ImageSize, _ row: Int, _ column: Int) -> Float {
    guard column >= 0 && column < size.width && row >= 0 && row < size.height else { return 0 }
    return plane[row * size.width + column]
}

/// `x` to the nearest whole number, halves to the even one, for |x| < 2⁵¹. Beyond 2⁵² doubles are whole numbers, so the
/// addition rounds; it takes a twentieth of a call to the C library, which processors without SSE 4.1 need.
@inline(__always)
private func nearestInteger(_ x: Double) -> Double { (x + 0x1.8p52) - 0x1.8p52 }
