# The libraries of the system that Gimbal stands on, each found as a target. The build uses this file, and so does
# whoever finds an installed Gimbal.

# Finds a library and its header, and makes the imported target Gimbal::LIBRARY of them. PREFIX_LIBRARY and
# PREFIX_INCLUDE_DIR say where they are, where they are not found by themselves; what is missing is added to
# gimbal_missing_libraries. Further arguments: folders that may hold the header.
function(find_gimbal_library PREFIX LIBRARY HEADER)
    # A project without C does not know Debian's folder for the machine.
    find_library(${PREFIX}_LIBRARY ${LIBRARY} PATH_SUFFIXES ${CMAKE_SYSTEM_PROCESSOR}-linux-gnu)
    find_path(${PREFIX}_INCLUDE_DIR ${HEADER}
        PATH_SUFFIXES ${ARGN} ${CMAKE_SYSTEM_PROCESSOR}-linux-gnu)
    if(NOT ${PREFIX}_LIBRARY OR NOT ${PREFIX}_INCLUDE_DIR)
        set(gimbal_missing_libraries ${gimbal_missing_libraries} "lib${LIBRARY} with ${HEADER}" PARENT_SCOPE)
        return()
    endif()
    mark_as_advanced(${PREFIX}_LIBRARY ${PREFIX}_INCLUDE_DIR)
    if(TARGET Gimbal::${LIBRARY})
        return()
    endif()
    add_library(Gimbal::${LIBRARY} UNKNOWN IMPORTED GLOBAL)
    # The module maps ask for the library by name: its folder must be known to the linker.
    get_filename_component(folder ${${PREFIX}_LIBRARY} DIRECTORY)
    set_target_properties(Gimbal::${LIBRARY} PROPERTIES
        IMPORTED_LOCATION ${${PREFIX}_LIBRARY} INTERFACE_LINK_DIRECTORIES ${folder})
    # Naming a system folder again would change the order in which the compiler searches them.
    if(NOT ${PREFIX}_INCLUDE_DIR IN_LIST CMAKE_C_IMPLICIT_INCLUDE_DIRECTORIES
        AND NOT ${PREFIX}_INCLUDE_DIR STREQUAL "/usr/include")
        set_target_properties(Gimbal::${LIBRARY} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES ${${PREFIX}_INCLUDE_DIR})
    endif()
endfunction()

set(gimbal_missing_libraries)
find_gimbal_library(OPENBLAS openblas cblas.h openblas openblas-pthread)
find_gimbal_library(OPENCL OpenCL CL/cl.h)
find_gimbal_library(PNG png png.h)
find_gimbal_library(JPEG jpeg jpeglib.h)
find_gimbal_library(ZLIB z zlib.h)
