# The command `gimbal`, with the argument parser that it needs.

include(FetchContent)
FetchContent_Declare(swift-argument-parser
    GIT_REPOSITORY https://github.com/apple/swift-argument-parser
    GIT_TAG 1.8.2
    GIT_SHALLOW ON)

# Its own build knows these names; its examples, tests and shared libraries are of no use here.
function(make_argument_parser_available)
    set(BUILD_EXAMPLES OFF)
    set(BUILD_SHARED_LIBS OFF)
    set(BUILD_TESTING OFF)
    set(CMAKE_POLICY_DEFAULT_CMP0077 NEW)
    FetchContent_MakeAvailable(swift-argument-parser)
    # The command holds what it needs of it: nothing of it is installed.
    FetchContent_GetProperties(swift-argument-parser SOURCE_DIR source_folder)
    set_property(DIRECTORY ${source_folder} PROPERTY EXCLUDE_FROM_ALL ON)
endfunction()
make_argument_parser_available()
foreach(target ArgumentParser ArgumentParserToolInfo)
    target_compile_options(${target} PRIVATE -suppress-warnings)
endforeach()

file(GLOB_RECURSE command_sources CONFIGURE_DEPENDS Sources/GimbalCommand/*.swift)
add_executable(gimbal ${command_sources})
configure_swift_target(gimbal)
target_compile_options(gimbal PRIVATE -module-name GimbalCommand)
if(NOT command_sources MATCHES "/main\\.swift")
    target_compile_options(gimbal PRIVATE -parse-as-library)
endif()
target_link_libraries(gimbal PRIVATE GimbalTrain GimbalONNX GimbalMPI ArgumentParser)
install(TARGETS gimbal RUNTIME)
