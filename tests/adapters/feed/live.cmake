tf_test(test_backoff LIBS tf_live)
tf_test(test_dialer SOURCES venue_stub.c LIBS tf_live)
tf_test(test_session SOURCES venue_stub.c LIBS tf_live tf_io)
