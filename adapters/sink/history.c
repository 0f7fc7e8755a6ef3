#include "sink/history.h"

#include <string.h>
#include <sys/stat.h>

#define SEARCH_BYTES_MIN (2u * TF_JOURNAL_BLOCK_BYTES_MAX) /* less is read through */

static void close_segment(tf_history_t *h) {
  if (h->is_open) tf_journal_reader_fini(&h->reader);
  h->is_open = false;
  h->at = h->cnt = 0;
}

static bool open_segment(tf_history_t *h, uint32_t segment) {
  struct stat st;
  char        path[TF_JOURNAL_PATH_BYTES];
  int         cnt = segment ? snprintf(path, sizeof path, "%s.%u", h->path, segment)
                            : snprintf(path, sizeof path, "%s", h->path);
  if (cnt >= (int)sizeof path || stat(path, &st) != 0) return false;
  close_segment(h);
  memcpy(h->segment_path, path, (size_t)cnt + 1);
  if (tf_journal_reader_init(&h->reader, h->segment_path) != TF_OK) return false;
  h->is_open      = true;
  h->segment      = segment;
  h->is_searching = h->wanted > 0 && st.st_size > SEARCH_BYTES_MIN;
  h->from         = h->reader.offset;
  h->to           = (uint64_t)st.st_size;
  return true;
}

void tf_history_begin(tf_history_t *h, const char *path, uint64_t seq) {
  close_segment(h);
  h->path    = path;
  h->wanted  = seq;
  h->segment = 0;
}

void tf_history_end(tf_history_t *h) { close_segment(h); }

/* Halves [from, to) once: behind the middle stands a block of decisions that begins before wanted, or none. */
static void search(tf_history_t *h) {
  uint64_t middle =
      h->from + (h->to - h->from) / 2 / TF_JOURNAL_HEADER_BYTES * TF_JOURNAL_HEADER_BYTES;
  tf_journal_read_t read = tf_journal_reader_seek(&h->reader, middle);
  while (read == TF_JOURNAL_READ_BLOCK && h->reader.block_offset < h->to &&
         tf_journal_reader_header(&h->reader)->kind != TF_JOURNAL_DECISIONS)
    read = tf_journal_reader_next(&h->reader);
  bool before = read == TF_JOURNAL_READ_BLOCK && h->reader.block_offset < h->to &&
                tf_journal_reader_header(&h->reader)->first_seq <= h->wanted;
  if (before)
    h->from = h->reader.block_offset;
  else
    h->to = middle;
  if (h->to - h->from > SEARCH_BYTES_MIN) return;
  h->is_searching = false;
  tf_journal_reader_seek(&h->reader, h->from);
}

/* Passes over what lies before wanted. */
static bool found(tf_history_t *h) {
  const tf_journal_block_header_t *header = tf_journal_reader_header(&h->reader);
  const tf_decision_t             *d      = tf_journal_reader_decisions(&h->reader);
  if (header->kind != TF_JOURNAL_DECISIONS) return false;
  h->cnt = header->record_cnt;
  for (h->at = 0; h->at < h->cnt && d[h->at].decision_seq < h->wanted;) h->at++;
  return h->at < h->cnt;
}

tf_history_step_t tf_history_step(tf_history_t *h, const tf_decision_t **decisions, uint32_t *n) {
  if (!h->is_open && !open_segment(h, 0)) return TF_HISTORY_END;
  if (h->is_searching) {
    search(h);
    return TF_HISTORY_MORE;
  }
  if (h->at == h->cnt) switch (tf_journal_reader_next(&h->reader)) {
    case TF_JOURNAL_READ_BLOCK:
      if (!found(h)) return TF_HISTORY_MORE;
      break;
    case TF_JOURNAL_READ_LOSS: return TF_HISTORY_MORE;
    case TF_JOURNAL_READ_ERROR:
    case TF_JOURNAL_READ_END:
      return open_segment(h, h->segment + 1) ? TF_HISTORY_MORE : TF_HISTORY_END;
    }
  *decisions = tf_journal_reader_decisions(&h->reader) + h->at;
  *n         = h->cnt - h->at;
  return TF_HISTORY_RECORDS;
}

void tf_history_took(tf_history_t *h, uint32_t n) {
  const tf_decision_t *d = tf_journal_reader_decisions(&h->reader);
  TF_ASSERT(n > 0 && n <= h->cnt - h->at);
  h->at += n;
  h->wanted = d[h->at - 1].decision_seq + 1;
}
