import Foundation

extension Examination {
    /// What can be seen of the model that healthy ones do not show.
    public func signs(_ thresholds: Thresholds = Thresholds()) -> [SeenSign] {
        [
            nonFinite, highFirstLoss(thresholds), explodingSignal(thresholds), vanishingSignal(thresholds),
            explodingGradient(thresholds), vanishingGradient(thresholds), saturatedUnits(thresholds),
            deadUnits(thresholds),
            zeroGradient, explodingInTime(thresholds), vanishingInTime(thresholds), divergingLoss(thresholds),
            noProgress,
        ].compactMap { $0 }
    }

    private var nonFinite: SeenSign? {
        if let layer = layers.first(where: \.output.isNonFinite) {
            return SeenSign(
                .nonFinite, layers: [layer.name],
                evidence:
                    "the output of \(layer.name.asLayer) has \(layer.output.nanCount) NaN and \(layer.output.infinityCount) "
                    + "infinities")
        }
        if let layer = layers.last(where: { !($0.outputGradient?.rootMeanSquare.isFinite ?? true) }) {
            return SeenSign(
                .nonFinite, layers: [layer.name],
                evidence: "the gradient that arrives at \(layer.name.asLayer) is not finite")
        }
        return loss.isFinite ? nil : SeenSign(.nonFinite, evidence: "the loss is \(loss)")
    }

    private func highFirstLoss(_ thresholds: Thresholds) -> SeenSign? {
        // One that the first steps bring down harms nothing.
        guard let guess = lossOfGuess, guess > 0, loss > thresholds.firstLoss * guess,
            (probe?.losses.last.map { !($0 < thresholds.firstLoss * guess) }) ?? true
        else { return nil }
        return SeenSign(.highFirstLoss, evidence: "the first loss is \(short(loss)); a guess has \(short(guess))")
    }

    private func explodingSignal(_ thresholds: Thresholds) -> SeenSign? {
        guard let growth = signalGrowth, growth.trend > thresholds.exploding else { return nil }
        return SeenSign(
            .explodingSignal, layers: layers.max { $0.output.spread < $1.output.spread }.map { [$0.name] } ?? [],
            evidence: "the signal grows x\(short(growth.perLayer)) with each layer, "
                + "x\(short(growth.trend)) over all of them")
    }

    private func vanishingSignal(_ thresholds: Thresholds) -> SeenSign? {
        guard !isClosed, let growth = signalGrowth, growth.trend < thresholds.vanishing else { return nil }
        return SeenSign(
            .vanishingSignal, layers: layers.last.map { [$0.name] } ?? [],
            evidence: "the signal shrinks x\(short(growth.perLayer)) with each layer, "
                + "x\(short(growth.trend)) over all of them")
    }

    private func explodingGradient(_ thresholds: Thresholds) -> SeenSign? {
        guard let growth = gradientGrowth, growth.trend > thresholds.exploding else { return nil }
        return SeenSign(
            .explodingGradient, layers: layers.first.map { [$0.name] } ?? [],
            evidence: "the gradient grows x\(short(growth.perLayer)) with each layer on its way back, "
                + "x\(short(growth.trend)) over all of them")
    }

    private func vanishingGradient(_ thresholds: Thresholds) -> SeenSign? {
        guard !isClosed, let growth = gradientGrowth, growth.trend < thresholds.vanishing else { return nil }
        return SeenSign(
            .vanishingGradient, layers: layers.first.map { [$0.name] } ?? [],
            evidence: "the gradient shrinks x\(short(growth.perLayer)) with each layer on its way back, "
                + "x\(short(growth.trend)) over all of them")
    }

    private func saturatedUnits(_ thresholds: Thresholds) -> SeenSign? {
        // An output that is sure of what is right has done its work.
        let isRight = lossOfGuess.map { loss < $0 } ?? false
        let bad = activations.enumerated()
            .filter { $0.offset != output.activation || !isRight }.map(\.element)
            .filter { $0.units.saturatedShare > thresholds.saturatedShare }
            .sorted { $0.units.saturatedShare > $1.units.saturatedShare }
        guard let worst = bad.first else { return nil }
        return SeenSign(
            .saturatedUnits, layers: bad.map(\.name),
            evidence:
                "\(percent(worst.units.saturatedShare)) of \(worst.name.asLayer) lies where \(worst.units.function) is flat"
        )
    }

    private func deadUnits(_ thresholds: Thresholds) -> SeenSign? {
        let bad = activations.filter { $0.units.deadShare > thresholds.deadShare }
            .sorted { $0.units.deadShare > $1.units.deadShare }
        if let worst = bad.first {
            return SeenSign(
                .deadUnits, layers: bad.map(\.name),
                evidence:
                    "\(percent(worst.units.deadShare)) of the units of \(worst.name.asLayer) are off for every sample")
        }
        guard let probe, probe.diedShare > thresholds.diedShare else { return nil }
        return SeenSign(
            .deadUnits,
            evidence:
                "\(percent(probe.diedShare)) of the units are off for every sample after \(probe.losses.count - 1) steps"
        )
    }

    private var zeroGradient: SeenSign? {
        guard !isClosed else { return nil }
        let bad = layers.filter { $0.weightGradient?.isZero ?? false }
        guard !bad.isEmpty else { return nil }
        return SeenSign(
            .zeroGradient, layers: bad.map(\.name),
            evidence: "the gradients of \(bad.count) of \(layers.count) layers are exactly 0")
    }

    private func explodingInTime(_ thresholds: Thresholds) -> SeenSign? {
        signOverTime(.explodingInTime) { $0 > thresholds.explodingInTime || !$0.isFinite }
    }

    private func vanishingInTime(_ thresholds: Thresholds) -> SeenSign? {
        signOverTime(.vanishingInTime) { $0 < thresholds.vanishingInTime }
    }

    private func signOverTime(_ sign: Sign, _ isBad: (Double) -> Bool) -> SeenSign? {
        // A cell remembers beside its gates, which a new model has half open: what passes them now says little.
        for layer in layers where layer.gradientOverTime.count > 1 && !layer.isGated {
            let (first, last) = (layer.gradientOverTime.first!, layer.gradientOverTime.last!)
            guard last != 0, isBad(first / last) else { continue }
            return SeenSign(
                sign, layers: [layer.name],
                evidence:
                    "over \(layer.gradientOverTime.count) time steps the gradient changes x\(short(first / last)) "
                    + "on its way back")
        }
        return nil
    }

    private func divergingLoss(_ thresholds: Thresholds) -> SeenSign? {
        guard let probe, let first = probe.losses.first, first.isFinite, let last = probe.losses.last,
            let highest = probe.losses.max()
        else { return nil }
        // Losses may be below 0, as log-likelihoods are: a rise is taken in units of what they are, or have come down by.
        let unit = max(abs(first), first - (probe.leastLoss ?? first))
        let raising = zip(probe.losses, probe.losses.dropFirst()).count {
            $1 - $0 > thresholds.raisingStep * max(unit, lossOfGuess ?? 0)
        }
        if Double(raising) >= thresholds.raisingSteps * Double(probe.losses.count - 1) {
            return SeenSign(
                .divergingLoss,
                evidence:
                    "\(raising) of \(probe.losses.count - 1) steps on one batch raise its loss by more than "
                    + "\(percent(thresholds.raisingStep)) of the \(short(first)) that it was at first")
        }
        guard
            !last.isFinite || last - first > (thresholds.divergence - 1) * unit
                || highest - first > (thresholds.spike - 1) * max(unit, lossOfGuess ?? 0)
        else { return nil }
        return SeenSign(
            .divergingLoss,
            evidence:
                "\(probe.losses.count - 1) steps on one batch take its loss from \(short(first)) to \(short(last))"
                + (highest > last ? ", by way of \(short(highest))" : ""))
    }

    private var noProgress: SeenSign? {
        guard !isClosed, let probe, probe.losses.count > 2, let first = probe.losses.first, let least = probe.leastLoss,
            let highest = probe.losses.max(), highest - least < 1e-6 * abs(first)
        else { return nil }
        return SeenSign(
            .noProgress, evidence: "\(probe.losses.count - 1) steps on one batch leave its loss at \(short(first))")
    }

    /// Whether a head or branch begins as 0 and lets no gradient past itself before its first step, as residual nets are
    /// made on purpose (Zhang et al. 2019, Bachlechner et al. 2021).
    var isClosed: Bool {
        parameters.contains { parameter in
            parameter.values.isZero && !parameter.name.lowercased().contains("bias")
                && parameter.values.elementCount > 0
                && parameter.gradient.map { !$0.isZero } ?? false
        }
    }
}

/// Three digits of a number, as people read them.
package func short(_ value: Double) -> String {
    guard !value.isNaN else { return "NaN" }
    guard value.isFinite else { return value > 0 ? "infinity" : "-infinity" }
    let size = abs(value)
    if size != 0, size < 0.01 || size >= 100_000 { return String(format: "%.1e", value) }
    return size >= 100 ? String(format: "%.0f", value) : String(format: "%.3g", value)
}

extension String {
    /// The path of a layer, as it stands in a sentence: `layer 2` for the third of a sequence.
    package var asLayer: String { first?.isNumber ?? false ? "layer \(self)" : self }
}

/// A share as people read it.
func percent(_ share: Double) -> String {
    // What is nearly nothing, or nearly all, is neither.
    String(format: (share < 0.1 && share > 0) || (share > 0.99 && share < 0.9995) ? "%.1f %%" : "%.0f %%", share * 100)
}
