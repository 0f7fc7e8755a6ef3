#include "live_tape.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/error.h"

#define BURST_EVENTS 512
#define IDLE_NS      (2 * TF_NS_PER_MS)

static void keep_error(tf_live_tape_t *live, tf_err_t err) {
  if (live->err) return;
  live->err = err;
  snprintf(live->err_text, sizeof live->err_text, "%s", tf_error_text());
}

/* The thread: to the end of what acquire published before it ended. */
static void *write_on(void *self) {
  tf_live_tape_t *live       = self;
  uint64_t        flushed_ns = tf_clock_monotonic_ns();
  tf_event_t      events[BURST_EVENTS];
  for (;;) {
    uint32_t stopping = tf_load_acquire_u32(&live->stopping); /* pairs with: tf_live_tape_stop */
    uint32_t cnt = tf_ring_pop_sized(&live->ring_reader, events, BURST_EVENTS, sizeof events[0]);
    if (cnt && !live->err) {
      tf_err_t err = tf_tape_writer_append(&live->tape, events, cnt);
      if (err)
        keep_error(live, err);
      else
        live->written += cnt;
    }
    uint64_t now_ns = tf_clock_monotonic_ns();
    if (!live->err && now_ns - flushed_ns >= TF_LIVE_TAPE_FLUSH_NS) {
      tf_err_t err = tf_tape_writer_flush(&live->tape);
      if (err) keep_error(live, err);
      flushed_ns = now_ns;
    }
    if (cnt) continue;
    if (stopping) return NULL; /* it was read before the ring was found empty: nothing follows */
    nanosleep(&(struct timespec){.tv_nsec = IDLE_NS}, NULL);
  }
}

static tf_err_t ring_make(tf_live_tape_t *live) {
  size_t   bytes = tf_ring_footprint(TF_LIVE_TAPE_RING_SLOTS, sizeof(tf_event_t));
  tf_err_t err   = tf_arena_init(&live->arena, "tape", bytes + TF_LINE_PAIR_BYTES);
  if (err) return err;
  void      *memory = tf_arena_take(&live->arena, bytes, TF_LINE_PAIR_BYTES);
  tf_ring_t *ring =
      memory ? tf_ring_new(memory, TF_LIVE_TAPE_RING_SLOTS, sizeof(tf_event_t)) : NULL;
  if (!ring) return tf_error_code();
  tf_ring_writer_init(&live->ring_writer, ring);
  tf_ring_reader_init(&live->ring_reader, ring);
  return TF_OK;
}

tf_err_t tf_live_tape_start(tf_live_tape_t *live, tf_engine_t *engine, const char *path) {
  memset(live, 0, sizeof *live);
  if (!path) return TF_OK;
  const tf_tape_writer_config_t config = {.path        = path,
                                          .source      = engine->config->path,
                                          .instruments = &engine->instruments,
                                          .config_hash = engine->config->hash};
  tf_err_t                      err    = ring_make(live);
  if (!err) err = tf_tape_writer_init(&live->tape, &config);
  if (!err && pthread_create(&live->thread, NULL, write_on, live) != 0) {
    (void)tf_tape_writer_fini(&live->tape);
    err = TF_ERR(E_CORE_THREAD, "the tape's thread cannot be started");
  }
  if (err) {
    tf_arena_fini(&live->arena);
    return tf_error_add(err, "starting the tape %s", path);
  }
  live->path            = path;
  live->is_running      = true;
  live->acquire         = &engine->runner.acquire;
  live->acquire->beside = &live->ring_writer;
  return TF_OK;
}

void tf_live_tape_stop(tf_live_tape_t *live) {
  if (!live->is_running) return;
  live->is_running = false;
  tf_store_release_u32(&live->stopping, 1); /* pairs with: write_on */
  pthread_join(live->thread, NULL);
  tf_err_t err = tf_tape_writer_fini(&live->tape);
  if (err) keep_error(live, err);
  uint64_t lost = live->acquire->beside_lost;
  if (lost)
    keep_error(live, TF_ERR(E_FILE_WRITE,
                            "%s: %" PRIu64 " events are not on the tape: its writer was too slow",
                            live->path, lost));
  live->acquire->beside = NULL;
  tf_arena_fini(&live->arena);
}

json_t *tf_live_tape_json(const tf_live_tape_t *live) {
  if (!live->path) return NULL;
  return json_pack("{sssIsI}", "path", live->path, "events", (json_int_t)live->written, "lost",
                   (json_int_t)live->acquire->beside_lost);
}

void tf_live_tape_print(const tf_live_tape_t *live, FILE *out) {
  if (!live->path) return;
  fprintf(out, "tape       %s: %" PRIu64 " events, %" PRIu64 " lost\n", live->path, live->written,
          live->acquire->beside_lost);
}
