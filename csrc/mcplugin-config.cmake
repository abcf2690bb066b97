# find_package(mcplugin CONFIG) provides
#   mcplugin::mcplugin        the shared library
#   mcplugin::static          the archive
#   mcplugin_FORTRAN_SOURCE   source of the Fortran module, to be compiled with the program
get_filename_component(mcplugin_PREFIX "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
set(mcplugin_FORTRAN_SOURCE "${mcplugin_PREFIX}/fortran/mcplugin.f90")

if(NOT TARGET mcplugin::mcplugin)
  add_library(mcplugin::mcplugin SHARED IMPORTED)
  set_target_properties(mcplugin::mcplugin PROPERTIES
    IMPORTED_LOCATION "${mcplugin_PREFIX}/lib/libmcplugin.so"
    IMPORTED_SONAME "libmcplugin.so"
    INTERFACE_INCLUDE_DIRECTORIES "${mcplugin_PREFIX}/include")

  add_library(mcplugin::static STATIC IMPORTED)
  set_target_properties(mcplugin::static PROPERTIES
    IMPORTED_LOCATION "${mcplugin_PREFIX}/lib/libmcplugin.a"
    INTERFACE_INCLUDE_DIRECTORIES "${mcplugin_PREFIX}/include"
    INTERFACE_LINK_LIBRARIES "m;${CMAKE_DL_LIBS}")
endif()
