# cmake/sanitizers.cmake: STOAT_SANITIZE=address,undefined instruments the library, the examples and the tests.
set(stoat_sanitize_flags "")
if(STOAT_SANITIZE)
  set(stoat_sanitize_flags -fsanitize=${STOAT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_compile_options(${stoat_sanitize_flags})
  add_link_options(${stoat_sanitize_flags})
endif()
