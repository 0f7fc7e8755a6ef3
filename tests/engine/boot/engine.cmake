tf_test(test_group LIBS tf_boot LABELS unit)
tf_test(test_ledger LIBS tf_boot LABELS unit)
tf_test(test_control LIBS tf_boot LABELS unit stress)
tf_test(test_placement_rule LIBS tf_boot LABELS unit)
set(test_snapshot_live_too stress) # threads
foreach(name test_snapshot test_snapshot_live)
  tf_test(${name} SOURCES snapshot_rig.c ${CMAKE_SOURCE_DIR}/tools/tickfuse/registry.c ${CMAKE_SOURCE_DIR}/tools/tickfuse/inputs.c
    LIBS tf_boot tf_indicator tf_vector tf_cross tf_policy tf_gpu tf_model tf_text tf_feed tf_runtimes tf_sink tf_store tf_file tf_wire tf_flow
         PkgConfig::JANSSON
    LABELS unit ${${name}_too})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tools/tickfuse)
endforeach()
set_tests_properties(test_snapshot_live PROPERTIES TIMEOUT 300)
