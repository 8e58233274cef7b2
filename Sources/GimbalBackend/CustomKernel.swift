import Synchronization

/// An operation of a user's own: OpenCL C for the devices that take it, and a closure that does the same on the CPU.
///
/// ```swift
/// let shifted = CustomKernel(
///     "shifted", inputs: ["x"], outputs: ["out"], numbers: ["by"],
///     body: """
///         size_t i = get_global_id(0);
///         if (i < out_count) out[i] = x[i] + by;
///         """
/// ) { call in
///     for i in call.outputs[0].indices { call.outputs[0][i] = call.inputs[0][i] + call.numbers[0] }
/// }
/// ```
/// The kernel's head is written from the names. In the body stand, under the name of each input and output, a pointer to
/// its float32 elements, contiguous in row-major order, `NAME_count`, how many there are (ulong), and, where the body uses
/// it, `NAME_shape.of[axis]` (int); numbers are float, integers int. Work-items are rounded up to whole groups, so that a body must
/// tell whether its work-item has anything to do.
///
/// Both ways must write all of every output. A kernel that does not build is an error of the next call that waits, such as
/// reading a value: `GimbalError.kernelBuildFailed` names the operation and has the compiler's log, with lines counted from the
/// body's first.
public final class CustomKernel: Sendable {
    /// The name of the kernel's function, by which errors speak of it.
    public let name: String
    /// Names of the tensors that it reads.
    public let inputs: [String]
    /// Names of the tensors that it writes.
    public let outputs: [String]
    /// Names of the float values that every call gives.
    public let numbers: [String]
    /// Names of the int values that every call gives.
    public let integers: [String]
    /// OpenCL C that stands before the kernel: functions, types, macros.
    public let header: String
    /// What stands between the braces of the kernel, in OpenCL C.
    public let body: String
    /// Work-items of a group, all along the first axis.
    public let groupSize: Int
    /// The same on the CPU.
    package let computeOnHost: @Sendable (HostCall) -> Void
    /// A number that no other kernel has.
    package let id: Int

    private static let counter = Atomic<Int>(0)

    /// What a kernel's closure computes with: elements in row-major order.
    public struct HostCall {
        /// The elements of each input.
        public let inputs: [UnsafeBufferPointer<Float>]
        /// Where the elements of each output go.
        public let outputs: [UnsafeMutableBufferPointer<Float>]
        /// The call's numbers, in the order of their names.
        public let numbers: [Float]
        /// The call's integers, in the order of their names.
        public let integers: [Int]
        /// The shapes of the inputs.
        public let inputShapes: [Shape]
        /// The shapes of the outputs.
        public let outputShapes: [Shape]
    }

    /// What a backend is asked to run: views of float32 that are contiguous, in the order of the names.
    public struct Launch {
        /// What the kernel reads.
        public var inputs: [TensorView]
        /// What it writes.
        public var outputs: [TensorView]
        /// Its float values.
        public var numbers: [Double]
        /// Its int values.
        public var integers: [Int]
        /// Work-items along one to three axes.
        public var workItems: [Int]

        /// Views, numbers and integers in the order of the kernel's names; work-items along one to three axes.
        public init(
            inputs: [TensorView], outputs: [TensorView], numbers: [Double] = [], integers: [Int] = [], workItems: [Int]
        ) {
            self.inputs = inputs
            self.outputs = outputs
            self.numbers = numbers
            self.integers = integers
            self.workItems = workItems
        }
    }

    /// A kernel from its body and what its head is written from. Names are identifiers of C and differ from each other.
    /// - Parameters:
    ///   - name: of the kernel's function, by which errors and launch records speak of it.
    ///   - inputs: names of tensors that it reads; may be none.
    ///   - outputs: names of tensors that it writes, one at least.
    ///   - numbers: names of the float values given with every call.
    ///   - integers: names of the int values given with every call.
    ///   - groupSize: work-items of a group; devices take 256 at least.
    ///   - header: OpenCL C that stands before the kernel: functions, types, macros.
    ///   - body: what stands between the braces of the kernel, in OpenCL C.
    ///   - computeOnHost: the same on the CPU, in the host's memory.
    public init(
        _ name: String, inputs: [String], outputs: [String], numbers: [String] = [], integers: [String] = [],
        groupSize: Int = 256, header: String = "", body: String,
        onCPU computeOnHost: @escaping @Sendable (_ call: HostCall) -> Void
    ) {
        let names = [name] + inputs + outputs + numbers + integers
        for name in names {
            let isIdentifier =
                name.utf8.allSatisfy { isLetter($0) || (0x30...0x39).contains($0) }
                && name.utf8.first.map(isLetter) == true
            require(isIdentifier, "CustomKernel", "'\(name)' is no identifier of C")
        }
        require(Set(names).count == names.count, "CustomKernel '\(name)'", "names must differ from each other")
        require(
            !outputs.isEmpty && groupSize > 0, "CustomKernel '\(name)'", "needs an output and a positive group size")
        self.name = name
        (self.inputs, self.outputs, self.numbers, self.integers) = (inputs, outputs, numbers, integers)
        (self.groupSize, self.header, self.body) = (groupSize, header, body)
        self.computeOnHost = computeOnHost
        id = Self.counter.wrappingAdd(1, ordering: .relaxed).newValue
    }

    /// Runs the closure on the host's memory.
    fileprivate func runOnHost(_ launch: Launch) {
        func elements(_ view: TensorView) -> UnsafeMutableBufferPointer<Float> {
            let start = view.storage.handle + view.byteOffset
            return .init(start: start.assumingMemoryBound(to: Float.self), count: view.elementCount)
        }
        computeOnHost(
            HostCall(
                inputs: launch.inputs.map { .init(elements($0)) }, outputs: launch.outputs.map(elements),
                numbers: launch.numbers.map { Float($0) }, integers: launch.integers,
                inputShapes: launch.inputs.map(\.shape), outputShapes: launch.outputs.map(\.shape)))
    }
}

private func isLetter(_ character: UInt8) -> Bool {
    character == 0x5F || (0x41...0x5A).contains(character) || (0x61...0x7A).contains(character)
}

extension Backend {
    public func run(_ kernel: CustomKernel, _ launch: CustomKernel.Launch) {
        guard isOnHost else {
            return errors.report(
                .deviceFailed(
                    device: device.id, operation: kernel.name,
                    reason: "the device takes no kernels of a user's own, and its memory is not the host's"))
        }
        kernel.runOnHost(launch)
    }
}
