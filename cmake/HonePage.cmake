# hone_page(NAME OUTPUT_VARIABLE files…): the files of page/ in the current folder as C arrays, compiled in. The variable
# gets the source that defines hone__NAME_files and hone__NAME_file_count (http_page.h), each file with its type and, as
# the browser's entity tag, the beginning of its SHA-256. A web page needs no file beside the program.
#
# The same file is the script that writes the source: cmake -DOUTPUT=FILE.c -DNAME=… -DFOLDER=DIR -DNAMES=a;b -P it.
if(NOT CMAKE_SCRIPT_MODE_FILE)
  set(HONE_PAGE_SCRIPT ${CMAKE_CURRENT_LIST_FILE})
  function(hone_page name variable)
    set(source ${CMAKE_CURRENT_BINARY_DIR}/${name}_page_files.c)
    list(TRANSFORM ARGN PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/page/ OUTPUT_VARIABLE files)
    add_custom_command(OUTPUT ${source}
      COMMAND ${CMAKE_COMMAND} "-DOUTPUT=${source}" -DNAME=${name} "-DFOLDER=${CMAKE_CURRENT_SOURCE_DIR}/page"
              "-DNAMES=${ARGN}" -P ${HONE_PAGE_SCRIPT}
      DEPENDS ${files} ${HONE_PAGE_SCRIPT} VERBATIM)
    set(${variable} ${source} PARENT_SCOPE)
  endfunction()
  return()
endif()

set(type_of_html "text/html")
set(type_of_css "text/css")
set(type_of_js "text/javascript")
set(type_of_svg "image/svg+xml")
set(arrays "")
set(table "")
set(number 0)
foreach(name IN LISTS NAMES)
  file(READ "${FOLDER}/${name}" bytes HEX)
  file(SHA256 "${FOLDER}/${name}" digest)
  string(SUBSTRING "${digest}" 0 16 etag)
  string(REGEX REPLACE ".*\\." "type_of_" type "${name}")
  get_filename_component(path "${name}" NAME)
  string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
  string(APPEND arrays "static const unsigned char file_${number}[] = {\n${bytes}};\n")
  string(APPEND table "    {\"/${path}\", \"${${type}}; charset=utf-8\", \"${etag}\", file_${number}, sizeof file_${number}},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE "${OUTPUT}.new" "/* Made by HonePage.cmake of the files in page/. */\n#include \"http_page.h\"\n
extern const hone__page_file hone__${NAME}_files[];\nextern const size_t hone__${NAME}_file_count;\n
${arrays}\nconst hone__page_file hone__${NAME}_files[] = {\n${table}};
const size_t hone__${NAME}_file_count = sizeof hone__${NAME}_files / sizeof hone__${NAME}_files[0];\n")
file(RENAME "${OUTPUT}.new" "${OUTPUT}")
