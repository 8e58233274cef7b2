import Foundation
import GimbalBackend

/// Plans that depend on how a driver takes inline PTX are held against the plain kernel before they serve: once for each device,
/// driver and way of reading operands; the cache folder remembers the verdicts.
extension OpenCLBackend {
    /// The plan for a problem: the best that is known or estimated, and proven where it must be.
    func servingPlan(for problem: MatrixProblem) -> MatrixPlan {
        if let plan = matrixPlans.withLock({ $0.chosenPlan(for: problem) }) { return plan }
        let plans = matrixPlans.withLock { $0.preferred(problem) }
        let plan = plans.first { plan in
            guard openCLDevice.compilesPTX, let proof = plan.kernel.proof else { return true }
            return isProven(proof, like: problem)
        }!
        matrixPlans.withLock { $0.choose(plan, for: problem) }
        return plan
    }

    /// Whether a plan gives right results for matrices that are stored as those of a problem are.
    func isProven(_ plan: MatrixPlan, like problem: MatrixProblem) -> Bool {
        let variant = "\(plan), x \(problem.x), y \(problem.y)"
        let source = type(of: plan.kernel).sources.flatMap { $0.files }.map(kernelText).joined()
        let key = [
            "matrix proof", device.name, device.driver, variant, String(fingerprint(source.utf8)),
        ].joined(separator: "\n")
        if let verdict = cache.read(key, kind: "proof") { return verdict == [1] }
        do {
            // What failed before is not this plan's fault, and is still to be thrown where the host waits.
            try synchronize()
        } catch {
            if let error = error as? GimbalError { errors.report(error) }
            return false
        }
        let fault = fault(of: plan, like: problem)
        cache.write([fault == nil ? 1 : 0], key: key, kind: "proof")
        if let fault {
            let notice = "gimbal: \(device.id) computes \(plan) wrongly (\(fault)); another kernel takes its place\n"
            try? FileHandle.standardError.write(contentsOf: Data(notice.utf8))
        }
        return fault == nil
    }
}
