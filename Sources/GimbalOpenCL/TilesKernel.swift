import GimbalBackend

/// `gemm.cl`: tiles in local memory, float32 multiply-adds, for any GPU.
struct TilesKernel: MatrixKernel {
    static let name = "tiles"
    static let sources = [KernelName.gemm]

    var m: Int
    var n: Int
    var k: Int
    var workM: Int
    var workN: Int
    /// Among how many groups, at most, the k axis of a tile is shared.
    var parts: Int

    var description: String {
        "tiles of \(m) x \(n) x \(k), \(workM) x \(workN) a work-item" + (parts > 1 ? ", k in \(parts) parts" : "")
    }

    var groupSize: Int { (m / workM) * (n / workN) }
    private var localMemory: Int { 2 * 4 * k * (m + 4 + n + 4) }

    static func candidates(for device: OpenCLDevice) -> [TilesKernel] {
        guard !device.isCPU else { return [] }
        let shapes: [(m: Int, n: Int, k: Int, workM: Int, workN: Int)] = [
            (128, 256, 8, 16, 8), (128, 128, 8, 8, 8), (64, 128, 8, 8, 8), (128, 64, 8, 8, 8), (64, 64, 8, 8, 8),
            (64, 64, 16, 8, 4), (64, 64, 16, 4, 4), (32, 64, 16, 8, 4), (64, 32, 16, 8, 4), (32, 64, 32, 4, 4),
            (32, 32, 16, 4, 4), (32, 32, 32, 4, 4), (32, 32, 64, 4, 4), (16, 64, 32, 4, 4),
        ]
        return shapes.flatMap { shape in
            [1, 2, 3, 4, 6, 8, 12, 16, 24, 32].map { parts in
                TilesKernel(
                    m: shape.m, n: shape.n, k: shape.k, workM: shape.workM, workN: shape.workN, parts: parts)
            }
        }
    }

    /// Whether the device has the resources, and a work-group's reads cover its tiles without a rest, line by line.
    func fits(_ device: OpenCLDevice) -> Bool {
        // Some drivers take a little of the local memory for themselves.
        localMemory <= min(device.localMemoryBytes, 48 << 10) - 1024
            && groupSize <= device.largestWorkGroup && workM % 4 == 0 && workN % 4 == 0
            && (m / workM) % 4 == 0 && (n / workN) % 8 == 0
            && m * k % (groupSize * 4) == 0 && n * k % (groupSize * 4) == 0
            && groupSize % m == 0 && groupSize % n == 0 && groupSize % k == 0
    }

    func supports(_ problem: MatrixProblem) -> Bool {
        // What the parts leave for the last group must not take much memory.
        parts == 1 || tiles(problem) * parts * m * n <= 1 << 24
    }

    private func tiles(_ problem: MatrixProblem) -> Int {
        (problem.m + m - 1) / m * ((problem.n + n - 1) / n) * problem.batch
    }

    private func steps(_ problem: MatrixProblem) -> Int { (problem.k + k - 1) / k }

    /// By how many cycles a unit of an NVIDIA GPU works: 128 multiply-adds and 128 bytes of local memory each. With the
    /// constants below, the estimates for an H200 come near what was measured there.
    func seconds(_ problem: MatrixProblem, on device: OpenCLDevice) -> Double {
        let parts = parts(for: problem)
        // More parts than there are steps are the same as fewer.
        guard parts == self.parts else { return .infinity }
        let warps = Double(groupSize) / 32
        // What a step costs the unit: arithmetic, local memory (a read of x goes to 8 lanes at a time), L2.
        let arithmetic = Double(m * n * k) / 128
        let local = Double(k) * warps * (Double(workM) / 2 + Double(workN))
        let fetched = Double((m + n) * k) * 4 / 24
        let busy = max(max(arithmetic, local) + min(arithmetic, local) / 2, fetched) + fetched / 4
        // What it takes a group that is alone: the memory's latency, or the arithmetic of one of four schedulers, and the
        // way through registers, local memory and barrier, which nothing hides.
        let alone = max(700, busy, Double(k * workM * workN) * (warps / 4).rounded(.up)) + 500

        let registers = workM * workN + 2 * (workM + workN) + (m + n) * k / groupSize + 24
        let resident = max(1, min(65_536 / (registers * groupSize), 2048 / groupSize, (200 << 10) / localMemory))
        let groups = tiles(problem) * parts
        let groupsPerUnit = (groups + device.description.computeUnits - 1) / device.description.computeUnits
        let stepsPerGroup = Double((steps(problem) + parts - 1) / parts)
        func wave(_ count: Int) -> Double {
            count == 0 ? 0 : stepsPerGroup * max(alone, Double(count) * busy) + 1500
        }
        var cycles = Double(groupsPerUnit / resident) * wave(resident) + wave(groupsPerUnit % resident)
        if parts > 1 {
            // The last group reads what all left, 16 vectors a work-item at a time.
            cycles += 2500 + Double(parts) * max(Double(m * n) * 4 / 48, Double(workM * workN) / 64 * 700)
        }
        let bytes =
            4 * Double(problem.batch)
            * (Double(problem.m) * Double(problem.k) + Double(problem.k) * Double(problem.n)
                + Double(problem.m) * Double(problem.n))
        return max(cycles / 1.7e9, bytes / 3e12) + 3e-6
    }

    /// In how many parts a problem's k axis is cut: each takes a step at least.
    private func parts(for problem: MatrixProblem) -> Int { max(1, min(parts, steps(problem))) }

    func launch(_ product: MatrixProduct, _ problem: MatrixProblem, on backend: OpenCLBackend) {
        backend.reportingErrors {
            let parts = parts(for: problem)
            let isWide = needsWideIndex([product.x, product.y, product.out])
            func width(_ operand: MatrixProblem.Operand) -> Int {
                operand.width >= 4 && [.float32, .float16, .bfloat16].contains(operand.dtype) ? 4 : 1
            }
            var settings: [KernelKey.Setting] = [
                .number(.tileM, m), .number(.tileN, n), .number(.tileK, k), .number(.workM, workM),
                .number(.workN, workN), .flag(.xKFirst, problem.x.isRowMajor), .flag(.yNFirst, problem.y.isRowMajor),
                .number(.xWidth, width(problem.x)), .number(.yWidth, width(problem.y)),
                .number(.outWidth, problem.out.isRowMajor ? width(problem.out) : 1), .type(.yType, product.y.dtype),
            ]
            var more: [KernelArgument] = []
            let tiles = tiles(problem)
            if parts > 1 {
                settings.append(.flag(.splitK, true))
                let share = m * n + (product.rowSums == nil ? 0 : m)
                more += [.buffer(try backend.allocate([tiles * parts * share]).storage), .counters(tiles)]
            }
            if let rowSums = product.rowSums {
                settings += [.number(.sumsRows, rowSums.accumulates ? 2 : 1), .type(.biasType, rowSums.view.dtype)]
                more += [.view(rowSums.view), .index(rowSums.view.strides[0], isWide: isWide)]
            }
            backend.launchProduct(
                .gemm, product, settings, groups: (tiles / problem.batch, parts, problem.batch),
                groupSize: groupSize, isWide: isWide, more: more)
        }
    }
}

extension MatrixPlan {
    package static func tiles(
        m: Int, n: Int, k: Int, workM: Int, workN: Int, parts: Int = 1
    ) -> MatrixPlan {
        MatrixPlan(TilesKernel(m: m, n: n, k: k, workM: workM, workN: workN, parts: parts))
    }
}
