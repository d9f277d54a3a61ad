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

# stoat_less_optimisation(target): for a release by g++, whose optimisation takes longer than these programs run.
function(stoat_less_optimisation target)
  if(CMAKE_BUILD_TYPE STREQUAL "Release" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE -Og -Wno-maybe-uninitialized)  # g++ 12 warns of code of Eigen then
  endif()
endfunction()

# stoat_compile_quickly(target): that, with the headers that go with it.
function(stoat_compile_quickly target)
  stoat_less_optimisation(${target})
  stoat_reuse_precompiled(${target} stoat_quick_headers)
endfunction()
