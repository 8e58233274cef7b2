@_exported import Gimbal
@_exported import GimbalDoctor
@_exported import GimbalNN
@_exported import GimbalOptim
