# Library, header, pkg-config file and CMake package; the whole prefix may be moved afterwards.
include(CMakePackageConfigHelpers)

install(TARGETS b10transfer EXPORT b10transferTargets
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime NAMELINK_COMPONENT development)
install(FILES include/b10transfer.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)

set(B10_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/b10transfer)
install(EXPORT b10transferTargets NAMESPACE b10transfer:: DESTINATION ${B10_PACKAGE_DIR} COMPONENT development)
configure_package_config_file(cmake/b10transferConfig.cmake.in ${PROJECT_BINARY_DIR}/b10transferConfig.cmake
    INSTALL_DESTINATION ${B10_PACKAGE_DIR}
    NO_SET_AND_CHECK_MACRO)
# Until 1.0 a minor version may change the interface.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/b10transferConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/b10transferConfig.cmake ${PROJECT_BINARY_DIR}/b10transferConfigVersion.cmake
    DESTINATION ${B10_PACKAGE_DIR} COMPONENT development)

# Paths relative to where the .pc file lies, so that the prefix may be moved; absolute directories stay as they are.
set(B10_PC_DIR ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
    set(B10_PC_PREFIX ${CMAKE_INSTALL_PREFIX})
else()
    file(RELATIVE_PATH B10_PC_UP "/prefix/${B10_PC_DIR}" "/prefix")
    string(REGEX REPLACE "/$" "" B10_PC_UP "${B10_PC_UP}")
    set(B10_PC_PREFIX "\${pcfiledir}/${B10_PC_UP}")
endif()
foreach(kind LIB INCLUDE)
    if(IS_ABSOLUTE "${CMAKE_INSTALL_${kind}DIR}")
        set(B10_PC_${kind}DIR ${CMAKE_INSTALL_${kind}DIR})
    else()
        set(B10_PC_${kind}DIR "\${prefix}/${CMAKE_INSTALL_${kind}DIR}")
    endif()
endforeach()
set(B10_PC_CFLAGS "")
if(NOT B10_SHORT_NAMES)
    set(B10_PC_CFLAGS " -DB10_NO_SHORT_NAMES")
endif()
configure_file(cmake/b10transfer.pc.in ${PROJECT_BINARY_DIR}/b10transfer.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/b10transfer.pc DESTINATION ${B10_PC_DIR} COMPONENT development)
