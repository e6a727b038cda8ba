# cmake -DOUTPUT=FILE.c -DFOLDER=DIR -DNAMES=a;b -P embed.cmake
# Writes the files as C arrays, each with its type and, as the browser's entity tag, the beginning of its SHA-256.
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
  string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
  string(APPEND arrays "static const unsigned char file_${number}[] = {\n${bytes}};\n")
  string(APPEND table "    {\"/${name}\", \"${${type}}; charset=utf-8\", \"${etag}\", file_${number}, sizeof file_${number}},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE "${OUTPUT}.new" "/* Made by embed.cmake of the files in src/label/page. */\n#include \"label_internal.h\"\n
${arrays}\nconst hone__label_file hone__label_files[] = {\n${table}};
const size_t hone__label_file_count = sizeof hone__label_files / sizeof hone__label_files[0];\n")
file(RENAME "${OUTPUT}.new" "${OUTPUT}")
