/* What of its kind a sink is given, and what of that is of low priority: by instrument, strategy, action and
 * partition. What an instrument's name says is found once for each, with the first record that has it.
 *
 * A pattern is SYMBOL.VENUE, or *.VENUE for all there. What is of no instrument (a command among events) passes
 * where instruments are not told apart. Any thread: two that look a name up write the same. */
#ifndef TF_STAGE_SINK_FILTER_H
#define TF_STAGE_SINK_FILTER_H

#include "tf/sink.h"

/* Which instruments are meant. */
typedef struct tf_sink_names {
  const tf_instruments_t *table;
  const char *const      *patterns;
  uint32_t                pattern_cnt;   /* 0: all */
  uint32_t                partition_cnt; /* not 0: those of one of so many partitions alone */
  uint32_t                partition;
  uint32_t               *known; /* (table->cap) 0: not looked at yet, 1: meant, 2: not */
} tf_sink_names_t;

/* Whether a name is that of a pattern. */
bool tf_sink_names_match(const char *const *patterns, uint32_t pattern_cnt, const char *name);

TF_INLINE bool tf_sink_names_are_all(const tf_sink_names_t *names) {
  return names->pattern_cnt == 0 && names->partition_cnt == 0;
}

typedef struct tf_sink_filter {
  tf_sink_names_t   names;
  tf_record_shape_t shape;
  uint32_t          strategies; /* of decisions: a bit each */
  uint32_t          actions;    /* of decisions: 1 << tf_action_t of each */
} tf_sink_filter_t;

/* Pure but for what it notes of names. */
bool tf_sink_filter_passes(const tf_sink_filter_t *filter, const void *record);

/* Those of low priority: of such an instrument or of such a strategy. */
typedef struct tf_sink_low {
  tf_sink_names_t   names; /* pattern_cnt 0: of no instrument */
  tf_record_shape_t shape;
  uint32_t          strategies; /* a bit each; 0: none */
} tf_sink_low_t;

/* tf_sink_ranks_t.is_low; self: tf_sink_low_t. */
bool tf_sink_low_is(const void *self, const void *record);

#endif
