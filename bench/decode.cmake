# bench_decode: B3. The peer is C++, so this folder and nothing else enables the language; without
# simdjson the bench prints our side alone.
if(TF_BENCH)
  find_library(SIMDJSON_LIBRARY simdjson)
  find_path(SIMDJSON_INCLUDE simdjson.h)
  add_executable(bench_decode bench_decode.c)
  target_compile_options(bench_decode PRIVATE $<$<COMPILE_LANGUAGE:C>:${TF_WARNINGS}>)
  target_include_directories(bench_decode PRIVATE ${CMAKE_SOURCE_DIR}/tests/adapters/feed)
  target_link_libraries(bench_decode PRIVATE tf_feed PkgConfig::ZLIB)
  if(SIMDJSON_LIBRARY AND SIMDJSON_INCLUDE)
    enable_language(CXX)
    target_sources(bench_decode PRIVATE peer_simdjson.cpp)
    # for this very machine, as simdjson's manual advises; ours stays plain
    set_source_files_properties(peer_simdjson.cpp PROPERTIES
      COMPILE_OPTIONS "-std=c++17;-march=native;-Wall;-Wextra")
    target_compile_definitions(bench_decode PRIVATE BENCH_SIMDJSON)
    target_link_libraries(bench_decode PRIVATE ${SIMDJSON_LIBRARY})
  else()
    message(STATUS "bench_decode: no libsimdjson-dev, so no peer to compare with")
  endif()
  add_executable(bench_venues bench_venues.c)
  target_compile_options(bench_venues PRIVATE $<$<COMPILE_LANGUAGE:C>:${TF_WARNINGS}>)
  target_link_libraries(bench_venues PRIVATE tf_feed tf_file PkgConfig::ZLIB)
  if(SIMDJSON_LIBRARY AND SIMDJSON_INCLUDE)
    target_sources(bench_venues PRIVATE peer_book.cpp peer_venues.cpp)
    set_source_files_properties(peer_book.cpp peer_venues.cpp PROPERTIES
      COMPILE_OPTIONS "-std=c++17;-march=native;-Wall;-Wextra")
    target_compile_definitions(bench_venues PRIVATE BENCH_SIMDJSON)
    target_link_libraries(bench_venues PRIVATE ${SIMDJSON_LIBRARY})
  endif()
  add_test(NAME bench_venues_smoke COMMAND bench_venues --smoke
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(bench_venues_smoke PROPERTIES LABELS bench TIMEOUT 60 SKIP_RETURN_CODE 77)
  add_test(NAME bench_decode_smoke COMMAND bench_decode --smoke
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(bench_decode_smoke PROPERTIES LABELS bench TIMEOUT 60)
endif()
