import Foundation
import Gimbal
import GimbalNN
import GimbalOptim
import GimbalTestSupport
import Synchronization
import Testing

/// What fails in operations is thrown to whoever waits for what they compute, and to nobody else.
@Suite struct FailureTests {
    /// Whether this thread is the one whose operations fail.
    @TaskLocal static var isSick = false

    static let trials = wantedTrials("GIMBAL_FAILURE_TRIALS", otherwise: 200)
    static func failure(_ number: Int) -> GimbalError {
        .deviceFailed(device: "reference", operation: "launch \(number)", reason: "on purpose")
    }

    /// Lets everything on a device fail for a while.
    private final class Breaker: Sendable {
        private let isBroken = Atomic(false)

        func device(failingBy failure: GimbalError) -> Device {
            Device(backend: ReferenceBackend(faults: { _ in self.isBroken.load(ordering: .relaxed) ? failure : nil }))
        }

        @discardableResult
        func whileBroken<Result>(_ body: () throws -> Result) rethrows -> Result {
            isBroken.store(true, ordering: .relaxed)
            defer { isBroken.store(false, ordering: .relaxed) }
            return try body()
        }
    }

    /// Fails launches and allocations of the sick thread, each with a probability of 1 in 40.
    private final class Faults: Sendable {
        private let state = Lock((random: SystemRandom(seed: 1), met: [String](), count: 0))

        func next(_ fault: ReferenceBackend.Fault) -> GimbalError? {
            guard FailureTests.isSick else { return nil }
            return state.withLock { state in
                guard state.random.next() % 40 == 0 else { return nil }
                state.count += 1
                var failure = FailureTests.failure(state.count)
                if case .allocation(let bytes) = fault {
                    failure = .outOfMemory(device: "reference", requestedBytes: bytes, usedBytes: state.count)
                }
                state.met.append(FailureTests.cause("\(failure)"))
                return failure
            }
        }

        /// The failures since this was last asked.
        func take() -> [String] {
            state.withLock { state in
                defer { state.met = [] }
                return state.met
            }
        }
    }

    struct SystemRandom: RandomNumberGenerator {
        private var state: UInt64
        init(seed: UInt64) { state = seed }
        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state >> 33
        }
    }

    /// Two steps of a small net, and its weights.
    private static func train(on device: Device) throws -> [Double] {
        try withDevice(device) {
            let model = Sequential {
                Linear(3, 4, generator: RandomGenerator(seed: 5))
                BatchNorm1d(4)
                ReLU()
                Linear(4, 2, generator: RandomGenerator(seed: 6))
            }
            let optimizer = Adam(model.parameters, learningRate: 0.1)
            let (x, targets) = (Tensor([1, -2, 3, 4, 5, -6], [2, 3]), Tensor([0, 1] as [Int32], [2]))
            for _ in 0..<2 {
                optimizer.zeroGradients()
                try crossEntropy(model(x), targets).backward()
                try clipGradientNorm(model.parameters, maxNorm: 1)
                try optimizer.step()
            }
            let state = model.stateDictionary()
            return try state.names.flatMap { try state[$0]?.doubles() ?? [] }
        }
    }

    @Test func aHealthyThreadIsNeverToldOfASickOnes() throws {
        let faults = Faults()
        let device = Device(backend: ReferenceBackend(faults: { faults.next($0) }))
        let expected = try Self.train(on: device)
        let isOver = Atomic(false)
        let healthy = Lock((runs: 0, wrong: [String]()))
        let group = DispatchGroup()
        let thread = Thread {
            while !isOver.load(ordering: .relaxed) {
                let wrong: String?
                do {
                    wrong = try Self.train(on: device) == expected ? nil : "other numbers"
                } catch {
                    wrong = "\(error)"
                }
                healthy.withLock {
                    $0.runs += 1
                    if let wrong { $0.wrong.append(wrong) }
                }
            }
            group.leave()
        }
        group.enter()
        thread.start()
        var (thrown, fine) = (0, 0)
        FailureTests.$isSick.withValue(true) {
            defer { tell(tried: Self.trials, of: "threads") }
            for _ in 0..<Self.trials {
                do {
                    let result = try Self.train(on: device)
                    #expect(result == expected, "a sick chain gave numbers")
                    #expect(faults.take() == [], "a failure was told to nobody")
                    fine += 1
                } catch {
                    // One of its own, with the operation and the layer that met it.
                    #expect(faults.take().contains(Self.cause("\(error)")))
                    thrown += 1
                }
            }
        }
        isOver.store(true, ordering: .relaxed)
        group.wait()
        #expect(healthy.withLock { $0.wrong } == [])
        #expect(healthy.withLock { $0.runs } > 0 && thrown > 0)
    }

    /// A message without the place that is added to it.
    fileprivate static func cause(_ message: String) -> String {
        message.replacing(#/ \(in .*?\)/#, with: "").replacing(#/ by '[^']*'| by layer [^,]*/#, with: "")
    }

    @Test func itIsThrownWhereATensorIsReadAlsoOnAnotherThread() throws {
        let breaker = Breaker()
        let device = breaker.device(failingBy: Self.failure(7))
        try withDevice(device) {
            let x = Tensor([1, 2, 3])
            let sick = breaker.whileBroken { x * 2 }
            nonisolated(unsafe) let heir = sick + 1
            let healthy = x + 1
            #expect(try healthy.doubles() == [2, 3, 4])
            let group = DispatchGroup()
            let onAnother = Lock<GimbalError?>(nil)
            DispatchQueue.global().async(group: group) {
                do { _ = try heir.doubles() } catch { onAnother.withLock { $0 = error as? GimbalError } }
            }
            group.wait()
            #expect(onAnother.withLock { $0 } == Self.failure(7))
            // As often as it is read, and only there.
            #expect(throws: Self.failure(7)) { try sick.doubles() }
            #expect(throws: Self.failure(7)) { try sick.doubles() }
            #expect(throws: Self.failure(7)) { try heir[0].item() }
            // What chooses is an operand as well.
            let sickMask = breaker.whileBroken { x .> 2 }
            #expect(throws: Self.failure(7)) { try Tensor.select(sickMask, x, x).doubles() }
            try? device.backend.synchronize()
            try device.backend.synchronize()
            #expect(try healthy.doubles() == [2, 3, 4])
            // Where nobody reads it, the thread's next wait for the whole device tells.
            breaker.whileBroken { _ = x * 2 }
            #expect(throws: Self.failure(7)) { try device.backend.synchronize() }
            try device.backend.synchronize()
        }
    }

    @Test func weightsThatAStepFailedInCannotBeUsedUntilTheyAreLoadedAnew() throws {
        let breaker = Breaker()
        let device = breaker.device(failingBy: Self.failure(3))
        try withDevice(device) {
            let model = Linear(2, 2, generator: RandomGenerator(seed: 1))
            let saved = try model.parameters.map { try $0.value.doubles() }
            let optimizer = SGD(model.parameters, learningRate: 0.1, momentum: 0.9)
            let x = Tensor([1, 2], [1, 2])
            try model(x).sum().backward()
            breaker.whileBroken { #expect(throws: Self.failure(3)) { try optimizer.step() } }
            #expect(throws: Self.failure(3)) { try model(x).doubles() }
            #expect(throws: Self.failure(3)) { try optimizer.step() }
            for (parameter, values) in zip(model.parameters, saved) {
                parameter.assign(Tensor(values, parameter.shape))
            }
            let expected = Linear(2, 2, generator: RandomGenerator(seed: 1))
            #expect(try model(x).doubles() == expected(x).doubles())
        }
    }

    /// An optimizer is made without `try`: that its arena failed is known later.
    @Test func anArenaThatCannotBeFilledIsToldByTheFirstStep() throws {
        let breaker = Breaker()
        let device = breaker.device(failingBy: Self.failure(3))
        try withDevice(device) {
            let model = Linear(2, 2, generator: RandomGenerator(seed: 1))
            let before = try model.parameters.map { try $0.value.doubles() }
            let optimizer = breaker.whileBroken { SGD(model.parameters, learningRate: 0.1) }
            try model(Tensor([1, 2], [1, 2])).sum().backward()
            #expect(throws: Self.failure(3)) { try optimizer.step() }
            let after = try model.parameters.map { try $0.value.doubles() }
            #expect(after == before)
        }
    }

    /// A gradient that failed is thrown before any weight changes, and the next one is as ever.
    @Test func aFailedBackwardLeavesWeightsAndTheNextGradient() throws {
        let failing = Atomic(Int.max)
        let device = Device(
            backend: ReferenceBackend(faults: { fault in
                guard case .launch = fault else { return nil }
                return failing.wrappingSubtract(1, ordering: .relaxed).newValue == 0 ? Self.failure(1) : nil
            }))
        try withDevice(device) {
            var launches = 1
            while true {
                failing.store(.max, ordering: .relaxed)
                let model = Linear(2, 3, generator: RandomGenerator(seed: 1))
                let optimizer = SGD(model.parameters, learningRate: 0.1)
                let before = try model.parameters.map { try $0.value.doubles() }
                let loss = model(Tensor([1, 2], [1, 2])).square().sum()
                failing.store(launches, ordering: .relaxed)
                do {
                    try loss.backward()
                    break
                } catch {
                    failing.store(.max, ordering: .relaxed)
                    #expect("\(error)".contains("launch 1"))
                }
                #expect(try model.parameters.map { try $0.value.doubles() } == before)
                optimizer.zeroGradients()
                try model(Tensor([1, 2], [1, 2])).square().sum().backward()
                try optimizer.step()
                let after = try model.parameters.map { try $0.value.doubles() }
                #expect(after != before && after.joined().allSatisfy(\.isFinite))
                launches += 1
            }
            #expect(launches > 4)
        }
    }

    /// From each allocation on, as a machine that is full has it: an error, never a trap.
    @Test func noMemoryFromSomeAllocationOnIsAnError() throws {
        var first = 1
        while true {
            let left = Atomic(first)
            let device = Device(
                backend: ReferenceBackend(faults: { fault in
                    guard case .allocation(let bytes) = fault,
                        left.wrappingSubtract(1, ordering: .relaxed).newValue < 0
                    else { return nil }
                    return .outOfMemory(device: "reference", requestedBytes: bytes, usedBytes: 0)
                }))
            do {
                _ = try Self.train(on: device)
                break
            } catch GimbalError.outOfMemory(_, let requested, _, _, _) {
                #expect(requested > 0)
            }
            first += 1
        }
        #expect(first > 100)
    }

    /// Of a model that found no memory: what is loaded into it has no place to go.
    @Test func whatStandsInForMemoryIsNotWrittenTo() throws {
        let isFull = Atomic(true)
        let device = Device(
            backend: ReferenceBackend(faults: { fault in
                guard case .allocation = fault, isFull.load(ordering: .relaxed) else { return nil }
                return Self.failure(9)
            }))
        try withDevice(device) {
            let parameter = Parameter(Tensor(repeating: 1, [3]))
            let scaler = LossScaler(initialScale: 2, device: device)
            isFull.store(false, ordering: .relaxed)
            let (value, state) = (Tensor([1, 2, 3]), Tensor([1, 0, 0]))
            parameter.assign(value)
            scaler.restore(state)
            #expect(throws: Self.failure(9)) { try parameter.value.doubles() }
            #expect(throws: Self.failure(9)) { try scaler.counters() }
            let numbers = try value.doubles()
            #expect(numbers == [1, 2, 3])
        }
    }

    @Test func theMessageNamesOperationAndLayer() {
        let isFull = Atomic(false)
        let device = Device(
            backend: ReferenceBackend(faults: { fault in
                guard case .allocation(let bytes) = fault, isFull.load(ordering: .relaxed) else { return nil }
                return .outOfMemory(device: "reference", requestedBytes: bytes, usedBytes: 12)
            }))
        withDevice(device) {
            let model = Sequential {
                ReLU()
                Linear(2, 3)
            }
            let x = Tensor([1, 2], [1, 2]).relu()
            isFull.store(true, ordering: .relaxed)
            let result = model[1](x)
            #expect(throws: GimbalError.self) { try result.doubles() }
            do { _ = try result.doubles() } catch {
                #expect(
                    "\(error)".contains("'linear' (in layer 1: Linear)") || "\(error)".contains("'linear' (in Linear)"),
                    "\(error)")
            }
        }
    }
}
