import GimbalBackend

/// A kernel for matrix products together with a way of cutting them up. A conformance's stored properties are the
/// configuration, which is kept on disk; `MatrixPlans.kernels` lists the conformances.
protocol MatrixKernel: Hashable, Sendable, Codable, CustomStringConvertible {
    /// By which configurations on disk are known.
    static var name: String { get }
    /// Kernels whose text a configuration was tuned for.
    static var sources: [KernelName] { get }
    /// What the tuner tries on a device, and what a plan is chosen of: configurations that suit its kind.
    static func candidates(for device: OpenCLDevice) -> [Self]

    /// How far it rounds operands.
    var precision: ProductPrecision { get }
    /// Types of x and y for which it is held against the plain kernel before it is used.
    var checkedTypes: [DType] { get }
    /// The plan that is held against the plain kernel on a device before this one serves there, where that depends on more than
    /// OpenCL promises.
    var proof: MatrixPlan? { get }
    /// Whether the device has the resources and instructions.
    func fits(_ device: OpenCLDevice) -> Bool
    /// Whether it gives right results for a problem, within the problem's precision, on a device that it fits.
    func supports(_ problem: MatrixProblem) -> Bool
    /// The estimated time of a problem, the launch included. Only comparisons between plans matter.
    func seconds(_ problem: MatrixProblem, on device: OpenCLDevice) -> Double
    /// Queues a product, whose batch counts at most 65,535.
    func launch(_ product: MatrixProduct, _ problem: MatrixProblem, on backend: OpenCLBackend)
}

extension MatrixKernel {
    var precision: ProductPrecision { .float32 }
    var checkedTypes: [DType] { [.float32] }
    var proof: MatrixPlan? { nil }
}

/// How products are computed: any kernel, with its configuration.
package struct MatrixPlan: Hashable, Sendable, Codable, CustomStringConvertible {
    let kernel: any MatrixKernel

    init(_ kernel: any MatrixKernel) { self.kernel = kernel }

    package var description: String { kernel.description }

    package static func == (a: Self, b: Self) -> Bool { AnyHashable(a.kernel) == AnyHashable(b.kernel) }

    package func hash(into hasher: inout Hasher) { kernel.hash(into: &hasher) }

    private enum CodingKeys: CodingKey {
        case kernel, configuration
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let name = try container.decode(String.self, forKey: .kernel)
        guard let type = MatrixPlans.kernels.first(where: { $0.name == name }) else {
            throw DecodingError.dataCorruptedError(
                forKey: .kernel, in: container, debugDescription: "there is no kernel \(name)")
        }
        kernel = try container.decode(type, forKey: .configuration)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(type(of: kernel).name, forKey: .kernel)
        try container.encode(kernel, forKey: .configuration)
    }
}
