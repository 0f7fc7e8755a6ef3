/* The kafka sink's partition read back: each record once, in order, whatever stands in it twice. A message
 * whose id (header tf-seq) is not above the last one's is a repeat of what was in doubt when its producer
 * went, and is dropped; one that skips ids, of a kind that has no holes, is told as lost. Messages without an
 * id are not the sink's, and are counted. A reader that fell behind what the partition keeps goes on with the oldest that is
 * still there: what it lost is told as any other hole, and removed_cnt says that it was the partition's doing.
 *
 * Control plane; librdkafka allocates and has threads of its own. One thread a reader. */
#ifndef TF_BROKER_KAFKA_READER_H
#define TF_BROKER_KAFKA_READER_H

#include "tf/broker.h"

typedef enum tf_kafka_result {
  TF_KAFKA_IDLE   = 0, /* nothing within wait_ns */
  TF_KAFKA_RECORD = 1,
  TF_KAFKA_LOST   = 2, /* lost_from .. lost_to are not in the partition; go on calling */
  TF_KAFKA_END    = 3, /* all that the partition held when asked was delivered; more may come */
  TF_KAFKA_FAILED = 4  /* tf_error_text; may pass by itself, go on calling */
} tf_kafka_result_t;

typedef struct tf_kafka_reader {
  const uint8_t *value; /* RECORD: until the next call */
  size_t         value_bytes;
  uint64_t       seq, lost_from, lost_to;
  uint64_t       record_cnt, double_cnt, foreign_cnt, lost_cnt;
  uint64_t
      removed_cnt; /* messages that the partition dropped before they were read, by its offsets */
  struct tf_kafka_reader_link *link_;
} tf_kafka_reader_t;

/* config: as the sink's. is_dense: its ids have no holes. resume_from: the first sequence wanted;
 * the partition is read from its beginning. E_BROKER_CONFIG, E_BROKER_IO. */
tf_err_t          tf_kafka_reader_open(tf_kafka_reader_t *reader, const tf_broker_config_t *config,
                                       bool is_dense, uint64_t resume_from);
tf_kafka_result_t tf_kafka_reader_next(tf_kafka_reader_t *reader, uint64_t wait_ns);
void              tf_kafka_reader_close(tf_kafka_reader_t *reader);

#endif
