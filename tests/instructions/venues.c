#include "venues.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/callgrind.h>

#include "feed/feeds.h"
#include "tf/io.h"

#define EVENT_CAP    65536u
#define MESSAGES_MAX 1024u
#define INSTRUMENTS  64u

static tf_frame_t frames[MESSAGES_MAX];
static uint32_t   frame_cnt;

/* `<recv_ns> <message>` a line; REST answers stand inline and are left out. */
static bool load(const char *file) {
  char   path[128];
  char  *line = NULL;
  size_t cap  = 0;
  snprintf(path, sizeof path, "tests/data/%s_made.txt", file);
  FILE *f = fopen(path, "r");
  if (f == NULL) return false;
  for (ssize_t n; frame_cnt < MESSAGES_MAX && (n = getline(&line, &cap, f)) > 0;) {
    char    *text;
    uint64_t recv_ns = strtoull(line, &text, 10);
    if (text == line || *text++ != ' ') continue;
    size_t bytes = strcspn(text, "\n");
    char  *kept  = calloc(1, bytes + TF_BYTES_PAD);
    memcpy(kept, text, bytes);
    frames[frame_cnt++] = (tf_frame_t){
        .bytes = kept, .bytes_cnt = (uint32_t)bytes, .kind = TF_FRAME_TEXT, .recv_ns = recv_ns};
  }
  free(line);
  fclose(f);
  return frame_cnt > 1;
}

uint64_t venues_run(const char *venue, const char *file) {
  static tf_instrument_t  rows[INSTRUMENTS];
  static tf_instruments_t instruments = {.rows = rows, .cap = INSTRUMENTS};
  static tf_feed_counts_t counts;
  static tf_feed_out_t    out;
  tf_feed_config_t        config = {
             .instruments = &instruments, .channels = (1u << TF_CHANNEL_CNT) - 1, .pending_cap = 64};
  const tf_feed_t *feed = tf_feeds_find(venue);
  if (feed == NULL || !load(file)) return 0;
  void *state = aligned_alloc(128, tf_align_up(feed->state_bytes(feed, &config), 128));
  out         = (tf_feed_out_t){
              .events = calloc(EVENT_CAP, sizeof(tf_event_t)), .event_cap = EVENT_CAP, .counts = &counts};
  if (feed->init(feed, state, &config) != TF_OK) return 0;
  for (uint32_t i = 0; i < frame_cnt; i++) {
    bool is_counted = i >= frame_cnt / 2;
    out.event_cnt = out.resync_cnt = out.answer_cnt = out.reply_bytes_cnt = 0;
    if (is_counted) CALLGRIND_TOGGLE_COLLECT;
    feed->on_frame(state, &frames[i], &out);
    if (is_counted) CALLGRIND_TOGGLE_COLLECT;
  }
  return frame_cnt - frame_cnt / 2;
}
