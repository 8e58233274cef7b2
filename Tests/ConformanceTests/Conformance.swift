import Testing

/// Every operation of the backend protocol, on every backend, against the Double reference.
///
/// The suites run one after another: the backends are shared, and each already uses all of its device.
@Suite(.serialized) enum Conformance {}
