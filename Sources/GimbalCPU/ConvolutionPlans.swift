import CGimbalLoops
import GimbalBackend

/// What convolutions work out from sizes alone, kept for the next ones of the same sizes: for a single image it takes longer than
/// the sums.
final class ConvolutionPlans: Sendable {
    /// Everything that a plan depends on.
    struct Key: Hashable {
        var method: Method
        var geometry: ConvolutionGeometry
        var image: [Int]
        var output: [Int]
        /// Channels, and what memory is divided by.
        var counts: [Int]
    }

    enum Method { case gathering, gatheringGradient, gatheredWeight, winograd, winogradGradient, winogradWeight }

    private struct Held {
        var plans: [Key: any ConvolutionPlan] = [:]
        var placeCount = 0
    }

    private let held = Lock(Held())

    /// Places that are kept in all, 16 MB; those of a single plan, as of an image of millions of positions.
    private static let mostPlaces = 1 << 22
    private static let mostPlacesOfOne = 1 << 19

    /// The plan for `key`; `make` makes it where it is not known.
    func plan<Plan: ConvolutionPlan>(_ key: Key, _ make: () -> Plan) -> Plan {
        if let known = held.withLock({ $0.plans[key] }) as? Plan { return known }
        let plan = make()
        guard plan.placeCount <= Self.mostPlacesOfOne else { return plan }
        held.withLock { held in
            if held.placeCount + plan.placeCount > Self.mostPlaces { held = Held() }
            if held.plans.updateValue(plan, forKey: key) == nil { held.placeCount += plan.placeCount }
        }
        return plan
    }
}

/// Where a convolution finds and puts what it sums.
protocol ConvolutionPlan: AnyObject, Sendable {
    /// Numbers of 4 bytes that it holds.
    var placeCount: Int { get }
}

/// The sums of a convolution, or of the gradient of its input, over runs of channels that lie side by side.
final class GatheringPlan: ConvolutionPlan, @unchecked Sendable {
    /// Targets that meet the same elements of the kernel.
    struct Class {
        /// By blocks of channels.
        var runs: [[gimbal_run]]
        /// Of as many images as are summed at once, one after the other.
        var places: [Int32]
        var rowsPerImage: Int
    }

    let classes: [Class]

    /// - Parameters:
    ///   - depth: channels of the source.
    ///   - blocks: of them that are summed at once.
    ///   - images: that are summed at once.
    ///   - targetWidth: of the sums of a target.
    init(_ taps: ConvolutionTaps, depth: Int, blocks: [Range<Int>], images: Int, targetWidth: Int) {
        classes = taps.classes.map { rows in
            Class(
                runs: blocks.map { Self.runs(rows.taps, $0, depth: depth) },
                places: taps.places(rows.rows, images: images, sourceWidth: depth, targetWidth: targetWidth),
                rowsPerImage: rows.rows.count)
        }
    }

    var placeCount: Int { classes.reduce(0) { $0 + $1.places.count + $1.runs.reduce(0) { $0 + 3 * $1.count } } }

    /// The runs of a block of channels. Where that is all of them, neighbouring positions give one.
    private static func runs(_ taps: [ConvolutionTaps.Tap], _ block: Range<Int>, depth: Int) -> [gimbal_run] {
        var result: [gimbal_run] = []
        for tap in taps {
            let (source, panel) = (Int32(tap.distance * depth), Int32(tap.element * block.count))
            if block.count == depth, let last = result.last, last.source + last.count == source,
                last.panel + last.count == panel
            {
                result[result.count - 1].count += Int32(depth)
            } else {
                result.append(gimbal_run(source: source, panel: panel, count: Int32(block.count)))
            }
        }
        return result
    }
}

/// The positions that meet each element of the kernel, whose products are the gradient of the weight.
final class GatheredWeightPlan: ConvolutionPlan {
    /// For each element, of as many images as are multiplied at once.
    let elements: [(places: [Int32], perImage: Int)]
    /// Whether an element of the kernel meets an image from every target.
    let allTargetsMeet: Bool

    init(_ taps: ConvolutionTaps, images: Int, sourceWidth: Int, targetWidth: Int, targetFirst: Bool) {
        elements = taps.pairs.map { pairs in
            (
                places: taps.places(
                    pairs, images: images, sourceWidth: sourceWidth, targetWidth: targetWidth, targetFirst: targetFirst),
                perImage: pairs.count
            )
        }
        allTargetsMeet = taps.classes.allSatisfy { !$0.taps.isEmpty }
    }

    var placeCount: Int { elements.reduce(0) { $0 + $1.places.count } }
}

/// The sizes behind samples and channels.
func spatialSizes(_ view: TensorView) -> [Int] { [Int](view.shape.sizes.dropFirst(2)) }
