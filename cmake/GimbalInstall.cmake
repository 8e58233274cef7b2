# What `cmake --install` puts where another project's find_package(Gimbal) finds it. All of it may be moved together.

include(CMakePackageConfigHelpers)
set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/Gimbal)

get_property(modules DIRECTORY PROPERTY gimbal_modules)
install(TARGETS ${modules} EXPORT GimbalTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
foreach(module IN LISTS modules)
    get_target_property(type ${module} TYPE)
    file(GLOB maps RELATIVE ${CMAKE_CURRENT_SOURCE_DIR}
        Sources/${module}/module.modulemap Sources/${module}/include/module.modulemap)
    if(maps)
        get_filename_component(folder ${maps} DIRECTORY)
        install(DIRECTORY ${folder}/ DESTINATION ${gimbal_header_folder}/${folder})
    else()
        install(FILES
            ${CMAKE_Swift_MODULE_DIRECTORY}/${module}.swiftmodule ${CMAKE_Swift_MODULE_DIRECTORY}/${module}.swiftdoc
            DESTINATION ${gimbal_module_folder})
    endif()
endforeach()
# The C headers include some of the kernels'.
install(DIRECTORY Kernels/ DESTINATION ${gimbal_header_folder}/Kernels FILES_MATCHING PATTERN *.h)

install(EXPORT GimbalTargets NAMESPACE Gimbal:: DESTINATION ${package_folder})
configure_package_config_file(cmake/GimbalConfig.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/GimbalConfig.cmake
    INSTALL_DESTINATION ${package_folder} NO_SET_AND_CHECK_MACRO)
# Before 1.0 a new minor version may break what was.
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/GimbalConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES
    ${CMAKE_CURRENT_BINARY_DIR}/GimbalConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/GimbalConfigVersion.cmake
    cmake/GimbalLibraries.cmake
    DESTINATION ${package_folder})
