/* The events of one block of a tape, to its payload and back (file/tape_format.h says how). Pure, no
 * file. One thread at a time. */
#ifndef ADAPTERS_FILE_TAPE_BLOCK_H
#define ADAPTERS_FILE_TAPE_BLOCK_H

#include "file/tape_column.h"

typedef struct tf_tape_block tf_tape_block_t;

/* Memory for blocks of up to event_cap (1 .. TF_TAPE_BLOCK_EVENTS_MAX) events. level: see
 * tf_tape_codec_start. Control plane. E_CORE_NO_MEMORY. */
tf_err_t tf_tape_block_start(tf_tape_block_t **block, uint32_t event_cap, int level);
void     tf_tape_block_stop(tf_tape_block_t *block); /* accepts NULL */

/* The most that a payload of cnt events takes. */
size_t tf_tape_block_bytes_max(uint32_t cnt);

/* Encodes events[0 .. cnt), cnt <= event_cap, kinds below TF_EVENT_KIND_CNT, at payload, which has
 * room for tf_tape_block_bytes_max(cnt). Sets of header what the payload decides: record_cnt,
 * payload_bytes, first_seq, recv_ns_*, run_cnt, group_cnt. */
void tf_tape_block_encode(tf_tape_block_t *block, const tf_event_t *events, uint32_t cnt,
                          uint8_t *payload, tf_tape_block_header_t *header);

/* Decodes the columns of a payload; payload may go when it returns. False: it is malformed, though
 * its CRC may fit, and there is nothing to hand out. Allocates nothing. */
bool tf_tape_block_open(tf_tape_block_t *block, const tf_tape_block_header_t *header,
                        const uint8_t *payload);

/* The next cap or fewer events of the opened block, exactly as they were encoded; 0 at its end.
 * Events are put together as they are asked for, so that they go through the nearest cache. */
uint32_t tf_tape_block_next(tf_tape_block_t *block, tf_event_t *events, uint32_t cap);

#endif
