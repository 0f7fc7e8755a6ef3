/* Tapes for whoever has the library alone, over file/tape_reader.h. */
#include <string.h>

#include "client/tickfuse_client.h"
#include "core/error.h"
#include "file/tape_reader.h"

struct tf_client_tape {
  tf_tape_reader_t reader;
  uint64_t         block_idx; /* of the one to be opened next */
  bool             is_open;   /* a block is */
  char             path[];
};

tf_client_tape_t *tf_client_tape_open(const char *path, char *error, size_t error_bytes) {
  size_t            path_bytes = strlen(path) + 1;
  tf_client_tape_t *tape       = calloc(1, sizeof *tape + path_bytes);
  if (tape) memcpy(tape->path, path, path_bytes);
  if (tape && tf_tape_reader_init(&tape->reader, tape->path) == TF_OK) return tape;
  if (error_bytes) snprintf(error, error_bytes, "%s", tape ? tf_error_text() : "no memory");
  free(tape);
  return NULL;
}

void tf_client_tape_close(tf_client_tape_t *tape) {
  if (!tape) return;
  tf_tape_reader_fini(&tape->reader);
  free(tape);
}

uint32_t tf_client_tape_read(tf_client_tape_t *tape, tf_event_t *events, uint32_t event_cap) {
  uint32_t cnt = 0;
  while (cnt < event_cap) {
    if (!tape->is_open) {
      if (tape->block_idx == tape->reader.block_cnt) break;
      tape->is_open = tf_tape_reader_open(&tape->reader, tape->block_idx++) == TF_OK;
      continue; /* the reader has counted what it could not open */
    }
    uint32_t got  = tf_tape_reader_next(&tape->reader, events + cnt, event_cap - cnt);
    tape->is_open = got != 0;
    cnt += got;
  }
  return cnt;
}

void tf_client_tape_info(const tf_client_tape_t *tape, tf_client_tape_info_t *info) {
  const tf_tape_reader_t *r = &tape->reader;
  *info                     = (tf_client_tape_info_t){.event_cnt      = r->event_cnt,
                                                      .events_hash    = r->events_hash,
                                                      .recv_ns_min    = r->recv_ns_min,
                                                      .recv_ns_max    = r->recv_ns_max,
                                                      .instrument_cnt = r->row_cnt,
                                                      .loss_cnt       = r->loss_cnt,
                                                      .lost_bytes     = r->lost_bytes,
                                                      .is_whole       = tf_tape_reader_is_whole(r)};
}

const char *tf_client_tape_instrument_name(const tf_client_tape_t *tape, uint32_t id) {
  return id < tape->reader.row_cnt ? tape->reader.rows[id].name : NULL;
}
