#include "sink/subject.h"

#include <string.h>

#include "broker/text.h"
#include "tf/atomic.h"
#include "tf/partition.h"

#define KIND_CHARS_MAX 9u /* "decisions" */
#define UNKNOWN        ".UNKNOWN"
TF_STATIC_ASSERT(TF_SUBJECT_STREAM_CHARS_MAX + 1 + KIND_CHARS_MAX + 1 + TF_PARTITION_TEXT_CHARS +
                         1 + TF_INSTRUMENT_NAME_BYTES <
                     TF_SUBJECT_BYTES,
                 "the longest fits");

const char *tf_subject_kind(uint8_t carries) {
  static const char *const kinds[TF_CARRIES_CNT] = {[TF_CARRIES_DECISIONS] = "decisions",
                                                    [TF_CARRIES_EVENTS]    = "events",
                                                    [TF_CARRIES_QUOTES]    = "quotes",
                                                    [TF_CARRIES_FEATURES]  = "features"};
  return kinds[carries];
}

static char token_char(char c) {
  return (unsigned char)c <= ' ' || c == '.' || c == '*' || c == '>' || c == 0x7f ? '_' : c;
}

static size_t put_token(char *subject, size_t at, const char *text, size_t chars) {
  subject[at++] = '.';
  for (size_t i = 0; i < chars; i++) subject[at++] = token_char(text[i]);
  return at;
}

size_t tf_subject(const tf_sink_config_t *config, const void *record,
                  char subject[TF_SUBJECT_BYTES]) {
  char                    unknown[TF_TEXT_U64_CHARS + sizeof UNKNOWN];
  uint32_t                id   = tf_record_instrument(&config->shape, record);
  const char             *name = unknown, *kind = tf_subject_kind(config->shape.carries);
  const tf_instruments_t *table = config->instruments;
  if (id == UINT32_MAX) name = "NONE.NONE";
  /* pairs with: the decoder's append, tf/instrument.h */
  else if (table && id < tf_load_acquire_u32(&table->cnt))
    name = table->rows[id].name;
  else
    tf_text_put(unknown, tf_text_put_u64(unknown, 0, id), UNKNOWN);
  const char *venue = strrchr(name, '.');
  size_t      chars = venue ? (size_t)(venue - name) : strlen(name);
  size_t      at    = strlen(config->stream);
  TF_ASSERT(at <= TF_SUBJECT_STREAM_CHARS_MAX);
  memcpy(subject, config->stream, at);
  at = tf_text_put(subject, tf_text_put(subject, at, "."), kind);
  if (config->partition_cnt)
    at += (size_t)snprintf(subject + at, TF_SUBJECT_BYTES - at, "." TF_PARTITION_FORMAT,
                           id == UINT32_MAX ? 0 : tf_partition_of(name, config->partition_cnt));
  at          = venue && venue[1] ? put_token(subject, at, venue + 1, strlen(venue + 1))
                                  : put_token(subject, at, "UNKNOWN", 7);
  at          = put_token(subject, at, name, chars);
  subject[at] = '\0';
  return at;
}
