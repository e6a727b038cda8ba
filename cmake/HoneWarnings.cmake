function(hone_warnings target)
  target_compile_options(${target} PRIVATE
    -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wno-float-conversion -Wvla -Wundef
    -Wmissing-prototypes -Wstrict-prototypes -Wpointer-arith -Wwrite-strings -Wcast-qual
    $<$<BOOL:${HONE_WERROR}>:-Werror>)
endfunction()
