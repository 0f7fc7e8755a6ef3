/* What the sinks are measured against: the fewest calls that bring the same records to the same kind of other end, and
 * wait for what acknowledges them. No queue, no thread, no order past a lost connection. */
#ifndef BENCH_SINK_PEERS_H
#define BENCH_SINK_PEERS_H

#include "sink_ends.h"

typedef struct sink_peer {
  const char *type, *what;
  bool        has_pair; /* its reader is a plain one (sink_end_pair), else the sink's server */
  /* Called when it is connected, and before its first record; then record_cnt records, until all are there. */
  void (*run)(sink_end_t *end, const char *stream, uint64_t record_cnt, void (*begin)(void));
  uint64_t (*byte_cnt)(uint64_t record_cnt); /* that a plain reader waits for; NULL: none reads */
} sink_peer_t;

/* NULL: it has none. */
const sink_peer_t *sink_peer_of(const char *type);

#endif
