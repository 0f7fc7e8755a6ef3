/* The contract of a vector kind: eight nodes of a feature plan that are of the same kind, advanced side by
 * side. A kind does for eight lanes, in the same order of operations, what an indicator of the same name
 * does for one, or one arithmetic operation; so the bits are the same, on every instruction set.
 *
 * Memory. All that changes lies in the instrument's memory, an array of doubles of which a vector knows
 * places only (`in`, `out`, `state`, `ring`): no pointers, so that it can be copied, snapshotted or sent to a
 * device. Counters are int64 in the same words. All that does not change (periods, places) is in tf_vector_t,
 * which the plan owns and all instruments share.
 *
 * Windows. What a window over the last n inputs needs is the input that leaves it. Inputs are kept once for
 * all windows over one series, in a history: a ring of a power of two, larger than the longest of them. The
 * plan puts an input there before any lane runs; so a lane that has taken `cnt` inputs before this one finds
 * this one at ring[cnt & mask] and the one that leaves at ring[(cnt - n) & mask]. A lane takes an input
 * exactly when the history does (tf_vector_history_t says which).
 *
 * A state of zeroes is the beginning. A rejected input leaves the lane's state as it is, and its outputs
 * read NaN, as do those of a lane that is warming. Lanes beyond those a plan needs repeat the last one. */
#ifndef TF_VECTOR_H
#define TF_VECTOR_H

#include "tf/base.h"
#include "tf/indicator.h"
#include "tf/isa.h"

#define TF_VECTOR_LANES      8 /* 64 bytes: a register of AVX-512, a cache line */
#define TF_VECTOR_INPUTS_MAX 2
#define TF_VECTOR_CONSTS_MAX 3

#define TF_VECTOR_MAGNITUDE_MAX                                                                    \
  1e150 /* beyond it an input counts as infinite (indicator/parts.h) */

/* Whether a kind reads histories, and which inputs those hold. */
typedef enum tf_vector_history {
  TF_VECTOR_HISTORY_NONE,
  TF_VECTOR_HISTORY_USABLE,  /* magnitudes up to TF_VECTOR_MAGNITUDE_MAX */
  TF_VECTOR_HISTORY_POSITIVE /* of those, the ones above 0 */
} tf_vector_history_t;

/* Eight lanes. Places are indices of doubles in the instrument's memory. */
typedef struct tf_vector {
  uint16_t in[TF_VECTOR_INPUTS_MAX][TF_VECTOR_LANES];
  uint32_t out;   /* 8 slots an output, one output behind the other; a multiple of 8 */
  uint32_t state; /* a multiple of 8 */
  uint32_t reserved[6];
  int64_t  ring[TF_VECTOR_LANES], mask[TF_VECTOR_LANES]; /* of the history */
  int64_t  n[TF_VECTOR_LANES];                           /* the first parameter, if it is a count */
  int64_t  own[TF_VECTOR_LANES];                         /* the lane's own doubles */
  double   consts[TF_VECTOR_CONSTS_MAX][TF_VECTOR_LANES];
} tf_vector_t;

TF_STATIC_ASSERT(sizeof(tf_vector_t) == 64 + 64 * (4 + TF_VECTOR_CONSTS_MAX), "whole lines");

typedef struct tf_vector_kind {
  const char         *name;        /* of the indicator or operation */
  uint32_t            state_lines; /* of 8 doubles, a vector */
  tf_vector_history_t history;
  uint8_t             input_cnt, output_cnt;

  /* How many inputs back a lane reads its history, this input's own place not counted. NULL without one. */
  uint64_t (*depth)(const double *params);

  /* How many doubles a lane has to itself, behind all states. NULL: none. */
  uint64_t (*own)(const double *params);

  /* Writes a lane's n and consts. The parameters were checked against the indicator's. NULL: none. */
  void (*prepare)(const double *params, uint32_t lane, tf_vector_t *vector);

  /* One step of each of `cnt` vectors; mem is 64-byte aligned. NULL where the build has no such code. */
  void (*run[TF_ISA_CNT])(const tf_vector_t *vectors, uint32_t cnt, double *mem);
} tf_vector_kind_t;

#endif
