/* A program of a net (card_net.h) while it is made: its image, whose parts are found by place, its ops and the phases they stand in.
 * Control plane only; for card_net*.c. */
#ifndef TF_GPU_CARD_NET_DRAFT_H
#define TF_GPU_CARD_NET_DRAFT_H

#include "gpu/card_net.h"
#include "gpu/card_part.h"
#include "model/net_cut.h"
#include "model/net_plan.h"

TF_STATIC_ASSERT(TF_CARD_NET_WORDS_MAX <= TF_CARD_NET_TABLE_AT_MAX, "a table names every word");
TF_STATIC_ASSERT(TF_NET_PLAN_SCRATCH_BYTES_MAX / 4 + 4 * TF_TENSOR_CNT_MAX <=
                     TF_CARD_NET_TABLE_AT_MAX,
                 "values and ops' own memory too");

/* What of the image may be kept in shared memory on its own. */
typedef struct tf_card_net_segment {
  uint32_t at, words;
  bool     is_timed; /* the timed part reads it */
  char     name[TF_CARD_PART_NAME_BYTES];
} tf_card_net_segment_t;

/* Memory that an op touches. */
typedef struct tf_card_net_access {
  tf_card_net_place_t place;
  uint32_t            words;
  bool                writes;
  uint32_t call; /* of the part; two ops of one call write different places of its output */
} tf_card_net_access_t;

typedef struct tf_card_net_draft {
  tf_precision_t   precision;
  tf_card_limits_t limits;
  uint32_t         thread_cnt; /* that an op may have */
  bool             is_graph;

  /* the part in work */
  tf_card_net_part_t    part;
  const tf_net_t       *net;
  const tf_net_plan_t  *plan;
  uint32_t              call;
  const tf_net_node_t  *node; /* of the call; NULL: none */
  uint32_t              node_idx;
  uint32_t              work_at, work_words; /* of values: memory of ops' own, behind all others */
  tf_card_net_access_t *accesses;            /* of the phase so far */
  uint32_t              access_cnt, access_room;
  uint32_t              thread_first; /* where the phase's next op begins */
  uint32_t              part_first;   /* op */

  uint32_t              *image;
  uint32_t               words, room;
  tf_card_net_segment_t *segments;
  uint32_t               segment_cnt, segment_room;
  tf_card_net_op_t      *ops;
  uint32_t               op_cnt, op_room;
  tf_card_net_step_t    *steps;
  uint32_t               step_cnt, step_room;
  uint32_t               phase_cnt;    /* of the part */
  uint64_t               weight_bytes; /* of products */
  uint32_t              *entries;      /* a table while it is made */
  uint32_t               entry_room;
} tf_card_net_draft_t;

/* header_words: room at the image's beginning. E_CORE_NO_MEMORY. */
tf_err_t tf_card_net_draft_init(tf_card_net_draft_t *d, uint32_t header_words);
void     tf_card_net_draft_fini(tf_card_net_draft_t *d); /* accepts a zeroed one */

/* Room for cnt more of *list, bytes each. E_CORE_NO_MEMORY, E_MODEL_UNSUPPORTED past max, saying what. */
tf_err_t tf_card_net_draft_grow(void **list, uint32_t cnt, uint32_t more, uint32_t *room,
                                uint32_t max, size_t bytes, const char *what);

/* cnt words into the image, once however often they come. what: of the call's node. E_CORE_NO_MEMORY, E_MODEL_UNSUPPORTED past the limits. */
tf_err_t tf_card_net_draft_add(tf_card_net_draft_t *d, const char *what, const void *words,
                               uint32_t cnt, tf_card_net_place_t *place);
/* d->entries has room for cnt words. */
tf_err_t tf_card_net_draft_entries(tf_card_net_draft_t *d, uint32_t cnt);
/* How the cnt places in d->entries are walked: a table only where it takes one. */
tf_err_t tf_card_net_draft_view(tf_card_net_draft_t *d, uint32_t cnt, tf_card_net_view_t *view);

/* A matrix for lanes threads an output: each of its rows in groups of lanes vectors of TF_CARD_NET_VECTOR_BYTES, value number j of thread t's
 * vector being input group + j * lanes + t; zeros past the last. weight_n, weight and scale of product are set. E_MODEL_WEIGHTS for a
 * weight that precision cannot hold. */
tf_err_t tf_card_net_draft_pack(tf_card_net_draft_t *d, const tf_mat_source_t *source,
                                uint32_t batch_cnt, size_t batch_floats, uint32_t lanes,
                                tf_card_net_product_t *product);
/* Values of a vector. */
TF_INLINE uint32_t tf_card_net_vector_cnt(tf_precision_t precision) {
  return precision == TF_PRECISION_FP32 ? 4 : precision == TF_PRECISION_INT8 ? 16 : 8;
}

/* Takes op into the part, behind a barrier where what it touches (accesses, cnt of them) is touched by the phase so far. */
tf_err_t tf_card_net_draft_op(tf_card_net_draft_t *d, tf_card_net_op_t *op,
                              const tf_card_net_access_t *accesses, uint32_t cnt);
/* Whether the last op may touch access too, within its phase; then it does. */
bool tf_card_net_draft_join(tf_card_net_draft_t *d, const tf_card_net_access_t *access);
void tf_card_net_draft_end_phase(tf_card_net_draft_t *d);

TF_INLINE tf_card_net_place_t tf_card_net_place(tf_card_net_base_t base, uint32_t at) {
  tf_card_net_place_t p = {base, at};
  return p;
}
TF_INLINE uint32_t tf_card_net_entry(tf_card_net_place_t place) {
  return place.base << 30 | place.at;
}

#endif
