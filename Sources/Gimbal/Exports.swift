// `import Gimbal` gives tensors together with the vocabulary they are described in: shapes, dtypes, errors.
@_exported import GimbalBackend
