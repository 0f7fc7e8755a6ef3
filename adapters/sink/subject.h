/* What a record is named by in a broker: STREAM.KIND.VENUE.SYMBOL, with partitions STREAM.KIND.PPPP.VENUE.SYMBOL
 * (DECISIONS.decisions.BINANCE-SPOT.BTCUSDT). NATS has it as the subject, Kafka as a header: a record holds its
 * instrument's number, and who reads it elsewhere has another table of them.
 *
 * PPPP is the instrument's partition (tf/partition.h). What is of no instrument, a command among events, is in
 * partition 0000, NONE.NONE. What a token of a subject may not hold becomes '_'. Pure; any thread. */
#ifndef TF_SINK_SUBJECT_H
#define TF_SINK_SUBJECT_H

#include "tf/sink.h"

#define TF_SUBJECT_STREAM_CHARS_MAX 249u /* Kafka's own limit of a topic */
#define TF_SUBJECT_BYTES            512u

/* "decisions" */
const char *tf_subject_kind(uint8_t carries);

/* Returns the length without the NUL. config->stream: at most TF_SUBJECT_STREAM_CHARS_MAX characters. */
size_t tf_subject(const tf_sink_config_t *config, const void *record,
                  char subject[TF_SUBJECT_BYTES]);

#endif
