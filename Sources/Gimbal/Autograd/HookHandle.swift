/// What a registration of a hook gives back: a way to take the hook off again.
///
/// ```swift
/// let weight = Parameter(Tensor([1, 2, 3]))
/// let handle = weight.onGradient { gradient in print(gradient) }
/// handle.remove()
/// ```
/// Letting go of the handle leaves the hook in place.
public final class HookHandle {
    private var removal: (() -> Void)?

    /// - Parameter removal: takes the hook off; called once at most.
    package init(_ removal: @escaping () -> Void) { self.removal = removal }

    /// Takes the hook off. Calling it again does nothing.
    public func remove() {
        removal?()
        removal = nil
    }
}
