tf_test(test_decimal LIBS tf_json LABELS unit)
tf_test(test_json LIBS tf_json PkgConfig::JANSSON LABELS unit)
tf_test(test_json_suite LIBS tf_json LABELS unit)

# The same three on the code for machines without SSE2.
foreach(name test_decimal test_json test_json_suite)
  set(sources ${name}.c)
  foreach(source decimal.c json.c json_skip.c json_unescape.c)
    list(APPEND sources ${CMAKE_SOURCE_DIR}/adapters/wire/${source})
  endforeach()
  add_executable(${name}_swar ${sources})
  target_compile_options(${name}_swar PRIVATE ${TF_WARNINGS} -U__SSE2__)
  target_include_directories(${name}_swar PRIVATE ${CMAKE_SOURCE_DIR}/tests ${CMAKE_SOURCE_DIR}/include
    ${CMAKE_SOURCE_DIR}/adapters)
  target_link_libraries(${name}_swar PRIVATE tf_core PkgConfig::CMOCKA PkgConfig::JANSSON)
  add_test(NAME ${name}_swar COMMAND ${name}_swar WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(${name}_swar PROPERTIES LABELS unit TIMEOUT 120)
endforeach()
