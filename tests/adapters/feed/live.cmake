tf_test(test_backoff LIBS tf_live)
tf_test(test_shard LIBS tf_live)
tf_test(test_feed_files LIBS tf_live)
tf_test(test_dialer SOURCES venue_stub.c LIBS tf_live)
foreach(theme "" _books _ends _rollover _snapshots)
  tf_test(test_session${theme} SOURCES venue_stub.c LIBS tf_live tf_feed tf_io)
  set_tests_properties(test_session${theme} PROPERTIES RUN_SERIAL ON) # it measures waits
endforeach()
set_tests_properties(test_dialer PROPERTIES RUN_SERIAL ON)
