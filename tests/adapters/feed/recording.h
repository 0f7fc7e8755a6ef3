/* Reads recordings of `<recv_ns> <json>` lines, plain or gzip, for the feeds' tests and benches. */
#ifndef TESTS_FEED_RECORDING_H
#define TESTS_FEED_RECORDING_H

#include <inttypes.h>
#include <string.h>
#include <zlib.h>

#include "tf/feed.h"
#include "tf/io.h"

typedef struct recording {
  gzFile   file;
  char    *line;
  size_t   cap;
  uint64_t recv_ns;
  char    *json;
  uint32_t json_bytes;
} recording_t;

static inline bool recording_open(recording_t *r, const char *path) {
  memset(r, 0, sizeof(*r));
  r->file = gzopen(path, "rb");
  if (r->file == NULL) return false;
  gzbuffer(r->file, 1u << 20);
  r->cap  = 4u << 20;
  r->line = malloc(r->cap + TF_BYTES_PAD);
  return true;
}

/* Next line; false at the end. A line without a receive time is a broken recording: abort. */
static inline bool recording_next(recording_t *r) {
  if (gzgets(r->file, r->line, (int)r->cap) == NULL) return false;
  size_t n = strlen(r->line);
  while (n > 0 && (r->line[n - 1] == '\n' || r->line[n - 1] == '\r')) r->line[--n] = '\0';
  memset(r->line + n, 0, TF_BYTES_PAD);
  char *space = NULL;
  r->recv_ns  = strtoull(r->line, &space, 10);
  TF_ASSERT(space != r->line && *space == ' ');
  r->json       = space + 1;
  r->json_bytes = (uint32_t)(n - (size_t)(r->json - r->line));
  return true;
}

static inline void recording_close(recording_t *r) {
  if (r->file != NULL) gzclose(r->file);
  free(r->line);
}

#endif
