# How each kind of Gimbal's modules is built. All live in Sources/NAME. The functions note the modules that they make in
# the property gimbal_modules of the folder, for GimbalInstall.

include(CheckCSourceCompiles)
check_c_source_compiles("#if !__has_embed(__FILE__)\n#error\n#endif\nint main(void) { return 0; }" GIMBAL_HAS_EMBED)
if(NOT GIMBAL_HAS_EMBED)
    message(FATAL_ERROR "${CMAKE_C_COMPILER} does not know #embed; leave CMAKE_C_COMPILER out to use Swift's clang.")
endif()

# Where installed headers and modules go. Headers lie to each other there as they do here.
include(GNUInstallDirs)
set(gimbal_header_folder ${CMAKE_INSTALL_INCLUDEDIR}/gimbal)
set(gimbal_module_folder ${CMAKE_INSTALL_LIBDIR}/gimbal/modules)

# Where Gimbal is built for itself, warnings are errors: of Swift, and of the C compiler.
if(PROJECT_IS_TOP_LEVEL)
    set(swift_warnings -warnings-as-errors)
    set(c_warnings -Wall -Wextra -Werror)
endif()

# A module map over the headers of LIBRARY, one of GimbalLibraries.
function(add_module_map NAME LIBRARY)
    add_library(${NAME} INTERFACE)
    target_include_directories(${NAME} INTERFACE
        $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/Sources/${NAME}>
        $<INSTALL_INTERFACE:${gimbal_header_folder}/Sources/${NAME}>)
    target_link_libraries(${NAME} INTERFACE Gimbal::${LIBRARY})
    set_property(DIRECTORY APPEND PROPERTY gimbal_modules ${NAME})
endfunction()

# C sources with their public headers and a module map in include/.
function(add_c_module NAME)
    set(folder Sources/${NAME}/include)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/Sources/${NAME}/*.c)
    add_library(${NAME} STATIC ${sources})
    target_compile_options(${NAME} PRIVATE ${c_warnings})
    target_include_directories(${NAME} PUBLIC
        $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/${folder}> $<INSTALL_INTERFACE:${gimbal_header_folder}/${folder}>)
    target_link_libraries(${NAME} PUBLIC ${ARGN})
    set_property(DIRECTORY APPEND PROPERTY gimbal_modules ${NAME})
endfunction()

# Outside of debug builds a module is optimised as a whole. CMake 3.25 asks for an incremental build all the same, which
# the compiler answers with a remark for each module.
if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
    set(whole_module -whole-module-optimization -num-threads ${CMAKE_Swift_NUM_THREADS})
    foreach(rule CREATE_STATIC_LIBRARY LINK_EXECUTABLE)
        string(REPLACE " -incremental " " " CMAKE_Swift_${rule} "${CMAKE_Swift_${rule}}")
    endforeach()
endif()

# Settings common to the Swift libraries and the command. `package` access needs the package's name.
function(configure_swift_target TARGET)
    target_compile_options(${TARGET} PRIVATE -swift-version 6 -package-name gimbal ${whole_module} ${swift_warnings})
endfunction()

# A Swift module and the modules that it imports.
function(add_swift_module NAME)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/Sources/${NAME}/*.swift)
    add_library(${NAME} STATIC ${sources})
    configure_swift_target(${NAME})
    target_compile_options(${NAME} PRIVATE -parse-as-library)
    target_include_directories(${NAME} INTERFACE
        $<BUILD_INTERFACE:${CMAKE_Swift_MODULE_DIRECTORY}> $<INSTALL_INTERFACE:${gimbal_module_folder}>)
    target_link_libraries(${NAME} PUBLIC ${ARGN})
    set_property(DIRECTORY APPEND PROPERTY gimbal_modules ${NAME})
    # Under the name that it has for those who find it installed.
    add_library(Gimbal::${NAME} ALIAS ${NAME})
endfunction()
