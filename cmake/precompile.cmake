# cmake/precompile.cmake: headers that most files here include, compiled once. g++ only: a build with clang shows what a file
# forgets to include.
option(STOAT_PRECOMPILE "Compile common headers once (g++)" ON)
if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set(STOAT_PRECOMPILE OFF)
endif()

# stoat_precompile(target header...): the target's own.
function(stoat_precompile target)
  if(STOAT_PRECOMPILE)
    target_precompile_headers(${target} PRIVATE ${ARGN})
  endif()
endfunction()

# stoat_reuse_precompiled(target other): those of another target, which must have the same options.
function(stoat_reuse_precompiled target other)
  if(STOAT_PRECOMPILE)
    target_precompile_headers(${target} REUSE_FROM ${other})
  endif()
endfunction()
