/* From an instrument's full name ("BTCUSDT.DESK") to its row in the table that all feeds share, for a feed that brings
 * instruments of any venue. An index over the whole table, so that no lookup ever walks it: rows that other feeds appended
 * are taken in when they are seen. Memory is the caller's, sized by the table. One thread, the decoder's. */
#ifndef TF_FEED_NAME_INDEX_H
#define TF_FEED_NAME_INDEX_H

#include "tf/instrument.h"

typedef struct tf_name_index {
  tf_instruments_t *table;
  uint32_t         *slots; /* (slot_cnt): row + 1; 0: free */
  uint32_t          slot_cnt;
  uint32_t          seen_cnt;  /* rows of the table that are in */
  uint32_t          added_cnt; /* rows that find_or_add appended */
  uint32_t          added_max;
} tf_name_index_t;

/* Bytes for a table of so many rows, a multiple of a line. */
size_t tf_name_index_footprint(uint32_t table_cap);
/* added_max: rows that it may append itself. */
void tf_name_index_init(tf_name_index_t *index, void *memory, tf_instruments_t *table,
                        uint32_t added_max);

/* The row of a name (event_line.h: a valid one, NUL-terminated), appended if it is new. False: there is no room. */
bool tf_name_index_find_or_add(tf_name_index_t *index, const char *name, uint32_t name_bytes,
                               uint32_t *instrument_id);

/* Does the name fit the pattern? Each '*' stands for any run of characters, also for none. */
bool tf_name_index_matches(const char *pattern, const char *name);

#endif
