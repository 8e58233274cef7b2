# How each kind of Gimbal's modules is built. All live in Sources/NAME.

include(CheckCSourceCompiles)
check_c_source_compiles("#if !__has_embed(__FILE__)\n#error\n#endif\nint main(void) { return 0; }" GIMBAL_HAS_EMBED)
if(NOT GIMBAL_HAS_EMBED)
    message(FATAL_ERROR "${CMAKE_C_COMPILER} does not know #embed; leave CMAKE_C_COMPILER out to use Swift's clang.")
endif()

# Finds a library and its header: PREFIX_LIBRARY and PREFIX_INCLUDE_DIR.
function(require_library PREFIX LIBRARY HEADER)
    find_library(${PREFIX}_LIBRARY ${LIBRARY})
    find_path(${PREFIX}_INCLUDE_DIR ${HEADER} PATH_SUFFIXES ${ARGN})
    if(NOT ${PREFIX}_LIBRARY OR NOT ${PREFIX}_INCLUDE_DIR)
        message(FATAL_ERROR "lib${LIBRARY} or its header ${HEADER} is missing. Scripts/install-dependencies installs it.")
    endif()
endfunction()

# A module map over the headers of a library found by require_library.
function(add_module_map NAME PREFIX)
    add_library(${NAME} INTERFACE)
    target_include_directories(${NAME} INTERFACE ${CMAKE_CURRENT_SOURCE_DIR}/Sources/${NAME})
    target_link_libraries(${NAME} INTERFACE ${${PREFIX}_LIBRARY})
    # Naming a system folder again would change the order in which the compiler searches them.
    if(NOT ${PREFIX}_INCLUDE_DIR IN_LIST CMAKE_C_IMPLICIT_INCLUDE_DIRECTORIES)
        target_include_directories(${NAME} INTERFACE ${${PREFIX}_INCLUDE_DIR})
    endif()
endfunction()

# C sources with their public headers in include/, importable from Swift.
function(add_c_module NAME)
    set(folder ${CMAKE_CURRENT_SOURCE_DIR}/Sources/${NAME})
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${folder}/*.c)
    add_library(${NAME} STATIC ${sources})
    target_compile_options(${NAME} PRIVATE -Wall -Wextra)
    target_include_directories(${NAME} PUBLIC ${folder}/include)
    target_link_libraries(${NAME} PUBLIC ${ARGN})
    if(NOT EXISTS ${folder}/include/module.modulemap)
        # SwiftPM makes this map by itself.
        set(map_folder ${CMAKE_CURRENT_BINARY_DIR}/modules/${NAME})
        file(CONFIGURE OUTPUT ${map_folder}/module.modulemap
            CONTENT "module ${NAME} {\n    umbrella \"${folder}/include\"\n    export *\n}\n")
        target_include_directories(${NAME} INTERFACE ${map_folder})
    endif()
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
    target_compile_options(${TARGET} PRIVATE -swift-version 6 -package-name gimbal ${whole_module})
endfunction()

# A Swift module and the modules that it imports.
function(add_swift_module NAME)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/Sources/${NAME}/*.swift)
    add_library(${NAME} STATIC ${sources})
    configure_swift_target(${NAME})
    target_compile_options(${NAME} PRIVATE -parse-as-library)
    target_include_directories(${NAME} INTERFACE ${CMAKE_Swift_MODULE_DIRECTORY})
    target_link_libraries(${NAME} PUBLIC ${ARGN})
endfunction()
