import GimbalTrain

/// What it costs to let a doctor follow a training: the same steps with the monitors of a run and without, in turns.
struct MonitorCost: Encodable {
    var benchmark: String
    var variant: String
    var device: String
    /// Of a step, as a mean over those from one look to the next; medians over all of these.
    var plainMilliseconds: Double
    var watchedMilliseconds: Double
    /// The second over the first.
    var ratio: Double
    /// The same of the least times, which other work on the machine touches less.
    var ratioOfMinima: Double
    /// Of the ratios of neighbours in time: the middle half lies between them.
    var quartiles: [Double]
    /// What a step that is looked at takes more than the one beside it, as a share of it; the median of pairs.
    var look: Double
    /// What it takes to read a look, to keep the losses and to ask the doctor, from one look to the next, in milliseconds.
    var judgementMilliseconds: Double
    /// The ratio that follows from these two: other work on the machine, which comes and goes within a span, touches it less.
    var ratioOfParts: Double
    /// Spans from look to look that were timed of each kind.
    var spans: Int

    init(_ benchmark: Benchmark, _ training: Benchmark.Training, on device: Device, seconds: Double) throws {
        let clock = ContinuousClock()
        let monitor = HealthMonitor()
        let doctor = Doctor()
        var course = Course()
        var step = 0
        let length = monitor.interval
        let waits = device.isOnHost ? 1 : 20
        var judgement = Duration.zero

        /// The steps from one look to the next, with the losses read as a trainer reads them.
        func span(watched: Bool) throws -> Double {
            let start = clock.now
            var losses: [Tensor] = []
            for index in 1...length {
                let number = step + index
                losses.append(try training.step(watchedBy: watched ? (monitor, number) : nil))
                guard index % waits == 0 || index == length else { continue }
                let values = try losses.count == 1 ? losses[0].doubles() : Tensor.stacked(losses).doubles()
                losses = []
                guard watched else { continue }
                let judged = clock.now
                defer { judgement += clock.now - judged }
                for (offset, loss) in values.enumerated() {
                    course.add(
                        Course.Step(number: number - values.count + 1 + offset, loss: loss, learningRate: 0.1))
                }
                for look in try monitor.takeLooks() { course.add(look) }
                if number % Course.blockLength == 0 { _ = doctor.look(at: course) }
            }
            if watched { step += length }
            try device.backend.synchronize()
            return (clock.now - start).seconds / Double(length)
        }

        // The first span has looks that later ones lack.
        _ = try span(watched: false)
        _ = try span(watched: true)
        var times: [(plain: Double, watched: Double)] = []
        let end = clock.now + .seconds(seconds)
        judgement = .zero
        repeat {
            // In turns, as the machine's own pace changes.
            if times.count % 2 == 0 {
                let plain = try span(watched: false)
                times.append((plain, try span(watched: true)))
            } else {
                let watched = try span(watched: true)
                times.append((try span(watched: false), watched))
            }
        } while clock.now < end || times.count < 2

        // Steps of both kinds beside each other.
        func timed(_ monitor: (HealthMonitor, step: Int)?) throws -> Double {
            let start = clock.now
            _ = try training.step(watchedBy: monitor).doubles()
            try device.backend.synchronize()
            return (clock.now - start).seconds
        }
        var shares: [Double] = []
        let pairsEnd = clock.now + .seconds(seconds)
        repeat {
            step += length
            let watchedFirst = shares.count % 2 == 0
            let first = try timed(watchedFirst ? (monitor, step) : nil)
            let second = try timed(watchedFirst ? nil : (monitor, step))
            let (plain, watched) = watchedFirst ? (second, first) : (first, second)
            shares.append(watched / plain - 1)
            monitor.forget()
        } while clock.now < pairsEnd || shares.count < 10

        func quantile(_ values: [Double], _ share: Double) -> Double {
            values.sorted()[Int((share * Double(values.count - 1)).rounded())]
        }
        self.benchmark = benchmark.name
        variant = benchmark.variant
        self.device = device.id
        plainMilliseconds = quantile(times.map(\.plain), 0.5) * 1e3
        watchedMilliseconds = quantile(times.map(\.watched), 0.5) * 1e3
        ratio = watchedMilliseconds / plainMilliseconds
        ratioOfMinima = times.map(\.watched).min()! / times.map(\.plain).min()!
        let ratios = times.map { $0.watched / $0.plain }
        quartiles = [quantile(ratios, 0.25), quantile(ratios, 0.75)]
        spans = times.count
        look = quantile(shares, 0.5)
        judgementMilliseconds = judgement.seconds / Double(times.count) * 1e3
        ratioOfParts = 1 + (look + judgementMilliseconds / plainMilliseconds) / Double(length)
    }

    var text: String {
        func number(_ value: Double) -> String { decimal(value, digits: 3) }
        return "\(benchmark), \(variant), on \(device): \(number(plainMilliseconds)) ms a step, watched "
            + "\(number(watchedMilliseconds)) ms, ratio \(number(ratio)) (\(number(quartiles[0])) to "
            + "\(number(quartiles[1])), of minima \(number(ratioOfMinima)), \(spans) spans of 50 steps); a look takes "
            + "\(number(100 * look)) % of a step and \(number(judgementMilliseconds)) ms to judge: ratio "
            + "\(decimal(ratioOfParts, digits: 4))"
    }
}
