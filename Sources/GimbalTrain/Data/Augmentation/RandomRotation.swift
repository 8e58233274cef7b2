import Foundation
import Gimbal

/// How a value between pixels is found.
public enum Interpolation: String, Sendable, Codable, CaseIterable {
    /// The nearest pixel.
    case nearest
    /// The four pixels around, weighted by their nearness.
    case bilinear
}

/// Turns the image about its centre by a random angle; what lies outside it is 0. As torchvision's `RandomRotation`, and
/// `grid_sample` with `align_corners=False` and zeros for padding.
public struct RandomRotation: ImageTransform {
    /// Angles are drawn uniformly from this range; positive ones turn counter-clockwise.
    public let degrees: ClosedRange<Double>
    public let interpolation: Interpolation

    /// - Parameter degrees: angles lie in -degrees...degrees.
    public init(_ degrees: Double, interpolation: Interpolation = .bilinear) {
        require(degrees >= 0, "RandomRotation", "by up to \(degrees) degrees")
        self.init(-degrees...degrees, interpolation: interpolation)
    }

    public init(_ degrees: ClosedRange<Double>, interpolation: Interpolation = .bilinear) {
        self.degrees = degrees
        self.interpolation = interpolation
    }

    public func apply(
        _ image: UnsafePointer<Float>, _ size: ImageSize, to target: UnsafeMutablePointer<Float>,
        random: inout AugmentationRandom
    ) {
        let angle = random.uniform(degrees) * .pi / 180
        let (cosine, sine) = (cos(angle), sin(angle))
        let (middleX, middleY) = (Double(size.width - 1) / 2, Double(size.height - 1) / 2)
        let plane = size.height * size.width
        for row in 0..<size.height {
            for column in 0..<size.width {
                // Where the pixel comes from: the rotation backwards. Rows run downwards.
                let (x, y) = (Double(column) - middleX, Double(row) - middleY)
                let fromX = cosine * x - sine * y + middleX
                let fromY = sine * x + cosine * y + middleY
                let to = target + row * size.width + column
                switch interpolation {
                case .nearest:
                    let (column, row) = (Int(fromX.rounded(.toNearestOrEven)), Int(fromY.rounded(.toNearestOrEven)))
                    let isInside = column >= 0 && column < size.width && row >= 0 && row < size.height
                    for channel in 0..<size.channels {
                        to[channel * plane] = isInside ? image[channel * plane + row * size.width + column] : 0
                    }
                case .bilinear:
                    let (left, top) = (fromX.rounded(.down), fromY.rounded(.down))
                    let (column, row) = (Int(left), Int(top))
                    let (right, bottom) = (Float(fromX - left), Float(fromY - top))
                    @inline(__always)
                    func pixel(_ channel: Int, _ row: Int, _ column: Int) -> Float {
                        guard column >= 0 && column < size.width && row >= 0 && row < size.height else { return 0 }
                        return image[channel * plane + row * size.width + column]
                    }
                    for channel in 0..<size.channels {
                        let above =
                            pixel(channel, row, column) * (1 - right) + pixel(channel, row, column + 1) * right
                        let below =
                            pixel(channel, row + 1, column) * (1 - right) + pixel(channel, row + 1, column + 1) * right
                        to[channel * plane] = above * (1 - bottom) + below * bottom
                    }
                }
            }
        }
    }
}
