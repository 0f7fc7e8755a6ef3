/* The outcomes of a capture (tf/outcome.h), read with a hand of its own on the file: it passes over all other records, so it costs
 * a replay a second decompression, and no look ahead, however far behind its tick an outcome stands.
 *
 * Private object on caller memory. init and fini belong to the control plane, the rest to one thread; peek and take allocate
 * nothing, but read files. */
#ifndef ADAPTERS_FILE_OUTCOME_READER_H
#define ADAPTERS_FILE_OUTCOME_READER_H

#include "file/capture_reader.h"
#include "tf/outcome.h"

#define TF_OUTCOME_OUTPUTS_MAX 256u

typedef struct tf_outcome_reader {
  tf_capture_reader_t capture;
  const uint8_t      *bytes; /* of the record in hand, from the next outcome on */
  uint32_t            bytes_cnt;
  bool                has_one; /* outcome and out are the next */
  tf_outcome_t        outcome;
  float               out[TF_OUTCOME_OUTPUTS_MAX];
  bool                is_damaged; /* a record's outcomes are none: nothing more is read */
  uint32_t            models;     /* of BEGIN */
} tf_outcome_reader_t;

/* Opens the capture. has_any: its first record is a BEGIN, so workers answered in that run; else nothing more of it is
 * to be had, and fini is all that is left. Errors of tf_capture_reader_init. */
tf_err_t tf_outcome_reader_init(tf_outcome_reader_t *reader, const char *path, bool *has_any);
void     tf_outcome_reader_fini(tf_outcome_reader_t *reader); /* accepts a zeroed one */

tf_outcomes_t tf_outcome_reader_source(tf_outcome_reader_t *reader);

#endif
