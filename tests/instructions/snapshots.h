/* What snapshots of a running lane (boot/snapshot_live.h) cost it. */
#ifndef TESTS_INSTRUCTIONS_SNAPSHOTS_H
#define TESTS_INSTRUCTIONS_SNAPSHOTS_H

#include <stdint.h>

typedef enum snapshots_case {
  SNAPSHOTS_NONE, /* an event that nothing comes of, while none is under way: its look */
  SNAPSHOTS_UNDER_WAY, /* the same, while one is: and in each other of them the piece that begins an instrument */
  SNAPSHOTS_COPY /* an instrument with empty windows and a book of ten levels, copied while nothing comes */
} snapshots_case_t;

/* Returns how many events, or instruments; 0: it cannot be set up. */
uint64_t snapshots_run(snapshots_case_t what);

#endif
