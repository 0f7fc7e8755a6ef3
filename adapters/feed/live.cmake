# What all live feeds share: the dialer's thread, a connection, a session as a source.
tf_library(tf_live
  SOURCES
    addresses.c
    attempts.c
    backoff.c
    book_watch.c
    budget.c
    dialer.c
    dialing.c
    instrument_file.c
    key_file.c
    link.c
    overlap.c
    ranker.c
    ranking.c
    resolver.c
    session.c
    session_command.c
    session_init.c
    session_legs.c
    session_watch.c
    shard.c
    snapshots.c
    staleness.c
    streams.c
    via.c
  DEPS tf_wire tf_json tf_core ${CK_LIBRARY})
