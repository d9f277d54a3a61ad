# cmake/warnings.cmake: what this project's own files are compiled with. Link stoat_warnings privately; it is not installed.
add_library(stoat_warnings INTERFACE)
target_compile_options(stoat_warnings INTERFACE -Wall -Wextra -Wpedantic -Wconversion)
if(STOAT_WERROR)
  target_compile_options(stoat_warnings INTERFACE -Werror)
endif()
if(STOAT_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Instrumented code hides initialisations from g++'s flow analysis: these warnings are false there.
  target_compile_options(stoat_warnings INTERFACE -Wno-maybe-uninitialized)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # g++ 12 sees overlapping copies in "text" + std::string (GCC bug 105651).
  target_compile_options(stoat_warnings INTERFACE -Wno-restrict)
  if(STOAT_PRECOMPILE)
    # Headers forget there which warnings they silence: the same falsehood under other names.
    target_compile_options(stoat_warnings INTERFACE -Wno-stringop-overflow -Wno-array-bounds)
  endif()
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # How much g++ allocates before it looks for garbage of its own (kB): a tenth less time, a tenth more memory.
  target_compile_options(stoat_warnings INTERFACE --param=ggc-min-heapsize=1000000)
endif()
