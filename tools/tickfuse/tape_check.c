/* `tickfuse tape info` and `tickfuse tape verify`. */
#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <time.h>

#include "core/error.h"
#include "core/hash.h"
#include "event_text.h"
#include "tape_command.h"

static const char *time_text(uint64_t ns, char text[48]) {
  time_t    seconds = (time_t)(ns / TF_NS_PER_SEC);
  struct tm tm;
  size_t    n = gmtime_r(&seconds, &tm) ? strftime(text, 32, "%Y-%m-%dT%H:%M:%S", &tm) : 0;
  snprintf(text + n, 48 - n, ".%09" PRIu64 "Z", ns % TF_NS_PER_SEC);
  return text;
}

static json_t *hash_json(uint64_t hash) {
  char text[17];
  snprintf(text, sizeof text, "%016" PRIx64, hash);
  return json_string(text);
}

static json_t *losses_json(const tf_tape_reader_t *r) {
  json_t *losses = json_array();
  for (uint32_t i = 0; i < r->loss_cnt && i < TF_TAPE_LOSSES_MAX; i++)
    json_array_append_new(losses,
                          json_pack("{sIsIss}", "offset", (json_int_t)r->losses[i].offset, "bytes",
                                    (json_int_t)r->losses[i].bytes, "what", r->losses[i].what));
  return losses;
}

static json_t *rows_json(const tf_tape_reader_t *r) {
  json_t *rows = json_array();
  for (uint32_t i = 0; i < r->row_cnt; i++) {
    const tf_instrument_t *row = &r->rows[i];
    json_t                *one =
        json_pack("{sissss*sIsIsfsb}", "id", (int)row->id, "name", row->name, "quote_currency",
                  row->quote_currency[0] ? row->quote_currency : NULL, "tick_size",
                  (json_int_t)row->tick_size, "lot_size", (json_int_t)row->lot_size, "multiplier",
                  row->multiplier, "is_inverse", row->is_inverse);
    if (one) json_array_append_new(rows, one);
  }
  return rows;
}

static json_t *info_json(const tf_tape_reader_t *r) {
  json_t *root =
      json_pack("{sssisIsIsIsIsIsIsbsI}", "file", r->path, "version", (int)r->file.version, "bytes",
                (json_int_t)r->file_bytes, "events", (json_int_t)r->event_cnt, "blocks",
                (json_int_t)r->block_cnt, "recv_ns_min", (json_int_t)r->recv_ns_min, "recv_ns_max",
                (json_int_t)r->recv_ns_max, "created_ns", (json_int_t)r->file.created_ns, "whole",
                tf_tape_reader_is_whole(r), "lost_bytes", (json_int_t)r->lost_bytes);
  char source[sizeof r->file.source + 1] = "";
  memcpy(source, r->file.source, sizeof r->file.source);
  json_object_set_new(root, "source", json_string(source));
  json_object_set_new(root, "events_hash", hash_json(r->events_hash));
  json_object_set_new(root, "config_hash", hash_json(r->file.config_hash));
  json_object_set_new(root, "instruments", rows_json(r));
  json_object_set_new(root, "losses", losses_json(r));
  return root;
}

static void info_print(const tf_tape_reader_t *r) {
  char first[48], last[48];
  printf("%s: tape version %u, %" PRIu64 " bytes%s\n", r->path, r->file.version, r->file_bytes,
         tf_tape_reader_is_whole(r) ? "" : ", NOT WHOLE: see tickfuse tape verify");
  printf("events       %" PRIu64 " in %" PRIu64 " blocks, %.2f bytes each\n", r->event_cnt,
         r->block_cnt, r->event_cnt ? (double)r->file_bytes / (double)r->event_cnt : 0.0);
  printf("received     %s\n             %s\n", time_text(r->recv_ns_min, first),
         time_text(r->recv_ns_max, last));
  printf("events_hash  %016" PRIx64 "\nmade of      %.*s\n", r->events_hash,
         (int)sizeof r->file.source, r->file.source);
  for (uint32_t i = 0; i < r->row_cnt; i++)
    printf("instrument   %-5u %s\n", r->rows[i].id, r->rows[i].name);
}

static void print_json(json_t *json) {
  json_dumpf(json, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
  printf("\n");
  json_decref(json);
}

/* One object, or a list of them where there are several files. */
static int finish_json(const tf_tape_args_t *args, json_t *list, int code) {
  if (!args->json) return code;
  if (json_array_size(list) == 1) {
    print_json(json_incref(json_array_get(list, 0)));
    json_decref(list);
  } else {
    print_json(list);
  }
  return code;
}

int tf_tape_info(const tf_tape_args_t *args) {
  tf_tape_reader_t reader;
  json_t          *list = args->json ? json_array() : NULL;
  int              code = TF_EXIT_DONE;
  for (uint32_t i = 0; i < args->file_cnt; i++) {
    tf_err_t err = tf_tape_reader_init(&reader, args->files[i]);
    if (err) {
      code = tf_cli_fail(err);
      continue;
    }
    if (args->json)
      json_array_append_new(list, info_json(&reader));
    else
      info_print(&reader);
    if (!tf_tape_reader_is_whole(&reader)) code = TF_EXIT_DATA;
    tf_tape_reader_fini(&reader);
  }
  return finish_json(args, list, code);
}

/* ---- verify ---- */

typedef struct verdict {
  uint64_t event_cnt;
  uint64_t wrong_cnt; /* blocks whose contents are not what their header says */
  uint64_t kinds[TF_EVENT_KIND_CNT];
} verdict_t;

static void say_wrong(const tf_tape_reader_t *r, const tf_tape_entry_t *entry, const char *what,
                      verdict_t *v) {
  v->wrong_cnt++;
  fprintf(stderr, "tickfuse: %s: byte %" PRIu64 ": %s\n", r->path, entry->offset, what);
}

/* One block's events against its header, and against the blocks before it. */
static void verify_block(tf_tape_reader_t *r, uint64_t block_idx, uint64_t *hash, verdict_t *v) {
  const tf_tape_entry_t *entry = &r->blocks[block_idx];
  tf_event_t             events[256];
  uint64_t               min = UINT64_MAX, max = 0;
  bool                   ids_known = true;
  if (tf_tape_reader_open(r, block_idx) != TF_OK) {
    say_wrong(r, entry,
              r->loss_cnt <= TF_TAPE_LOSSES_MAX ? r->losses[r->loss_cnt - 1].what : "is damaged",
              v);
    return;
  }
  bool follows = r->header.hash_before == *hash;
  *hash        = r->header.hash_before;
  for (uint32_t n; (n = tf_tape_reader_next(r, events, TF_ARRAY_CNT(events)));)
    for (uint32_t i = 0; i < n; i++) {
      const tf_event_t *e = &events[i];
      *hash               = tf_hash_line(*hash, e);
      if (e->ts_recv_ns < min) min = e->ts_recv_ns;
      if (e->ts_recv_ns > max) max = e->ts_recv_ns;
      ids_known = ids_known && e->instrument_id < r->row_cnt;
      v->kinds[e->kind]++;
      v->event_cnt++;
    }
  if (*hash != r->header.hash_after)
    say_wrong(r, entry, "events are not those that were hashed", v);
  if (min != r->header.recv_ns_min || max != r->header.recv_ns_max)
    say_wrong(r, entry, "the block's times are not those of its events", v);
  if (!ids_known) say_wrong(r, entry, "events of an instrument that the tape does not name", v);
  if (!follows && r->loss_cnt == 0) say_wrong(r, entry, "does not follow the block before it", v);
  *hash = r->header.hash_after;
}

static void verify_print(const tf_tape_reader_t *r, const verdict_t *v, bool is_good) {
  for (uint32_t i = 0; i < r->loss_cnt && i < TF_TAPE_LOSSES_MAX; i++)
    printf("%s: byte %" PRIu64 ": %" PRIu64 " bytes lost: %s\n", r->path, r->losses[i].offset,
           r->losses[i].bytes, r->losses[i].what);
  if (!r->is_ended) printf("%s: has no end: its writer was stopped, or the file is cut\n", r->path);
  printf("%s: %s, %" PRIu64 " of %" PRIu64 " events read back", r->path, is_good ? "ok" : "DAMAGED",
         v->event_cnt, r->event_cnt);
  for (uint8_t k = 0; k < TF_EVENT_KIND_CNT; k++)
    if (v->kinds[k]) printf(", %s %" PRIu64, tf_event_text_kind(k), v->kinds[k]);
  printf("\n");
}

static json_t *verify_json(const tf_tape_reader_t *r, const verdict_t *v, bool is_good) {
  json_t *root = info_json(r);
  json_object_set_new(root, "ok", json_boolean(is_good));
  json_object_set_new(root, "events_read", json_integer((json_int_t)v->event_cnt));
  json_object_set_new(root, "wrong_blocks", json_integer((json_int_t)v->wrong_cnt));
  return root;
}

static tf_err_t verify_file(const tf_tape_args_t *args, const char *path, json_t *list,
                            bool *good) {
  tf_tape_reader_t r;
  verdict_t        v    = {0};
  uint64_t         hash = TF_HASH_SEED;
  tf_err_t         err  = tf_tape_reader_init(&r, path);
  if (err) return err;
  for (uint64_t b = 0; b < r.block_cnt; b++) {
    verify_block(&r, b, &hash, &v);
    tf_tape_progress("verify", b + 1, r.block_cnt, "blocks");
  }
  tf_tape_progress_end();
  *good = tf_tape_reader_is_whole(&r) && v.wrong_cnt == 0 && hash == r.events_hash;
  if (args->json)
    json_array_append_new(list, verify_json(&r, &v, *good));
  else
    verify_print(&r, &v, *good);
  tf_tape_reader_fini(&r);
  return TF_OK;
}

int tf_tape_verify(const tf_tape_args_t *args) {
  json_t *list = args->json ? json_array() : NULL;
  int     code = TF_EXIT_DONE;
  for (uint32_t i = 0; i < args->file_cnt; i++) {
    bool     good = false;
    tf_err_t err  = verify_file(args, args->files[i], list, &good);
    if (err)
      code = tf_cli_fail(err);
    else if (!good)
      code = TF_EXIT_DATA;
  }
  return finish_json(args, list, code);
}
