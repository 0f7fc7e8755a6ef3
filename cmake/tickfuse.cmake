# What every folder's CMakeLists.txt uses. A folder lists its own files; nothing is globbed, except
# that a .def list and its folder must name the same files.

set(TF_WARNINGS -Wall -Wextra -Wpedantic -Wconversion
    -Wdouble-promotion -Wformat=2 -Wvla -Werror -Wno-sign-conversion
    $<$<COMPILE_LANGUAGE:C>:-Wshadow> $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes>
    $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wshadow=local>) # a struct and a function may share a name

# -ffp-contract=off: features are the same bits on every compiler and instruction set.
add_compile_options(-fno-math-errno -ffp-contract=off -fno-omit-frame-pointer -g)
add_compile_definitions(_GNU_SOURCE)
if(TF_SANITIZE OR CMAKE_BUILD_TYPE STREQUAL "Release")
  add_compile_options(-g1) # lines, for reports and profiles; what a debugger wants besides costs a tenth of the build, a third of its linking
endif()

if(TF_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all)
  add_link_options(-fsanitize=address,undefined)
elseif(TF_SANITIZE STREQUAL "asan")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all)
  add_link_options(-fsanitize=address,undefined)
elseif(TF_SANITIZE STREQUAL "tsan")
  # -Wno-tsan: stand-alone fences are invisible to TSan; bcast.h says why it is sound all the same.
  add_compile_options(-fsanitize=thread -Wno-tsan)
  add_link_options(-fsanitize=thread)
endif()

# Half a thousand programs are linked for the tests: gold, which comes with GNU ld, takes a third of its time. What is released
# is linked by GNU ld, whose link-time optimisation was measured.
if(CMAKE_BUILD_TYPE STREQUAL "Debug")
  include(CheckLinkerFlag)
  check_linker_flag(C "-fuse-ld=gold" TF_HAVE_GOLD)
  if(TF_HAVE_GOLD)
    add_link_options(-fuse-ld=gold)
  endif()
endif()

# tf_library(name SOURCES a.c b.c [DEPS lib...])
function(tf_library name)
  cmake_parse_arguments(L "" "" "SOURCES;DEPS" ${ARGN})
  add_library(${name} STATIC ${L_SOURCES})
  target_compile_options(${name} PRIVATE ${TF_WARNINGS})
  target_include_directories(${name} PUBLIC
    ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/engine
    ${CMAKE_SOURCE_DIR}/kernels ${CMAKE_SOURCE_DIR}/adapters)
  target_link_libraries(${name} PUBLIC ${L_DEPS})
endfunction()

# Test programs of other labels are not built by default: ./dev test links none in the release build that
# it will not run there.
set(TF_TEST_LABELS "." CACHE STRING "regular expression: the labels of the tests that are wanted")

function(tf_only_if_wanted name labels)
  if(NOT "${labels}" MATCHES "${TF_TEST_LABELS}")
    set_target_properties(${name} PROPERTIES EXCLUDE_FROM_ALL TRUE)
  endif()
endfunction()

add_custom_target(races) # the tests in which threads race: what ./dev test wants of the tsan build

# tf_test(path/test_name [LIBS lib...] [LABELS unit|stress|wide|e2e|gpu...] [ARGS ...]): a cmocka program
# beside the mirror of the tree; exit 77 is "skipped, with the reason printed".
function(tf_test name)
  cmake_parse_arguments(T "" "" "SOURCES;LIBS;LABELS;ARGS" ${ARGN})
  if(NOT T_LABELS)
    set(T_LABELS unit)
  endif()
  add_executable(${name} ${name}.c ${T_SOURCES})
  target_compile_options(${name} PRIVATE ${TF_WARNINGS})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  target_link_libraries(${name} PRIVATE ${T_LIBS} tf_core PkgConfig::CMOCKA m)
  add_test(NAME ${name} COMMAND ${name} ${T_ARGS} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES LABELS "${T_LABELS}" SKIP_RETURN_CODE 77 TIMEOUT 120)
  tf_only_if_wanted(${name} "${T_LABELS}")
  if("${T_LABELS}" MATCHES "stress|weave")
    add_dependencies(races ${name})
  endif()
endfunction()

# tf_def_list(var list.def MACRO): reads MACRO(name) lines, sets var to "name.c ...", and stops the
# configure step when a file has no line, a line no file, or the lines are not sorted by name. A line
# MACRO_OF(file, name) is a member that lies in file.c with its family. Files in SHARED are the folder's own common
# code, not members.
function(tf_def_list var def macro)
  cmake_parse_arguments(D "" "" "SHARED" ${ARGN})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${def})
  file(STRINGS ${def} lines REGEX "^${macro}(_OF\\([a-z0-9_]+, |\\()[a-z0-9_]+\\)")
  set(names "")
  set(files "")
  foreach(line ${lines})
    string(REGEX REPLACE "^[^(]*\\(([a-z0-9_]+, )?([a-z0-9_]+)\\).*" "\\2" name "${line}")
    string(REGEX REPLACE "^[^(]*\\(([a-z0-9_]+).*" "\\1.c" file "${line}")
    list(APPEND names ${name})
    list(APPEND files ${file})
    if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${file})
      message(FATAL_ERROR "${def}: ${name} has no file ${file}")
    endif()
  endforeach()
  list(REMOVE_DUPLICATES files)
  set(sorted ${names})
  list(SORT sorted)
  if(NOT "${names}" STREQUAL "${sorted}")
    message(FATAL_ERROR "${def}: lines are not in alphabetical order")
  endif()
  file(GLOB present RELATIVE ${CMAKE_CURRENT_SOURCE_DIR} CONFIGURE_DEPENDS *.c)
  foreach(file ${present})
    if(NOT file IN_LIST files AND NOT file IN_LIST D_SHARED)
      message(FATAL_ERROR "${file} has no line in ${def}: add ${macro}(${file}) without the .c")
    endif()
  endforeach()
  set(${var} ${files} PARENT_SCOPE)
endfunction()
