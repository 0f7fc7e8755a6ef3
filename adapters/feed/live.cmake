# What all live feeds share: the dialer's thread, a connection, a session as a source.
tf_library(tf_live
  SOURCES backoff.c dialer.c dialing.c link.c resolver.c session.c snapshots.c
  DEPS tf_wire tf_core ${CK_LIBRARY})
