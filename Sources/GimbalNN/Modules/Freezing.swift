extension Module {
    /// Stops the training of the parameters whose path from this module fits `pattern`, as for fine-tuning. `*` stands for
    /// any characters, dots included, and `?` for one.
    ///
    /// ```swift
    /// model.freeze("layer1.*")
    /// ```
    /// Their gradients are neither computed nor kept; optimizers pass over them, moments included.
    /// - Returns: the paths of these parameters.
    @discardableResult
    public func freeze(_ pattern: NamePattern = "*") -> [String] { setTrainable(false, pattern) }

    /// Resumes the training of the parameters whose path from this module fits `pattern`.
    /// - Returns: the paths of these parameters.
    @discardableResult
    public func unfreeze(_ pattern: NamePattern = "*") -> [String] { setTrainable(true, pattern) }

    private func setTrainable(_ isTrainable: Bool, _ pattern: NamePattern) -> [String] {
        let chosen = namedParameters.filter { pattern.matches($0.name) }
        for (_, parameter) in chosen { parameter.isTrainable = isTrainable }
        return chosen.map(\.name)
    }
}
