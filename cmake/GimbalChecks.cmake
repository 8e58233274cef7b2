# What ctest runs: every kernel file compiles with its default macros, and the command answers.

# The texts that the host puts in front of kernels; a file that needs only some of them bears the others.
set(prelude common.cl functions.cl elementwise.h random_functions.cl philox.h gemm_output.cl optimizer_functions.cl
    optimizers.h)
list(TRANSFORM prelude PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/Kernels/)

add_executable(check_kernel cmake/check_kernel.c)
target_compile_options(check_kernel PRIVATE ${c_warnings})
target_link_libraries(check_kernel PRIVATE COpenCL)

file(GLOB kernels CONFIGURE_DEPENDS Kernels/*.cl)
foreach(kernel IN LISTS kernels)
    file(STRINGS ${kernel} entry_points REGEX "^ *(__)?kernel ")
    if(entry_points)
        get_filename_component(name ${kernel} NAME)
        set(own_prelude ${prelude})
        if(name MATCHES "^recurrent_sequence")
            list(APPEND own_prelude ${CMAKE_CURRENT_SOURCE_DIR}/Kernels/recurrent_groups.cl)
        endif()
        if(name MATCHES "^(gemm_tensor|gemm_wgmma|pack_operand)")
            foreach(header warp_ptx.h warp_emulation.h gemm_pairs.h wgmma.h)
                list(APPEND own_prelude ${CMAKE_CURRENT_SOURCE_DIR}/Kernels/${header})
            endforeach()
        endif()
        add_test(NAME Kernels/${name} COMMAND check_kernel ${own_prelude} ${kernel})
        set_tests_properties(Kernels/${name} PROPERTIES SKIP_RETURN_CODE 77)
    endif()
endforeach()

add_test(NAME command/help COMMAND gimbal --help)
set_tests_properties(command/help PROPERTIES PASS_REGULAR_EXPRESSION "SUBCOMMANDS:.*train")
add_test(NAME command/devices COMMAND gimbal devices --json)
set_tests_properties(command/devices PROPERTIES PASS_REGULAR_EXPRESSION "\"id\" ?: ?\"cpu\"")
