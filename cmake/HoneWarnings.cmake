function(hone_warnings target)
  target_compile_options(${target} PRIVATE
    -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wno-float-conversion -Wvla -Wundef
    -Wmissing-prototypes -Wstrict-prototypes -Wpointer-arith -Wwrite-strings -Wcast-qual
    $<$<BOOL:${HONE_WERROR}>:-Werror>)
  # Instrumented code hides value ranges from gcc, which then warns of what cannot happen.
  if(HONE_SANITIZE AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE -Wno-format-truncation -Wno-maybe-uninitialized)
  endif()
endfunction()
