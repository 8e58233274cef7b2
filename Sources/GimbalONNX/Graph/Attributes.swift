import Foundation
import Gimbal
internal import SwiftProtobuf

extension ONNXAttributeProto {
    static func integer(_ name: String, _ value: Int) -> Self {
        make(name, .int) { $0.i = Int64(value) }
    }
    static func integers(_ name: String, _ values: [Int]) -> Self {
        make(name, .ints) { $0.ints = values.map(Int64.init) }
    }
    static func real(_ name: String, _ value: Double) -> Self {
        make(name, .float) { $0.f = Float(value) }
    }
    static func text(_ name: String, _ value: String) -> Self {
        make(name, .string) { $0.s = Data(value.utf8) }
    }
    static func texts(_ name: String, _ values: [String]) -> Self {
        make(name, .strings) { $0.strings = values.map { Data($0.utf8) } }
    }

    private static func make(_ name: String, _ type: AttributeType, _ fill: (inout Self) -> Void) -> Self {
        var attribute = Self()
        attribute.name = name
        attribute.type = type
        fill(&attribute)
        return attribute
    }
}

extension ONNXTensorProto.DataType {
    init(_ dtype: DType) {
        self =
            switch dtype {
            case .float32: .float
            case .float16: .float16
            case .bfloat16: .bfloat16
            case .float64: .double
            case .int32: .int32
            case .uint8: .uint8
            }
    }
}
