@_exported import Gimbal
@_exported import GimbalNN
@_exported import GimbalOptim
