import Gimbal
internal import SwiftProtobuf

extension Translator {
    /// The whole graph, with outputs of the names given.
    func finished(_ outputNames: [String]) throws -> ONNXGraphProto {
        for name in outputNames { graph.reserve(name) }
        var renamed: [String: String] = [:]
        for (value, name) in zip(try translate(), outputNames) {
            if graph.computes(value) {
                graph.rename(value, to: name)
                renamed[value] = name
            } else {
                // An input, a weight or another output as well: that keeps its own name.
                graph.copy(renamed[value] ?? value, to: name)
            }
        }
        graph.prune(keeping: outputNames)
        var result = ONNXGraphProto()
        result.name = "model"
        result.node = graph.nodes
        result.initializer = graph.initializers
        result.input = zip(inputNames, trace.inputs).map { info($0, $1) }
        result.output = zip(outputNames, trace.outputs).map { info($0, $1) }
        return result
    }

    /// A value's name, type and sizes; those that follow the batch go by names.
    private func info(_ name: String, _ tensor: Paired) -> ONNXValueInfoProto {
        .with { info in
            info.name = name
            info.type.tensorType.elemType = ONNXTensorProto.DataType(tensor.dtype)
            info.type.tensorType.shape.dim = tensor.sizes.enumerated().map { axis, size in
                .with { dimension in
                    if let fixed = size.fixed {
                        dimension.dimValue = Int64(fixed)
                    } else if let multiple = size.multiple(of: batch) {
                        dimension.dimParam = multiple == 1 ? "batch" : "\(multiple) * batch"
                    } else {
                        dimension.dimParam = "\(name)_\(axis)"
                    }
                }
            }
        }
    }
}
