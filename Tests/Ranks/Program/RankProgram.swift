import ExchangeTrials
import Foundation
import Gimbal
import GimbalMPI

/// One rank of a run that the tests of `MPIExchange` start under `mpirun`, and that can be started by hand:
///
///     mpirun -n 2 .build/release/RankProgram trial
///     … late 5      the last rank comes 5 s late; the others say so each second and wait for 10
///     … lost        the last rank does not come; the others wait for 2 s
///     … killed | stopped | exits | leaves      what becomes of the last rank, while the others wait
///     … unborn      the last rank stands still before it begins MPI
///     … time        what all-reduces of 64 B and 4 MiB take
///     … large N     N float32 are summed, and all gather N bytes
@main
struct RankProgram {
    static func main() {
        do {
            try run(Array(CommandLine.arguments.dropFirst()))
        } catch {
            FileHandle.standardError.write(Data("Error: \(error)\n".utf8))
            exit(1)
        }
    }

    private static func run(_ words: [String]) throws {
        guard MPIExchange.isLaunched else {
            print("not launched")
            return
        }
        let task = words.first ?? "trial"
        let amount = words.count > 1 ? Int(words[1]) ?? 0 : 0
        var patience = ExchangePatience(limit: .seconds(task == "late" ? amount + 10 : 60), notice: .seconds(1))
        if ["lost", "stopped", "unborn"].contains(task) { patience.limit = .seconds(2) }
        if task == "unborn", let local = MPIExchange.localRank, local + 1 == MPIExchange.localSize {
            try end("stopped")
        }
        let exchange = try MPIExchange.begin(patience: patience)
        do {
            try perform(task, amount, exchange)
            exchange.end()
        } catch {
            FileHandle.standardError.write(Data("Error on rank \(exchange.rank): \(error)\n".utf8))
            exchange.abort(status: 1)
        }
    }

    private static func perform(_ task: String, _ amount: Int, _ exchange: MPIExchange) throws {
        let isLast = exchange.rank == exchange.size - 1
        switch task {
        case "late":
            if isLast { sleep(UInt32(amount)) }
            try exchange.barrier()
            print("rank \(exchange.rank) met the others")
        case "lost", "killed", "stopped", "exits", "leaves":
            try exchange.barrier()
            if isLast { try end(task) }
            try exchange.barrier()
        case "time": try time(exchange)
        case "large": try large(exchange, amount)
        default:
            try report(exchange, "all at once")
            // What is more than MPI counts goes in pieces.
            exchange.mostAtOnce = 5
            try report(exchange, "in pieces")
        }
    }

    private static func report(_ exchange: MPIExchange, _ how: String) throws {
        let mistakes = try trial(of: exchange)
        let local = "\(MPIExchange.localRank.map(String.init) ?? "?")/\(MPIExchange.localSize.map(String.init) ?? "?")"
        print(
            "rank \(exchange.rank) of \(exchange.size), local \(local), threads \(MPIExchange.threads), \(how): "
                + (mistakes.isEmpty ? "right" : mistakes.joined(separator: "; ")))
    }

    private static func end(_ how: String) throws {
        switch how {
        case "killed": kill(getpid(), SIGKILL)
        case "stopped": kill(getpid(), SIGSTOP)
        case "lost": sleep(60)
        case "exits": exit(3)
        case "leaves": throw GimbalError.exchange(rank: nil, reason: "this rank has enough")
        default: break
        }
    }

    private static func time(_ exchange: MPIExchange) throws {
        for (count, times) in [(1 << 20, 50), (16, 2000)] {
            var elements = [Float](repeating: 0, count: count)
            try elements.withUnsafeMutableBufferPointer { elements in
                for _ in 0..<5 { try exchange.allReduce(elements, .sum) }
                try exchange.barrier()
                let began = ContinuousClock.now
                for _ in 0..<times { try exchange.allReduce(elements, .sum) }
                let taken = (ContinuousClock.now - began) / times
                if exchange.rank == 0 { print("\(count * 4) bytes: \(taken)") }
                for wire in [WireType.bfloat16, .float16] {
                    let began = ContinuousClock.now
                    for _ in 0..<times { try exchange.allReduce(elements, wire: wire) }
                    if exchange.rank == 0 { print("  over \(wire): \((ContinuousClock.now - began) / times)") }
                }
            }
        }
    }

    private static func large(_ exchange: MPIExchange, _ count: Int) throws {
        let elements = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
        // Others at each place, as parts are exchanged for themselves.
        for place in 0..<count { elements[place] = Float(place % 1009 + exchange.rank) }
        try exchange.allReduce(elements, .sum)
        let ranks = exchange.size * (exchange.size - 1) / 2
        let areRight = elements.enumerated().allSatisfy { $1 == Float($0 % 1009 * exchange.size + ranks) }
        // In one piece, as others write too.
        print("rank \(exchange.rank): sums \(areRight ? "right" : "wrong")\n", terminator: "")
        elements.deallocate()
        let bytes = [UInt8](repeating: UInt8(exchange.rank + 1), count: count)
        var all = [UInt8](repeating: 0, count: count * exchange.size)
        try bytes.withUnsafeBytes { bytes in try all.withUnsafeMutableBytes { try exchange.allGather(bytes, into: $0) }
        }
        let isRight = all.indices.allSatisfy { Int(all[$0]) == $0 / count + 1 }
        print("rank \(exchange.rank): gathered \(isRight ? "right" : "wrong")\n", terminator: "")
    }
}
