import GimbalBackend

/// Which positions of a source each position of a target sums over, by classes of targets that meet the same elements of
/// the kernel at the same distances: those well inside an image are one class, those near each of its edges others.
///
/// In a convolution outputs are the targets; in the gradient of its input, the input's positions.
struct ConvolutionTaps {
    struct Tap: Hashable {
        /// Of the kernel, row-major.
        var element: Int
        /// Positions of the source from the one that a row begins at.
        var distance: Int
    }

    struct Class {
        /// Ascending elements; none where a target meets nothing.
        var taps: [Tap]
        /// For each target, where its row begins in the source.
        var rows: [(source: Int, target: Int)]
    }

    let classes: [Class]
    let elements: Int
    let (sources, targets): (Int, Int)

    /// Of a convolution of images of these spatial sizes.
    init(_ geometry: ConvolutionGeometry, image: [Int], output: [Int]) {
        self.init(geometry, sources: image, targets: output) { axis, element, target in
            target * geometry.stride[axis] - geometry.padding[axis] + element * geometry.dilation[axis]
        }
    }

    /// Of the gradient of the input of such a convolution.
    init(gradientOf geometry: ConvolutionGeometry, image: [Int], output: [Int]) {
        self.init(geometry, sources: output, targets: image) { axis, element, target in
            let reached = target + geometry.padding[axis] - element * geometry.dilation[axis]
            return reached % geometry.stride[axis] == 0 ? reached / geometry.stride[axis] : -1
        }
    }

    /// - Parameter place: where a target meets an element of the kernel on an axis; negative for nowhere.
    private init(
        _ geometry: ConvolutionGeometry, sources: [Int], targets: [Int],
        _ place: (_ axis: Int, _ element: Int, _ target: Int) -> Int
    ) {
        var classes = [Class(taps: [Tap(element: 0, distance: 0)], rows: [(0, 0)])]
        for axis in 0..<geometry.axes {
            let (kernel, size) = (geometry.kernel[axis], sources[axis])
            var alike: [Class] = []
            var known: [[Tap]: Int] = [:]
            for target in 0..<targets[axis] {
                let met = (0..<kernel).compactMap { element -> Tap? in
                    let source = place(axis, element, target)
                    return (0..<size).contains(source) ? Tap(element: element, distance: source) : nil
                }
                let first = met.first?.distance ?? 0
                let taps = met.map { Tap(element: $0.element, distance: $0.distance - first) }
                if known[taps] == nil {
                    known[taps] = alike.count
                    alike.append(Class(taps: taps, rows: []))
                }
                alike[known[taps]!].rows.append((first, target))
            }
            classes = classes.flatMap { outer in
                alike.map { inner in
                    Class(
                        taps: outer.taps.flatMap { a in
                            inner.taps.map {
                                Tap(element: a.element * kernel + $0.element, distance: a.distance * size + $0.distance)
                            }
                        },
                        rows: outer.rows.flatMap { a in
                            inner.rows.map { (a.source * size + $0.source, a.target * targets[axis] + $0.target) }
                        })
                }
            }
        }
        self.classes = classes
        elements = geometry.kernelCount
        self.sources = sources.reduce(1, *)
        self.targets = targets.reduce(1, *)
    }

    /// For each element of the kernel the targets that meet it, class by class, and the sources they meet it at.
    var pairs: [[(source: Int, target: Int)]] {
        var result = [[(source: Int, target: Int)]](repeating: [], count: elements)
        for group in classes {
            for tap in group.taps { result[tap.element] += group.rows.map { ($0.source + tap.distance, $0.target) } }
        }
        return result
    }

    /// Where pairs lie in memory, for each of `images`: elements of the source's before the target's, or after them.
    func places(
        _ pairs: [(source: Int, target: Int)], images: Int, sourceWidth: Int, targetWidth: Int,
        targetFirst: Bool = false
    ) -> [Int32] {
        var result: [Int32] = []
        result.reserveCapacity(2 * images * pairs.count)
        for image in 0..<images {
            for pair in pairs {
                let source = Int32((image * sources + pair.source) * sourceWidth)
                let target = Int32((image * targets + pair.target) * targetWidth)
                result.append(targetFirst ? target : source)
                result.append(targetFirst ? source : target)
            }
        }
        return result
    }
}
