# What ctest runs: every kernel file compiles with its default macros, and the command answers.

# The texts that make up each program stand in KernelKey.swift alone, as ["common.cl", "reduce.cl"]: the file itself is the last.
file(READ Sources/GimbalOpenCL/KernelKey.swift kernel_key)

add_executable(check_kernel cmake/check_kernel.c)
target_compile_options(check_kernel PRIVATE ${c_warnings})
target_link_libraries(check_kernel PRIVATE COpenCL)

file(GLOB kernels CONFIGURE_DEPENDS Kernels/*.cl)
foreach(kernel IN LISTS kernels)
    file(STRINGS ${kernel} entry_points REGEX "^ *(__)?kernel ")
    if(entry_points)
        get_filename_component(name ${kernel} NAME)
        string(REGEX MATCH "\\[[^]]*\"${name}\",?[ \n]*\\]" files "${kernel_key}")
        string(REGEX MATCHALL "[a-z0-9_]+\\.(cl|h)" files "${files}")
        if(NOT files)
            message(FATAL_ERROR "KernelKey.swift has no program that ends in ${name}.")
        endif()
        list(TRANSFORM files PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/Kernels/)
        add_test(NAME Kernels/${name} COMMAND check_kernel ${files})
        set_tests_properties(Kernels/${name} PROPERTIES SKIP_RETURN_CODE 77)
    endif()
endforeach()

add_test(NAME command/help COMMAND gimbal --help)
set_tests_properties(command/help PROPERTIES PASS_REGULAR_EXPRESSION "SUBCOMMANDS:.*train")
add_test(NAME command/devices COMMAND gimbal devices --json)
set_tests_properties(command/devices PROPERTIES PASS_REGULAR_EXPRESSION "\"id\" ?: ?\"cpu\"")
