@_exported import Gimbal
