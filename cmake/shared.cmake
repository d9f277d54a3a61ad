# cmake/shared.cmake: what libraries need when they are shared, BUILD_SHARED_LIBS=ON. (See exports.map.)
# stoat_library(target): the target's properties, shared or not.
function(stoat_library target)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF VERSION ${PROJECT_VERSION}
                                             SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "SHARED_LIBRARY")
    # Functions of one library call each other as they do in a static one: nobody replaces them from outside.
    target_compile_options(${target} PRIVATE -fno-semantic-interposition)
    if(NOT APPLE)
      set(map ${PROJECT_SOURCE_DIR}/cmake/exports.map)
      target_link_options(${target} PRIVATE LINKER:--version-script=${map})
      set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS ${map})
    endif()
  endif()
endfunction()
