# install, pkg-config (hone.pc) and find_package(hone).
install(DIRECTORY include/hone DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
set(hone_targets hone_static)
if(HONE_BUILD_SHARED)
  list(APPEND hone_targets hone_shared)
endif()
install(TARGETS ${hone_targets} EXPORT hone_targets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(TARGET hone_program)
  install(TARGETS hone_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  # What the program writes of itself (src/cli/CMakeLists.txt); a program for another machine cannot be asked.
  if(TARGET hone_pages)
    set(pages ${PROJECT_BINARY_DIR}/pages)
    install(DIRECTORY ${pages}/man1/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
    install(FILES ${pages}/hone.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME hone)
    install(FILES ${pages}/_hone DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
    install(FILES ${pages}/hone.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
  endif()
endif()

# hone_static carries the outside libraries as link flags, so that a program needs no pkg-config of its own.
set(hone_link_flags "")
foreach(switch HDF5 JANSSON CURL ZLIB ZIP ARCHIVE NETTLE PNG JPEG SQLITE MICROHTTPD CAIRO PROTOBUF_C)
  if(HONE_WITH_${switch})
    list(APPEND hone_link_flags ${${switch}_LDFLAGS})
  endif()
endforeach()
list(REMOVE_DUPLICATES hone_link_flags)
target_link_libraries(hone_static INTERFACE "$<INSTALL_INTERFACE:${hone_link_flags}>"
                      $<INSTALL_INTERFACE:-lm> $<INSTALL_INTERFACE:-pthread>)

install(EXPORT hone_targets NAMESPACE hone:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/hone)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/honeConfig.cmake.in ${PROJECT_BINARY_DIR}/honeConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/hone)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/honeConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/honeConfig.cmake ${PROJECT_BINARY_DIR}/honeConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/hone)

# Relative to where hone.pc lies, so that a moved or --prefix'ed installation stays right.
file(RELATIVE_PATH HONE_PC_PREFIX "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/prefix")
configure_file(${PROJECT_SOURCE_DIR}/cmake/hone.pc.in ${PROJECT_BINARY_DIR}/hone.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/hone.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
