internal import SwiftProtobuf

/// What Gimbal shows of an event file that it has written.
package struct EventFile {
    /// A number at a step.
    package struct Scalar: Sendable {
        package var tag: String
        package var step: Int
        package var value: Double
    }

    /// The spread of a tensor's elements at a step.
    package struct HistogramAtStep: Sendable {
        package var tag: String
        package var step: Int
        /// The ends of each bin, one more than there are bins; empty where no value was finite.
        package var edges: [Double]
        /// The number of elements in each bin.
        package var counts: [Double]
    }

    package private(set) var scalars: [Scalar] = []
    package private(set) var histograms: [HistogramAtStep] = []

    /// Reads the file at `path` as far as it is whole: a run may be writing it.
    /// - Throws: `GimbalError.fileSystem`.
    package init(_ path: String) throws {
        try EventRecord.forEach(in: path) { event, _ in
            let step = Int(event.step)
            for value in event.summary.value {
                switch value.value {
                case .simpleValue(let number):
                    scalars.append(Scalar(tag: value.tag, step: step, value: Double(number)))
                case .histo(let message):
                    let histogram = Histogram(message)
                    // Bins of which some have no end are left out.
                    guard histogram.edges.isEmpty || histogram.edges.count == histogram.counts.count + 1 else { break }
                    histograms.append(
                        HistogramAtStep(tag: value.tag, step: step, edges: histogram.edges, counts: histogram.counts))
                default: break
                }
            }
        }
    }

    /// The event file that a run has written to its folder; nil where there is none.
    /// - Throws: `GimbalError.fileSystem`.
    package init?(folder: String) throws {
        guard let name = try EventWriter.files(in: folder).last else { return nil }
        try self.init("\(folder)/\(name)")
    }
}
