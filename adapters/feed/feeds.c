#include "feed/feeds.h"

#include <string.h>

#include "core/error.h"

#define TF_FEED(name) extern const tf_feed_t tf_feed_##name;
#include "feed/feeds.def"
#undef TF_FEED

const tf_feed_t *const tf_feeds_all[] = {
#define TF_FEED(name) &tf_feed_##name,
#include "feed/feeds.def"
#undef TF_FEED
    NULL};

const tf_feed_t *tf_feeds_find(const char *venue) {
  for (uint32_t i = 0; tf_feeds_all[i] != NULL; i++) {
    if (strcmp(tf_feeds_all[i]->venue, venue) == 0) return tf_feeds_all[i];
  }
  return NULL;
}

static bool is_letter_or_digit(uint8_t c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

tf_err_t tf_feeds_check_symbol(const tf_feed_t *feed, const char *text) {
  const char *others  = feed->symbol_chars;
  bool        is_wide = others != NULL && strchr(others, '\x80') != NULL;
  if (others == NULL) return TF_OK;
  for (const char *c = text; *c != '\0'; c++) {
    bool has = (uint8_t)*c >= 0x80 ? is_wide : strchr(others, *c) != NULL;
    if (has || is_letter_or_digit((uint8_t)*c)) continue;
    return TF_ERR(E_CONFIG_VALUE,
                  "instrument \"%.*s\": found %s at character %u; symbols of %s have letters, "
                  "digits%s%.*s",
                  TF_SYMBOL_BYTES_MAX, text,
                  (uint8_t)*c >= 0x80 ? "a byte outside ASCII" : (char[]){'\'', *c, '\'', '\0'},
                  (unsigned)(c - text) + 1, feed->venue, *others != '\0' ? " and " : " alone",
                  (int)strcspn(others, "\x80"), others);
  }
  return TF_OK;
}

tf_verdict_t tf_feeds_reject(tf_feed_counts_t *counts, const tf_frame_t *frame, tf_reject_t why) {
  uint32_t bytes_cnt =
      frame->bytes_cnt < TF_REJECT_SAMPLE_BYTES ? frame->bytes_cnt : TF_REJECT_SAMPLE_BYTES;
  counts->rejected[why]++;
  counts->sample[why].cnt++;
  counts->sample[why].offset    = counts->messages;
  counts->sample[why].bytes_cnt = bytes_cnt;
  if (bytes_cnt > 0) memcpy(counts->sample[why].bytes, frame->bytes, bytes_cnt);
  return TF_VERDICT_REJECTED;
}

tf_verdict_t tf_feeds_ignore(tf_feed_counts_t *counts, const char *name, size_t name_bytes) {
  size_t cap = sizeof(counts->ignored[0].name) - 1;
  if (name_bytes > cap) name_bytes = cap;
  for (uint64_t i = 0;; i++) {
    if (i == counts->ignored_type_cnt) { /* a name that is new here */
      bool is_last = i == TF_IGNORED_TYPES_MAX - 1;
      memset(counts->ignored[i].name, 0, cap + 1);
      memcpy(counts->ignored[i].name, is_last ? "other" : name, is_last ? 5 : name_bytes);
      counts->ignored_type_cnt++;
    }
    if (i == TF_IGNORED_TYPES_MAX - 1 || (strlen(counts->ignored[i].name) == name_bytes &&
                                          memcmp(counts->ignored[i].name, name, name_bytes) == 0)) {
      counts->ignored[i].cnt++;
      return TF_VERDICT_IGNORED;
    }
  }
}

void tf_feeds_note_error(tf_feed_head_t *head, const char *text, size_t text_bytes) {
  if (text_bytes > sizeof(head->venue_error) - 1) text_bytes = sizeof(head->venue_error) - 1;
  for (size_t i = 0; i < text_bytes; i++) {
    uint8_t c            = (uint8_t)text[i];
    head->venue_error[i] = c >= 0x20 && c < 0x7f ? (char)c : '?';
  }
  head->venue_error[text_bytes] = '\0';
  head->venue_error_cnt++;
}

void tf_feeds_answer(tf_feed_out_t *out, uint64_t request_id, uint32_t instrument_id,
                     uint32_t channel, bool is_refusal) {
  if (out->answer_cnt == TF_ANSWERS_MAX) return;
  out->answers[out->answer_cnt++] =
      (tf_feed_answer_t){request_id, instrument_id, channel, is_refusal};
}

bool tf_feeds_want_snapshot(tf_feed_out_t *out, uint32_t instrument_id) {
  for (uint32_t i = 0; i < out->resync_cnt; i++) {
    if (out->resync_ids[i] == instrument_id) return true;
  }
  if (out->resync_cnt == TF_RESYNC_MAX) return false;
  out->resync_ids[out->resync_cnt++] = instrument_id;
  return true;
}
