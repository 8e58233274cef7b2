import ArgumentParser
import GimbalCPU
import GimbalMPI
import GimbalTrain

struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Times operations and training steps on several devices, side by side.",
        discussion: """
            Every figure is the median over blocks of repeated calls, with the device waited for at the end of each block. \
            The devices take turns, case by case. The ratio is the first device's time over the device's own.

            Under mpirun it times training steps of all ranks: without an exchange of gradients, with one that goes on \
            during backward, and with one at its end. Hidden is the part of an exchange at the end that goes by unnoticed \
            where it goes on during backward; --only names the benchmarks.
            """)

    @Option(
        help: ArgumentHelp(
            "Devices, separated by commas; all of this machine unless given.", valueName: "cpu,opencl:0"),
        completion: .commaList { Device.available().devices.map(\.id) })
    var devices: String?
    @Option(
        help: ArgumentHelp("Only the benchmarks of these names, separated by commas.", valueName: "names"),
        completion: .commaList { Set(Benchmark.all(.float32).map(\.name)).sorted() })
    var only: String?
    @Option(help: ArgumentHelp("Only the variants of benchmarks that contain this text.", valueName: "text"))
    var variants: String?
    @Option(help: "What the products of training steps are computed in.")
    var precision = Precision.float32
    @Option(help: "Seconds to spend on each case and device.")
    var seconds = 1.0
    @Option(help: ArgumentHelp("Call each case so often instead of timing it, for a profiler.", valueName: "n"))
    var calls: Int?
    @Option(
        help: ArgumentHelp(
            """
            Model how each case would share itself among so many threads of the CPU, more than there are: parts are timed \
            one after the other, and memory is not shared.
            """, valueName: "2,4,8,16"))
    var modelThreads: String?
    @Flag(help: "Look for the fastest matrix product on each OpenCL device first, and keep what was found.")
    var tune = false
    @Flag(
        help: """
            Count what each training step asks of an OpenCL device instead of timing it: launches by kernel, arguments \
            set, waits, bytes moved and held.
            """)
    var launches = false
    @Option(
        help: ArgumentHelp(
            "With --launches: fail where a step has more launches than this file of JSON allows its benchmark.",
            valueName: "file"),
        completion: .file())
    var most: String?
    @Flag(
        help:
            """
            Time each training step with the doctor's monitors and without, in turns, and print the ratio of the medians; \
            with --launches, count a step that is looked at.
            """
    )
    var monitors = false
    @Flag(help: "List the benchmarks and leave.")
    var list = false
    @Flag(
        help: "Print one JSON object per figure, or benchmark listed, on standard output, and nothing else there.")
    var json = false

    @OptionGroup(title: "Several devices and machines") var ranks: RankOptions

    func validate() throws {
        if !(seconds > 0) { throw ValidationError("--seconds must be positive") }
        if most != nil && !launches { throw ValidationError("--most belongs to --launches") }
    }

    /// The numbers of `--model-threads`.
    private var modelled: [Int]? {
        get throws {
            try modelThreads?.split(separator: ",", omittingEmptySubsequences: false).map {
                guard let count = Int($0), (1...1024).contains(count) else {
                    throw GimbalError.invalidSetting(
                        name: "--model-threads",
                        reason: "takes numbers from 1 to 1024, separated by commas, not '\($0)'")
                }
                return count
            }
        }
    }

    func run() throws {
        try DeviceOptions.requireEnvironment()
        guard MPIExchange.isLaunched else { return try runAlone() }
        try CommandRanks.run(on: devices, ranks) { device in
            try CommandRanks.current.map { try timeRanks($0, on: device) } ?? runAlone()
        }
    }

    /// Times training steps as those of several ranks.
    private func timeRanks(_ queue: ExchangeQueue, on device: String?) throws {
        let all = Benchmark.all(precision)
        let (choice, device) = try CommandRanks.preparing {
            (try chosen(of: all), try DeviceOptions.chosen(device))
        }
        for benchmark in all where benchmark.isWanted(choice) {
            guard let training = benchmark.training else { continue }
            let cost = try withDevice(device) {
                try RankCost(benchmark, training(device), on: device, queue, ranks.settings, seconds: seconds)
            }
            try json ? printJSON(cost) : printLine(cost.text)
        }
    }

    private func runAlone() throws {
        let all = Benchmark.all(precision)
        let choice = try chosen(of: all)
        if list {
            for name in uniqued(all.map(\.name)) {
                try json ? printJSON(["benchmark": name]) : printLine(name)
            }
            return
        }
        if let counts = try modelled { return try modelScaling(choice, counts) }
        let devices = try chosenDevices()
        for device in devices {
            if let notice = precision.use(on: device) { printNotice(notice) }
        }
        if launches { return try countLaunches(choice, devices) }
        if monitors { return try timeMonitors(choice, devices) }
        if let calls {
            guard calls > 0 else { throw GimbalError.invalidSetting(name: "--calls", reason: "must be positive") }
            return try call(choice, devices, times: calls)
        }
        if tune { for device in devices { try device.tune(report: printNotice) } }
        if !json {
            try printLine("median time of a call; ratio to \(devices[0].id)")
        }
        for benchmark in all {
            var first: Double?
            for device in devices where benchmark.isWanted(choice, on: device) {
                let (parameters, timing) = try withDevice(device) {
                    let call = try benchmark.prepare(device)
                    return (call.parameters, try Timing(of: call.run, on: device, seconds: seconds))
                }
                first = first ?? timing.median
                let line = BenchmarkLine(
                    benchmark, device: device, parameters: parameters, timing: timing, first: first ?? timing.median)
                try json ? printJSON(line) : printLine(line.text)
            }
        }
    }

    private func call(_ choice: Benchmark.Choice, _ devices: [Device], times: Int) throws {
        for benchmark in Benchmark.all(precision) {
            for device in devices where benchmark.isWanted(choice, on: device) {
                try withDevice(device) {
                    let call = try benchmark.prepare(device)
                    for _ in 0..<times { try call.run() }
                    try device.backend.synchronize()
                }
            }
        }
    }

    private func modelScaling(_ choice: Benchmark.Choice, _ counts: [Int]) throws {
        // A machine of one core cannot say; a microsecond is what others take.
        let meeting = (Device.cpu.backend as? CPUBackend)?.secondsOfMeeting() ?? 1e-6
        for benchmark in Benchmark.all(precision) where benchmark.isWanted(choice, on: .cpu) {
            let scaling = try Scaling(benchmark, threads: counts, seconds: seconds, meetingSeconds: meeting)
            try json ? printJSON(scaling) : printLine(scaling.text)
        }
    }

    /// Prints the launches of each training step, and holds them against the file of `--most`.
    private func countLaunches(_ choice: Benchmark.Choice, _ devices: [Device]) throws {
        guard devices.contains(where: { $0.launchRecord != nil }) else {
            throw GimbalError.invalidSetting(
                name: "--launches", reason: "needs an OpenCL device, such as opencl:0; the CPU launches nothing")
        }
        let allowed = try most.map(LaunchLimits.init(path:))
        var excesses: [String] = []
        for benchmark in Benchmark.all(precision) where benchmark.isWanted(choice) {
            guard let training = benchmark.training else { continue }
            for device in devices where device.launchRecord != nil {
                let count = try withDevice(device) {
                    try LaunchCount(benchmark, training(device), on: device, isWatched: monitors)
                }
                try json ? printJSON(count) : printLine(count.text)
                if let excess = allowed?.excess(count) { excesses.append(excess) }
            }
        }
        guard excesses.isEmpty else {
            throw GimbalError.invalidSetting(name: "--most", reason: excesses.joined(separator: "; "))
        }
    }

    private func timeMonitors(_ choice: Benchmark.Choice, _ devices: [Device]) throws {
        for benchmark in Benchmark.all(precision) {
            guard let training = benchmark.training else { continue }
            for device in devices where benchmark.isWanted(choice, on: device) {
                let cost = try withDevice(device) {
                    try MonitorCost(benchmark, training(device), on: device, seconds: seconds)
                }
                try json ? printJSON(cost) : printLine(cost.text)
            }
        }
    }

    /// What `--only` and `--variants` ask for.
    private func chosen(of all: [Benchmark]) throws -> Benchmark.Choice {
        let names = only.map { Set($0.split(separator: ",").map(String.init)) }
        let known = uniqued(all.map(\.name))
        for name in names ?? [] where !known.contains(name) {
            throw GimbalError.invalidSetting(
                name: "--only", reason: "no benchmark '\(name)'; there are \(known.joined(separator: ", "))")
        }
        if let variants, !all.contains(where: { names?.contains($0.name) ?? true && $0.variant.contains(variants) }) {
            throw GimbalError.invalidSetting(name: "--variants", reason: "no variant contains '\(variants)'")
        }
        return Benchmark.Choice(names: names, variants: variants)
    }

    private func chosenDevices() throws -> [Device] {
        guard let devices else { return try Device.available().devices.map { try Device.named($0.id) } }
        let ids = devices.split(separator: ",").map(String.init)
        guard !ids.isEmpty else { throw GimbalError.invalidSetting(name: "--devices", reason: "names no device") }
        return try ids.map(Device.named)
    }

    private func uniqued(_ names: [String]) -> [String] {
        names.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    }
}

/// One figure, as `--json` prints it.
struct BenchmarkLine: Encodable {
    var benchmark: String
    var variant: String
    /// Samples in a batch, for training steps.
    var batch: Int?
    /// Elements of a net's parameters.
    var parameters: Int?
    var device: String
    var medianMilliseconds: Double
    var minimumMilliseconds: Double
    /// What the host's threads computed for a call.
    var processorMilliseconds: Double
    var blocks: Int
    var gigaflopsPerSecond: Double?
    var gigabytesPerSecond: Double?
    var tokensPerSecond: Double?
    /// Time of the first device over this one's.
    var ratio: Double

    init(_ benchmark: Benchmark, device: Device, parameters: Int?, timing: Timing, first: Double) {
        self.benchmark = benchmark.name
        variant = benchmark.variant
        batch = benchmark.batch
        self.parameters = parameters
        self.device = device.id
        medianMilliseconds = timing.median * 1e3
        minimumMilliseconds = timing.minimum * 1e3
        processorMilliseconds = timing.processor * 1e3
        blocks = timing.blocks
        gigaflopsPerSecond = benchmark.operations.map { $0 / timing.median * 1e-9 }
        gigabytesPerSecond = benchmark.bytes.map { $0 / timing.median * 1e-9 }
        tokensPerSecond = benchmark.tokens.map { Double($0) / timing.median }
        ratio = first / timing.median
    }

    var text: String {
        func column(_ text: String, _ width: Int) -> String {
            text + String(repeating: " ", count: max(1, width - text.count))
        }
        let speed = [
            gigaflopsPerSecond.map { "\(rounded($0)) GFLOP/s" }, gigabytesPerSecond.map { "\(rounded($0)) GB/s" },
            tokensPerSecond.map { "\(rounded($0)) tokens/s" },
        ].compactMap { $0 }.joined(separator: ", ")
        return column(benchmark, 14) + column(variant, 26) + column(device, 10)
            + column("\(rounded(medianMilliseconds)) ms", 14) + column(speed, 18) + "ratio \(rounded(ratio))"
    }

    /// Four significant digits.
    private func rounded(_ value: Double) -> String {
        guard value > 0, value.isFinite else { return "\(value)" }
        var digits = 0
        var scale = value
        while scale < 1000 && digits < 6 {
            scale *= 10
            digits += 1
        }
        let power = (0..<digits).reduce(1.0) { result, _ in result * 10 }
        let text = "\((value * power).rounded() / power)"
        return text.hasSuffix(".0") && digits == 0 ? String(text.dropLast(2)) : text
    }
}
