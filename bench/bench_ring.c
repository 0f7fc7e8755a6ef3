/* PERF row B4: the SPSC ring between two pinned cores against Concurrency Kit's, in the same run,
 * 64-byte events copied in and out by every contender:
 *   ours       tf_ring, push_sized and pop_sized
 *   ck value   ck_ring with the slots in the ring (CK_RING_PROTOTYPE)
 *   ck pointer ck_ring of pointers to an array of events, the form that most programs use
 * Round trip: an event goes over and comes back before the next leaves. Rate: as many as will pass,
 * offered one at a time and sixteen at a time (ck has no batches: sixteen calls).
 * Rounds are interleaved, so that a neighbour's noise hits all contenders; medians are printed. */
#include <ck_ring.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "bench_print.h"
#include "core/clock.h"
#include "core/cpu.h"
#include "core/error.h"
#include "flow/ring.h"
#include "tf/event.h"

#define SLOT_CNT   1024u
#define ROUND_CNT  31 /* of 1 to 5 ms each: most fit between two ticks of a busy scheduler */
#define BATCH_MAX  16u
#define RING_BYTES (sizeof(tf_ring_t) + SLOT_CNT * sizeof(tf_event_t))

CK_RING_PROTOTYPE(event, tf_event)

typedef enum contender { OURS, CK_VALUE, CK_POINTER, CONTENDER_CNT } contender_t;
typedef enum shape { ROUND_TRIP, RATE_1, RATE_16, SHAPE_CNT } shape_t;

/* One direction. Each contender has memory of its own. */
typedef struct lane {
  TF_ALIGNED(128) uint8_t ring_memory[RING_BYTES];
  TF_ALIGNED(128) tf_ring_writer_t writer;
  TF_ALIGNED(128) tf_ring_reader_t reader;
  TF_ALIGNED(128) ck_ring_t ck;
  TF_ALIGNED(128) tf_event_t ck_events[SLOT_CNT];
  TF_ALIGNED(128) ck_ring_buffer_t ck_pointers[SLOT_CNT];
  TF_ALIGNED(128) uint64_t ck_next; /* the sender's: event of the array to fill next */
} lane_t;

static lane_t   forth, back;
static uint64_t go; /* atomic: the echo thread is ready / may start */

static void lane_reset(lane_t *lane) {
  tf_ring_t *ring = tf_ring_new(lane->ring_memory, SLOT_CNT, sizeof(tf_event_t));
  TF_ASSERT(ring != NULL);
  tf_ring_writer_init(&lane->writer, ring);
  tf_ring_reader_init(&lane->reader, ring);
  ck_ring_init(&lane->ck, SLOT_CNT);
  lane->ck_next = 0;
}

/* Sends the first k <= n events and returns k. contender is a constant at every call. */
TF_INLINE uint32_t send(lane_t *lane, contender_t contender, tf_event_t *events, uint32_t n) {
  if (contender == OURS) return tf_ring_push_sized(&lane->writer, events, n, sizeof(tf_event_t));
  uint32_t sent = 0;
  for (; sent < n; sent++) {
    if (contender == CK_VALUE) {
      if (!ck_ring_enqueue_spsc_event(&lane->ck, lane->ck_events, &events[sent])) break;
    } else {
      /* At most SLOT_CNT - 1 pointers wait and the receiver copies from one more: an array of
       * SLOT_CNT is never overtaken, as long as a full ring is noticed before the copy. */
      if (ck_ring_size(&lane->ck) == SLOT_CNT - 1) break;
      tf_event_t *event = &lane->ck_events[lane->ck_next & (SLOT_CNT - 1)];
      *event            = events[sent];
      if (!ck_ring_enqueue_spsc(&lane->ck, lane->ck_pointers, event)) break;
      lane->ck_next++;
    }
  }
  return sent;
}

TF_INLINE uint32_t receive(lane_t *lane, contender_t contender, tf_event_t *events, uint32_t n) {
  if (contender == OURS) return tf_ring_pop_sized(&lane->reader, events, n, sizeof(tf_event_t));
  uint32_t received = 0;
  for (; received < n; received++) {
    if (contender == CK_VALUE) {
      if (!ck_ring_dequeue_spsc_event(&lane->ck, lane->ck_events, &events[received])) break;
    } else {
      void *event;
      if (!ck_ring_dequeue_spsc(&lane->ck, lane->ck_pointers, &event)) break;
      events[received] = *(const tf_event_t *)event;
    }
  }
  return received;
}

typedef struct job {
  contender_t contender;
  shape_t     shape;
  uint64_t    event_cnt;
  int         cpu;
  uint64_t    end_ticks;
  uint64_t    wrong_cnt;
} job_t;

/* The other thread: sends every event back (round trip) or only takes it (rate). */
TF_INLINE void echo_loop(job_t *job, contender_t contender, bool round_trip, uint32_t batch) {
  tf_event_t events[BATCH_MAX];
  uint64_t   wrong_cnt = 0;
  for (uint64_t seq = 0; seq < job->event_cnt;) {
    uint32_t n = receive(&forth, contender, events, batch);
    for (uint32_t i = 0; i < n; i++) wrong_cnt += events[i].ingest_seq != seq + i;
    seq += n;
    if (round_trip && n)
      while (send(&back, contender, events, 1) == 0) {
      }
  }
  job->end_ticks = tf_clock_ticks();
  job->wrong_cnt = wrong_cnt;
}

TF_INLINE void drive_loop(job_t *job, contender_t contender, bool round_trip, uint32_t batch) {
  tf_event_t events[BATCH_MAX] = {0};
  for (uint64_t seq = 0; seq < job->event_cnt;) {
    for (uint32_t i = 0; i < batch; i++) events[i].ingest_seq = seq + i;
    for (uint32_t sent = 0; sent < batch;)
      sent += send(&forth, contender, &events[sent], batch - sent);
    if (round_trip)
      while (receive(&back, contender, events, 1) == 0) {
      }
    seq += batch;
  }
}

/* Every combination is compiled on its own, so that no contender pays for the choice. */
#define DISPATCH(loop, job)                                                                        \
  switch ((job)->contender * SHAPE_CNT + (job)->shape) {                                           \
  case OURS       *SHAPE_CNT + ROUND_TRIP: loop(job, OURS, true, 1); break;                        \
  case OURS       *SHAPE_CNT + RATE_1: loop(job, OURS, false, 1); break;                           \
  case OURS       *SHAPE_CNT + RATE_16: loop(job, OURS, false, 16); break;                         \
  case CK_VALUE   *SHAPE_CNT + ROUND_TRIP: loop(job, CK_VALUE, true, 1); break;                    \
  case CK_VALUE   *SHAPE_CNT + RATE_1: loop(job, CK_VALUE, false, 1); break;                       \
  case CK_VALUE   *SHAPE_CNT + RATE_16: loop(job, CK_VALUE, false, 16); break;                     \
  case CK_POINTER *SHAPE_CNT + ROUND_TRIP: loop(job, CK_POINTER, true, 1); break;                  \
  case CK_POINTER *SHAPE_CNT + RATE_1: loop(job, CK_POINTER, false, 1); break;                     \
  case CK_POINTER *SHAPE_CNT + RATE_16: loop(job, CK_POINTER, false, 16); break;                   \
  }

static void *echo_thread(void *arg) {
  job_t *job = arg;
  TF_ASSERT(tf_cpu_pin(job->cpu, "bench-echo") == TF_OK);
  tf_store_release(&go, 1);                          /* pairs with: measure */
  while (tf_load_acquire(&go) != 2) tf_spin_pause(); /* pairs with: measure */
  DISPATCH(echo_loop, job)
  return NULL;
}

/* ns a round trip, or million events a second. */
static double measure(contender_t contender, shape_t shape, uint64_t event_cnt, int echo_cpu) {
  job_t     job = {.contender = contender, .shape = shape, .event_cnt = event_cnt, .cpu = echo_cpu};
  pthread_t thread;
  lane_reset(&forth);
  lane_reset(&back);
  tf_store_release(&go, 0); /* pairs with: echo_thread */
  TF_ASSERT(pthread_create(&thread, NULL, echo_thread, &job) == 0);
  while (tf_load_acquire(&go) != 1) tf_spin_pause(); /* pairs with: echo_thread */
  tf_store_release(&go, 2);                          /* pairs with: echo_thread */
  uint64_t begin_ticks = tf_clock_ticks();
  DISPATCH(drive_loop, &job)
  pthread_join(thread, NULL);
  TF_ASSERT(job.wrong_cnt == 0);
  double ns = (double)tf_clock_ticks_to_ns(job.end_ticks - begin_ticks);
  return shape == ROUND_TRIP ? ns / (double)event_cnt : (double)event_cnt * 1e3 / ns;
}

int main(int argc, char **argv) {
  tf_bench_options_t options;
  int                cpus[2];
  int                status =
      tf_bench_options_parse(argc, argv, "SPSC ring against ck_ring on two cores (B4)", &options);
  if (status >= 0) return status;
  if (!tf_bench_cpus(cpus, 2)) {
    printf("skipped: this process may use one core only\n");
    return 77;
  }
  tf_clock_calibrate();
  if (tf_cpu_pin(cpus[0], "bench-drive") != TF_OK) {
    fprintf(stderr, "bench_ring: %s\n", tf_error_text());
    return 1;
  }

  static const uint64_t event_cnts[SHAPE_CNT] = {10000, 100000, 200000};
  static double         values[SHAPE_CNT][CONTENDER_CNT][ROUND_CNT];
  int                   round_cnt = options.smoke ? 1 : ROUND_CNT;
  for (int round = 0; round < round_cnt; round++)
    for (int shape = 0; shape < SHAPE_CNT; shape++)
      for (int turn = 0; turn < CONTENDER_CNT; turn++) {
        int      contender = (turn + round) % CONTENDER_CNT; /* nobody always goes first */
        uint64_t event_cnt = options.smoke ? event_cnts[shape] / 10 : event_cnts[shape];
        values[shape][contender][round] =
            measure((contender_t)contender, (shape_t)shape, event_cnt, cpus[1]);
      }

  double medians[SHAPE_CNT][CONTENDER_CNT];
  for (int shape = 0; shape < SHAPE_CNT; shape++)
    for (int contender = 0; contender < CONTENDER_CNT; contender++)
      medians[shape][contender] = tf_bench_median(values[shape][contender], (size_t)round_cnt);

  static const char *const names[SHAPE_CNT][2] = {
      {"ring_round_trip",    "ring_round_trip_pointers"   },
      {"ring_rate_batch_1",  "ring_rate_batch_1_pointers" },
      {"ring_rate_batch_16", "ring_rate_batch_16_pointers"},
  };
  tf_bench_row_t rows[SHAPE_CNT * 2];
  for (int shape = 0; shape < SHAPE_CNT; shape++)
    for (int p = 0; p < 2; p++) {
      double peer_value   = medians[shape][CK_VALUE + p];
      rows[shape * 2 + p] = (tf_bench_row_t){
          .name       = names[shape][p],
          .ours       = medians[shape][OURS],
          .unit       = shape == ROUND_TRIP ? "ns" : "Mevent/s",
          .peer       = p == 0 ? "ck_ring, events by value" : "ck_ring, pointers to events",
          .peer_value = peer_value,
          .budget     = options.smoke ? (double)NAN : peer_value, /* no worse in the same run */
          .lower_is_better = shape == ROUND_TRIP,
      };
    }
  tf_bench_print(rows, TF_ARRAY_CNT(rows), options.json);
  return 0;
}
