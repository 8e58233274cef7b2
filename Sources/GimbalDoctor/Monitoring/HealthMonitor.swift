import GimbalNN
import GimbalOptim

/// Watches a model while it is trained: what each layer gives out and gets back, and what each step does to each parameter.
///
/// A step that is looked at fills tables on the device, which the host reads when it waits anyway; all others cost nothing.
/// ```swift
/// let monitor = HealthMonitor()
/// for (index, batch) in loader.batches(epoch: 0, on: .current).enumerated() {
///     optimizer.zeroGradients()
///     try monitor.watching(step: index + 1) {
///         try crossEntropy(model(batch.inputs), batch.targets).backward()
///     }
///     monitor.willUpdate(optimizer.parameters)
///     try optimizer.step()
///     monitor.didUpdate()
/// }
/// for look in try monitor.takeLooks() { print(look.step, look.rows(.update).map(\.updateRatio)) }
/// ```
/// Weights, gradients and random numbers are the same to the bit with a monitor and without.
public final class HealthMonitor {
    /// Steps between two looks. The first steps, which tell most, are looked at more often.
    public let interval: Int
    /// Steps from one that is taken to the next: of an optimizer that is not used in each of a run's steps, more than 1.
    private let stride: Int
    private var current: DeviceLook?
    private var finished: [DeviceLook] = []
    private var segments = SegmentCache()
    /// What the newest step that was looked at has changed.
    private var parameters: [Parameter] = []

    /// Elements of an activation that are looked at: those of the first samples. They tell as much as all, and cost little.
    static let sampledElements = 1 << 16

    /// - Parameter interval: steps between two looks. A look costs about half a step of a small net, so that 50 steps let it
    ///   cost a hundredth.
    public convenience init(interval: Int = 50) { self.init(interval: interval, stride: 1) }

    package init(interval: Int, stride: Int) {
        require(interval > 0, "HealthMonitor", "an interval of \(interval) steps")
        (self.interval, self.stride) = (interval, stride)
    }

    /// Whether step `step`, counted from 1, is looked at.
    public func looks(at step: Int) -> Bool {
        let taken = (step - 1) / stride + 1
        return taken % interval == 0 || [1, 2, 5, 10, 20].contains(taken)
    }

    /// Runs `body`, which computes a loss and its gradients, and watches it where the step is looked at; of several batches
    /// in one step, the first.
    public func watching<Result>(step: Int, _ body: () throws -> Result) rethrows -> Result {
        guard looks(at: step), current?.step != step else { return try body() }
        let look = DeviceLook(step: step, segments: segments, parameters: parameters)
        current = look
        return try withOperationWatcher(
            OperationWatcher(computed: { look.add($0) }, isThorough: false), body)
    }

    /// Measures the gradients that the parameters hold, and keeps the weights of a step that is looked at. To be called when
    /// all gradients of the step are there.
    public func willUpdate(_ parameters: [Parameter]) {
        guard let current else { return }
        current.addGradients(of: parameters)
        self.parameters = parameters
    }

    /// Measures what the step has changed. To be called after the optimizer's step.
    public func didUpdate() {
        guard let look = current else { return }
        look.addUpdates()
        finished.append(look)
        current = nil
    }

    /// Leaves out what was seen since `takeLooks()` was called, as where a run goes back.
    public func forget() {
        current = nil
        finished = []
    }

    /// Says that the gradients that the parameters get are multiplied by `factor` after the backward pass, as where each batch
    /// counts for a part of the step: those of activations are told in the same measure.
    package func gradientsAreScaled(by factor: Double) { current?.gradientScale = factor }

    /// The looks since the last call. Waits for the device where there are any.
    /// - Parameter exchange: of ranks that train together, each on its rows of every batch: what is told of activations is then
    ///   of all rows, the same on all ranks. Each is to call this after the same steps.
    /// - Throws: the first failure of the device; `GimbalError.exchange`.
    public func takeLooks(over exchange: (any GradientExchange)? = nil) throws -> [HealthLook] {
        defer { finished.removeAll() }
        return try DeviceLook.read(finished, over: exchange)
    }
}

/// The stretch of the first `count` elements, as the device knows it. Kept, since to hand it over waits for the device.
final class SegmentCache {
    private var views: [Int: TensorView] = [:]
    private var stretches: [[Int]: Segments] = [:]

    func first(_ count: Int, on backend: any Backend) throws -> TensorView {
        if let view = views[count], view.storage.backend === backend { return view }
        let view = try backend.uploadedIndices([0, Int32(count)], [1, 2])
        views[count] = view
        return view
    }

    /// The stretches of the parameters of `run`.
    func parameters(of run: ParameterRun) throws -> TensorView {
        let key = run.parameters.flatMap { [$0.arenaOffset, $0.elementCount] }
        if let held = stretches[key], held.view.storage.backend === run.weights.storage.backend { return held.view }
        let made = try Segments(run, units: .parameters)
        stretches[key] = made
        return made.view
    }
}
