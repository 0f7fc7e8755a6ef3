/* `tickfuse tape diff`. */
#include <inttypes.h>
#include <string.h>

#include "event_text.h"
#include "tape_command.h"

typedef struct side {
  tf_tape_walk_t    walk;
  const tf_event_t *event;
} side_t;

static void print_event(const side_t *s, const char *mark) {
  char text[TF_EVENT_TEXT_BYTES_MAX] = "(no more events)\n";
  if (s->event) tf_event_text_json(s->event, s->walk.reader.rows, s->walk.reader.row_cnt, text);
  printf("%s %s", mark, text);
}

static const char *name_of(const side_t *s) {
  uint32_t id = s->event->instrument_id;
  return id < s->walk.reader.row_cnt ? s->walk.reader.rows[id].name : "?";
}

/* Equal but for what depends on the rest of the tape: instruments by name, and no ingest_seq. */
static bool same(const side_t *a, const side_t *b) {
  if (!a->event || !b->event) return a->event == b->event;
  tf_event_t x = *a->event, y = *b->event;
  bool       names = strcmp(name_of(a), name_of(b)) == 0;
  x.instrument_id = y.instrument_id = 0;
  x.ingest_seq = y.ingest_seq = 0;
  return names && memcmp(&x, &y, sizeof x) == 0;
}

static bool next(side_t *s) {
  s->event = tf_tape_walk_next(&s->walk, 0, UINT64_MAX);
  return s->event;
}

int tf_tape_diff(const tf_tape_args_t *args) {
  static side_t a, b;
  tf_err_t      err = tf_tape_walk_init(&a.walk, args->files[0]);
  if (err) return tf_cli_fail(err);
  err = tf_tape_walk_init(&b.walk, args->files[1]);
  if (err) {
    tf_tape_walk_fini(&a.walk);
    return tf_cli_fail(err);
  }
  uint64_t idx  = 0;
  bool     more = true, equal = true;
  for (; more; idx++) {
    bool has_a = next(&a), has_b = next(&b);
    equal = same(&a, &b);
    more  = equal && has_a && has_b;
  }
  idx--;
  if (args->json) {
    printf("{\"equal\":%s,\"events_equal\":%" PRIu64 "}\n", equal ? "true" : "false", idx);
  } else if (equal) {
    printf("equal: %" PRIu64 " events\n", idx);
  } else {
    printf("%" PRIu64 " events are equal, then:\n", idx);
    print_event(&a, "<");
    print_event(&b, ">");
  }
  int damage_a = tf_tape_walk_verdict(&a.walk), damage_b = tf_tape_walk_verdict(&b.walk);
  tf_tape_walk_fini(&a.walk);
  tf_tape_walk_fini(&b.walk);
  if (damage_a || damage_b) return TF_EXIT_DATA;
  return equal ? TF_EXIT_DONE : TF_EXIT_FAILED;
}
