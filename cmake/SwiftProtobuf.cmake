# The messages of TensorBoard's event files and of ONNX models are written by SwiftProtobuf. Its sources are built as a module
# among Gimbal's and installed with them: whoever compiles against GimbalTrain or GimbalONNX needs its module.

include(FetchContent)
FetchContent_Declare(swift-protobuf
    GIT_REPOSITORY https://github.com/apple/swift-protobuf
    GIT_TAG 1.39.0
    GIT_SHALLOW ON
    # A folder without CMakeLists.txt: only the sources are wanted.
    SOURCE_SUBDIR Protos)
FetchContent_MakeAvailable(swift-protobuf)

file(GLOB sources CONFIGURE_DEPENDS ${swift-protobuf_SOURCE_DIR}/Sources/SwiftProtobuf/*.swift)
add_library(SwiftProtobuf STATIC ${sources})
target_compile_options(SwiftProtobuf PRIVATE
    -swift-version 6 -package-name SwiftProtobuf -parse-as-library ${whole_module} -suppress-warnings)
target_include_directories(SwiftProtobuf INTERFACE
    $<BUILD_INTERFACE:${CMAKE_Swift_MODULE_DIRECTORY}> $<INSTALL_INTERFACE:${gimbal_module_folder}>)
set_property(DIRECTORY APPEND PROPERTY gimbal_modules SwiftProtobuf)
