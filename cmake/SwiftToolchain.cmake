# Chooses the clang that came with swiftc as the C compiler: Gimbal's C sources use #embed, which Debian's compilers are
# too old for. `swiftc` itself says where its toolchain lies, as it may be reached through a link or a version manager.

if(NOT CMAKE_C_COMPILER AND NOT DEFINED ENV{CC})
    find_program(GIMBAL_SWIFTC swiftc HINTS ENV SWIFTC)
    if(NOT GIMBAL_SWIFTC)
        message(FATAL_ERROR "swiftc was not found. Install Swift 6.2 or newer (https://www.swift.org/install/linux).")
    endif()
    execute_process(COMMAND ${GIMBAL_SWIFTC} -print-target-info OUTPUT_VARIABLE target_info COMMAND_ERROR_IS_FATAL ANY)
    string(JSON resources GET "${target_info}" paths runtimeResourcePath)
    get_filename_component(toolchain "${resources}/../../bin" REALPATH)
    find_program(CMAKE_C_COMPILER clang HINTS ${toolchain} NO_DEFAULT_PATH)
    if(NOT CMAKE_C_COMPILER)
        message(FATAL_ERROR "No clang beside ${GIMBAL_SWIFTC}; name a compiler that knows #embed in CMAKE_C_COMPILER.")
    endif()
endif()
