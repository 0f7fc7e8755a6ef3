#include "tape_command.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/error.h"
#include "event_text.h"

/* ---- arguments ---- */

bool tf_tape_number(const char *option, const char *text, uint64_t *value) {
  char *end;
  errno  = 0;
  *value = strtoull(text, &end, 10);
  if (text[0] >= '0' && text[0] <= '9' && *end == 0 && errno == 0 && *value > 0) return true;
  fprintf(stderr, "tickfuse: %s %s: a whole number above 0\n", option, text);
  return false;
}

bool tf_tape_time(const char *option, const char *text, uint64_t *ns) {
  char *end;
  errno = 0;
  *ns   = strtoull(text, &end, 10);
  if (text[0] >= '0' && text[0] <= '9' && *end == 0 && errno == 0) return true;
  struct tm   tm       = {0};
  const char *rest     = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
  uint64_t    fraction = 0, unit = TF_NS_PER_SEC;
  if (rest && *rest == '.')
    for (rest++; *rest >= '0' && *rest <= '9' && unit >= 10; rest++)
      fraction += (uint64_t)(*rest - '0') * (unit /= 10);
  time_t seconds = timegm(&tm);
  if (rest && rest[0] == 'Z' && !rest[1] && seconds >= 0 && tm.tm_year <= 400) {
    *ns = (uint64_t)seconds * TF_NS_PER_SEC + fraction;
    return true;
  }
  fprintf(stderr, "tickfuse: %s %s: nanoseconds since 1970, or a time as in 2024-08-08T23:54:15Z\n",
          option, text);
  return false;
}

static bool read_kinds(const char *text, uint32_t *kinds) {
  char word[16];
  while (*text) {
    size_t n = strcspn(text, ",");
    snprintf(word, sizeof word, "%.*s", n < sizeof word ? (int)n : (int)sizeof word - 1, text);
    uint8_t kind = tf_event_text_kind_find(word);
    if (kind == TF_EVENT_KIND_CNT) {
      fprintf(stderr,
              "tickfuse: --kind %s: known are trade, quote, book, ticker, status, control, text\n",
              word);
      return false;
    }
    *kinds |= 1u << kind;
    text += text[n] ? n + 1 : n;
  }
  return true;
}

bool tf_tape_choice_read(const tf_tape_args_t *args, tf_tape_choice_t *choice) {
  *choice = (tf_tape_choice_t){.to_ns    = UINT64_MAX,
                               .left     = UINT64_MAX,
                               .names    = args->instrument,
                               .name_cnt = args->instrument_cnt};
  for (uint32_t i = 0; i < args->kind_cnt; i++)
    if (!read_kinds(args->kind[i], &choice->kinds)) return false;
  if (!choice->kinds) choice->kinds = UINT32_MAX;
  return (!args->from_cnt || tf_tape_time("--from", args->from[0], &choice->from_ns)) &&
         (!args->to_cnt || tf_tape_time("--to", args->to[0], &choice->to_ns)) &&
         (!args->count_cnt || tf_tape_number("--count", args->count[0], &choice->left));
}

bool tf_tape_choice_takes(const tf_tape_choice_t *choice, const tf_event_t *e,
                          const tf_instrument_t *rows, uint32_t row_cnt) {
  if (!(choice->kinds >> e->kind & 1) || e->ts_recv_ns < choice->from_ns ||
      e->ts_recv_ns >= choice->to_ns)
    return false;
  if (choice->name_cnt == 0) return true;
  for (uint32_t i = 0; i < choice->name_cnt && e->instrument_id < row_cnt; i++)
    if (!strcmp(rows[e->instrument_id].name, choice->names[i])) return true;
  return false;
}

/* ---- a tape from its beginning to its end ---- */

tf_err_t tf_tape_walk_init(tf_tape_walk_t *w, const char *path) {
  w->at = w->cnt = 0;
  w->next_block  = 0;
  return tf_tape_reader_init(&w->reader, path);
}

void tf_tape_walk_fini(tf_tape_walk_t *w) { tf_tape_reader_fini(&w->reader); }

static bool block_next(tf_tape_walk_t *w, uint64_t from_ns, uint64_t to_ns) {
  while (w->next_block < w->reader.block_cnt) {
    const tf_tape_entry_t *entry = &w->reader.blocks[w->next_block++];
    if (entry->recv_ns_max < from_ns || entry->recv_ns_min >= to_ns) continue;
    if (tf_tape_reader_open(&w->reader, w->next_block - 1) == TF_OK) return true;
  }
  return false;
}

const tf_event_t *tf_tape_walk_next(tf_tape_walk_t *w, uint64_t from_ns, uint64_t to_ns) {
  while (w->at == w->cnt) {
    w->at = 0;
    w->cnt =
        w->next_block ? tf_tape_reader_next(&w->reader, w->events, TF_ARRAY_CNT(w->events)) : 0;
    if (w->cnt == 0 && !block_next(w, from_ns, to_ns)) return NULL;
  }
  return &w->events[w->at++];
}

int tf_tape_walk_verdict(const tf_tape_walk_t *w) {
  if (tf_tape_reader_is_whole(&w->reader)) return TF_EXIT_DONE;
  return tf_cli_fail(tf_tape_reader_error(&w->reader));
}

/* ---- progress ---- */

static bool     is_drawn;
static uint64_t drawn_ns;

void tf_tape_progress(const char *what, uint64_t done, uint64_t total, const char *unit) {
  uint64_t now_ns = tf_clock_monotonic_ns();
  if (now_ns - drawn_ns < 100 * TF_NS_PER_MS || !isatty(STDERR_FILENO)) return;
  drawn_ns = now_ns;
  is_drawn = true;
  if (total) {
    int filled = (int)(done >= total ? 40 : done * 40 / total);
    fprintf(stderr, "\r%s [%.*s%*s] %3d%%", what, filled,
            "########################################", 40 - filled, "",
            (int)(done >= total ? 100 : done * 100 / total));
  } else {
    fprintf(stderr, "\r%s %" PRIu64 " %s", what, done, unit);
  }
}

void tf_tape_progress_end(void) {
  if (is_drawn) fprintf(stderr, "\r%70s\r", "");
  is_drawn = false;
}
