# Names to addresses, for whoever dials.
tf_library(tf_resolver SOURCES addresses.c resolver.c DEPS tf_core Threads::Threads)

# What all live feeds share: the dialer's thread, a connection, a session as a source.
tf_library(tf_live
  SOURCES
    attempts.c
    backoff.c
    book_watch.c
    budget.c
    dialer.c
    dialing.c
    fallback.c
    instrument_file.c
    key_file.c
    link.c
    overlap.c
    ranker.c
    ranking.c
    ranks.c
    session.c
    session_command.c
    session_init.c
    session_legs.c
    session_watch.c
    shard.c
    snapshots.c
    staleness.c
    streams.c
    ticket.c
    via.c
  DEPS tf_wire tf_json tf_resolver tf_core ${CK_LIBRARY})
