#include "serve/texts.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/error.h"
#include "flow/ring.h"

/* Of acquire until its number is in the ring of work, then of the thread until it is in that of answers. */
typedef struct slot {
  tf_text_t         text; /* bytes is not looked at: they are below */
  uint64_t          due_ns;
  float             novelty;
  uint32_t          miss;       /* by the thread: NONE, DEADLINE or FAILED */
  uint32_t          model_hash; /* of the version that read it */
  tf_text_reading_t reading;
  char              bytes[TF_TEXT_BYTES_MAX];
} slot_t;

typedef struct row { /* acquire's own, of a slot */
  bool is_under_way, is_missed;
} row_t;

#define ROWS (TF_TEXTS_KEPT + 1) /* those that are compared with, and the one that comes */

typedef struct instrument { /* the reader's */
  uint32_t next,
      cnt; /* of its embeddings, a ring: where the next goes, and how many lie before it */
} instrument_t;

typedef struct version {
  tf_texts_version_t is;
  void              *scratch;
} version_t;

/* A model of a role: whose each word is. */
typedef struct seat {
  /* by the models' thread: serial * TF_TEXTS_VERSIONS + row, the serial from 1; 0: nothing was offered yet. A row too, while nobody
   * uses it */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) uint64_t offered;
  version_t versions[TF_TEXTS_VERSIONS];
  /* the reader's: what reads, NULL for nobody; the last offer that it took */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) const version_t *reads;
  uint64_t taken;
  /* by acquire: how many offers' events are out */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) uint64_t told;
} seat_t;

struct tf_texts {
  tf_texts_config_t config;
  tf_texts_role_t   embeds;
  uint32_t          embedding_cnt; /* 0: nobody embeds */
  tf_text_port_t    port;
  /* acquire's */
  tf_ring_writer_t  work;
  tf_ring_reader_t  answers;
  row_t            *rows;       /* (queue) */
  uint32_t         *free_slots; /* (queue) */
  uint32_t          free_cnt;
  uint64_t          next_due_ns; /* of the rows'; UINT64_MAX: none */
  tf_text_t        *remembered;  /* (TF_TEXTS_REMEMBERED), a ring */
  uint64_t          remembered_first, remembered_end;
  bool              is_drained;
  tf_texts_counts_t counts;
  tf_hist_t         times;
  /* the reader's: the thread, or acquire where it is inline */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) tf_ring_reader_t work_reader;
  tf_ring_writer_t answers_writer;
  instrument_t    *instruments; /* (instrument_cap) */
  float           *kept;        /* (instrument_cap, ROWS, embedding_cnt), each of length 1 */
  seat_t           seats[TF_TEXTS_ROLE_CNT];
  tf_bell_t       *bell; /* of acquire */
  /* shared */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) uint32_t is_stopping;
  slot_t   *slots; /* (queue) */
  void     *memory_work, *memory_answers;
  bool      is_started;
  pthread_t thread;
};

/* ---- the reader ---- */

/* Into a vector of length 1; one of zeros stays so. */
static void normalise(float *x, uint32_t cnt) {
  double sum = 0.0;
  for (uint32_t i = 0; i < cnt; i++) sum += (double)x[i] * (double)x[i];
  const double length = sqrt(sum);
  for (uint32_t i = 0; i < cnt && length > 0.0; i++) x[i] = (float)((double)x[i] / length);
}

static double cosine(const float *a, const float *b, uint32_t cnt) {
  double sum = 0.0;
  for (uint32_t i = 0; i < cnt; i++) sum += (double)a[i] * (double)b[i];
  return sum;
}

static float *embedding_at(const tf_texts_t *t, uint32_t instrument_id, uint32_t row) {
  const size_t at = (size_t)instrument_id * ROWS + row % ROWS;
  return t->kept + at * t->embedding_cnt;
}

/* Of the one that lies at next, which is kept. */
static float novelty_of(tf_texts_t *t, uint32_t instrument_id) {
  const uint32_t cnt  = t->embedding_cnt;
  instrument_t  *in   = &t->instruments[instrument_id];
  float         *own  = embedding_at(t, instrument_id, in->next);
  double         best = in->cnt ? -1.0 : 0.0;
  normalise(own, cnt);
  for (uint32_t back = 1; back <= in->cnt; back++) {
    const double c = cosine(own, embedding_at(t, instrument_id, in->next + ROWS - back), cnt);
    if (c > best) best = c;
  }
  in->next = (in->next + 1) % ROWS;
  if (in->cnt < TF_TEXTS_KEPT) in->cnt++;
  return best < 1.0 ? (float)(1.0 - best) : 0.0f;
}

/* Where it is the role that embeds, the embedding goes to where the instrument's next one lies. */
static bool read_by(tf_texts_t *t, tf_texts_role_t role, const slot_t *s,
                    tf_text_reading_t *reading) {
  const uint32_t   id       = s->text.instrument_id;
  const version_t *v        = t->seats[role].reads;
  const bool       is_asked = role == t->embeds && t->embedding_cnt;
  return v->is.model->read(v->is.model, v->scratch, s->bytes, s->text.bytes_cnt, reading,
                           is_asked ? embedding_at(t, id, t->instruments[id].next) : NULL);
}

static void read_slot(tf_texts_t *t, slot_t *s) {
  tf_text_reading_t embedded = {0};
  bool              is_good  = read_by(t, TF_TEXTS_CLASSIFIER, s, &s->reading);
  if (is_good && t->embeds == TF_TEXTS_EMBEDDER)
    is_good = read_by(t, TF_TEXTS_EMBEDDER, s, &embedded);
  s->reading.is_cut |= embedded.is_cut;
  s->reading.token_cnt += embedded.token_cnt;
  s->model_hash = t->seats[TF_TEXTS_CLASSIFIER].reads->is.model->hash;
  s->miss       = is_good ? TF_TEXT_MISS_NONE : TF_TEXT_MISS_FAILED;
  s->novelty    = is_good && t->embedding_cnt ? novelty_of(t, s->text.instrument_id) : NAN;
}

static void hand_back(tf_texts_t *t, uint64_t idx) {
  const uint32_t pushed = tf_ring_push_sized(&t->answers_writer, &idx, 1, sizeof idx);
  TF_ASSERT(pushed == 1); /* it has room for all slots and rows */
  tf_bell_ring(t->bell);
}

/* Embeddings of two models are not to be compared. */
TF_COLD static void take_version(tf_texts_t *t, tf_texts_role_t role, uint64_t offered) {
  seat_t        *seat = &t->seats[role];
  const uint64_t row  = offered % TF_TEXTS_VERSIONS;
  seat->taken         = offered;
  seat->reads         = &seat->versions[row];
  if (role == t->embeds)
    memset(t->instruments, 0, t->config.instrument_cap * sizeof *t->instruments);
  hand_back(t, t->config.queue + role * TF_TEXTS_VERSIONS + row);
}

static void take_versions(tf_texts_t *t) {
  for (tf_texts_role_t role = 0; role < TF_TEXTS_ROLE_CNT; role++) {
    const uint64_t offered =
        tf_load_acquire(&t->seats[role].offered); /* pairs with: tf_texts_offer */
    if (TF_UNLIKELY(offered != t->seats[role].taken)) take_version(t, role, offered);
  }
}

static void *run_thread(void *self) {
  tf_texts_t *t = self;
  uint64_t    idx;
  /* relaxed: a stop flag; nothing else is read on its word */
  while (!tf_load_relaxed_u32(&t->is_stopping)) {
    take_versions(t);
    if (tf_ring_pop_sized(&t->work_reader, &idx, 1, sizeof idx) == 0) {
      nanosleep(&(struct timespec){.tv_nsec = TF_TEXTS_LOOK_NS}, NULL);
      continue;
    }
    slot_t *s = &t->slots[idx];
    if (tf_clock_wall_ns() > s->due_ns)
      s->miss = TF_TEXT_MISS_DEADLINE; /* acquire has missed it already, or is about to */
    else
      read_slot(t, s);
    hand_back(t, idx);
  }
  return NULL;
}

/* ---- acquire: events ---- */

static tf_event_t event_of(const tf_text_t *text) {
  tf_event_t e    = {.kind          = TF_EVENT_TEXT,
                     .flags         = TF_FLAG_LAST,
                     .instrument_id = text->instrument_id,
                     .ts_event_ns   = text->ts_event_ns,
                     .ts_recv_ns    = text->ts_recv_ns};
  e.u.text.id     = text->id;
  e.u.text.source = text->source;
  return e;
}

static void miss(tf_texts_t *t, const tf_text_t *text, tf_text_miss_t why) {
  tf_event_t e  = event_of(text);
  e.u.text.miss = (uint16_t)why;
  tf_count_add(&t->counts.missed[why], 1);
  t->config.publish(t->config.publisher, &e);
}

static void answer(tf_texts_t *t, const slot_t *s) {
  tf_event_t e        = event_of(&s->text);
  e.u.text.score      = s->reading.score;
  e.u.text.confidence = s->reading.confidence;
  e.u.text.novelty    = s->novelty;
  e.u.text.label      = s->reading.label;
  e.u.text.model_hash = s->model_hash;
  tf_count_add(&t->counts.answered, 1);
  tf_count_add(&t->counts.cut, s->reading.is_cut | s->text.is_cut);
  tf_count_add(&t->counts.tokens, s->reading.token_cnt);
  t->config.publish(t->config.publisher, &e);
}

static void tell(tf_texts_t *t, const slot_t *s) {
  if (s->miss == TF_TEXT_MISS_NONE)
    answer(t, s);
  else
    miss(t, &s->text, (tf_text_miss_t)s->miss);
}

/* row: of the role's, behind those of the roles before it. */
TF_COLD static void tell_swap(tf_texts_t *t, uint64_t row) {
  const tf_texts_role_t     role = (tf_texts_role_t)(row / TF_TEXTS_VERSIONS);
  seat_t                   *seat = &t->seats[role];
  const tf_texts_version_t *v    = &seat->versions[row % TF_TEXTS_VERSIONS].is;
  tf_event_t                e    = {.kind = TF_EVENT_CONTROL, .instrument_id = UINT32_MAX};
  e.u.model.command              = TF_CONTROL_SWAP;
  e.u.model.model_idx            = TF_TEXTS_MODEL_IDX(role);
  e.u.model.hash                 = v->model->hash;
  e.u.model.version              = v->number;
  t->config.publish(t->config.publisher, &e);
  tf_store_release(&seat->told, seat->told + 1); /* pairs with: tf_texts_has_told */
}

static void copy(slot_t *s, const tf_text_t *text, uint64_t deadline_ns) {
  s->text       = *text;
  s->text.bytes = NULL;
  s->due_ns     = text->ts_recv_ns + deadline_ns;
  memcpy(s->bytes, text->bytes, text->bytes_cnt);
}

/* ---- acquire: taking ---- */

/* There is no slot. False: nor is there room to remember it. */
static bool remember(tf_texts_t *t, const tf_text_t *text) {
  if (t->remembered_end - t->remembered_first == TF_TEXTS_REMEMBERED) return false;
  tf_text_t *to = &t->remembered[t->remembered_end++ % TF_TEXTS_REMEMBERED];
  *to           = *text;
  to->bytes     = NULL;
  return true;
}

static bool hand_over(tf_texts_t *t, const tf_text_t *text) {
  if (t->free_cnt == 0) return remember(t, text);
  uint64_t idx = t->free_slots[--t->free_cnt];
  slot_t  *s   = &t->slots[idx];
  copy(s, text, t->config.deadline_ns);
  t->rows[idx] = (row_t){.is_under_way = true};
  if (s->due_ns < t->next_due_ns) t->next_due_ns = s->due_ns;
  const uint32_t pushed = tf_ring_push_sized(&t->work, &idx, 1, sizeof idx);
  TF_ASSERT(pushed == 1);
  return true;
}

/* Reader and acquire are one: what the answers' ring holds is versions alone. */
static void read_in_place(tf_texts_t *t, const tf_text_t *text) {
  uint64_t idx;
  take_versions(t);
  while (tf_ring_pop_sized(&t->answers, &idx, 1, sizeof idx)) tell_swap(t, idx - t->config.queue);
  copy(&t->slots[0], text, 0);
  read_slot(t, &t->slots[0]);
  tell(t, &t->slots[0]);
}

static bool take(void *self, const tf_text_t *text) {
  tf_texts_t *t = self;
  bool        is_sound =
      text->bytes_cnt <= TF_TEXT_BYTES_MAX && text->instrument_id < t->config.instrument_cap;
  if (is_sound && t->config.is_inline) {
    tf_count_add(&t->counts.heard, 1);
    read_in_place(t, text);
    return true;
  }
  if (!is_sound || t->is_drained || !hand_over(t, text)) {
    tf_count_add(&t->counts.refused, 1);
    return false;
  }
  tf_count_add(&t->counts.heard, 1);
  return true;
}

const tf_text_port_t *tf_texts_port(const tf_texts_t *t) { return &t->port; }

/* ---- acquire: polling ---- */

static void find_next_due(tf_texts_t *t) {
  t->next_due_ns = UINT64_MAX;
  for (uint32_t i = 0; i < t->config.queue; i++)
    if (t->rows[i].is_under_way && !t->rows[i].is_missed && t->slots[i].due_ns < t->next_due_ns)
      t->next_due_ns = t->slots[i].due_ns;
}

static void miss_row(tf_texts_t *t, uint32_t i, tf_text_miss_t why) {
  t->rows[i].is_missed = true;
  miss(t, &t->slots[i].text, why);
}

/* Their answers are yet to come. */
TF_COLD static uint32_t miss_overdue(tf_texts_t *t, uint64_t now_ns) {
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < t->config.queue; i++) {
    if (!t->rows[i].is_under_way || t->rows[i].is_missed || now_ns <= t->slots[i].due_ns) continue;
    miss_row(t, i, TF_TEXT_MISS_DEADLINE);
    cnt++;
  }
  find_next_due(t);
  return cnt;
}

static void take_back(tf_texts_t *t, uint32_t idx, uint64_t now_ns) {
  const slot_t *s = &t->slots[idx];
  if (t->rows[idx].is_missed) {
    tf_count_add(&t->counts.late, s->miss == TF_TEXT_MISS_NONE);
  } else if (s->miss == TF_TEXT_MISS_NONE && now_ns > s->due_ns) {
    miss(t, &s->text, TF_TEXT_MISS_DEADLINE);
  } else {
    tell(t, s);
    tf_hist_record(&t->times, now_ns > s->text.ts_recv_ns ? now_ns - s->text.ts_recv_ns : 0);
  }
  t->rows[idx]                 = (row_t){0};
  t->free_slots[t->free_cnt++] = idx;
}

uint32_t tf_texts_poll(tf_texts_t *t, uint64_t now_ns) {
  uint32_t cnt = 0;
  uint64_t idx;
  for (; cnt < TF_TEXTS_EACH_POLL_MAX && t->remembered_first < t->remembered_end; cnt++)
    miss(t, &t->remembered[t->remembered_first++ % TF_TEXTS_REMEMBERED], TF_TEXT_MISS_FULL);
  for (; cnt < TF_TEXTS_EACH_POLL_MAX; cnt++) {
    if (tf_ring_pop_sized(&t->answers, &idx, 1, sizeof idx) == 0) break;
    if (TF_LIKELY(idx < t->config.queue))
      take_back(t, (uint32_t)idx, now_ns);
    else
      tell_swap(t, idx - t->config.queue);
  }
  if (TF_UNLIKELY(now_ns > t->next_due_ns)) cnt += miss_overdue(t, now_ns);
  return cnt;
}

void tf_texts_drain(tf_texts_t *t, uint64_t now_ns) {
  if (t->is_drained) return;
  t->is_drained = true;
  while (tf_texts_poll(t, now_ns) > 0) {
  }
  for (uint32_t i = 0; i < t->config.queue; i++)
    if (t->rows[i].is_under_way && !t->rows[i].is_missed) miss_row(t, i, TF_TEXT_MISS_STOPPED);
}

/* ---- versions ---- */

static void *take_memory(size_t cnt, size_t bytes) {
  void  *memory;
  size_t all = tf_align_up(cnt * bytes, TF_LINE_PAIR_BYTES);
  if (posix_memalign(&memory, TF_LINE_PAIR_BYTES, all)) return NULL;
  return memset(memory, 0, all);
}

tf_err_t tf_texts_fill(tf_texts_t *t, tf_texts_role_t role, uint32_t row,
                       const tf_texts_version_t *version) {
  version_t   *v     = &t->seats[role].versions[row];
  const size_t bytes = version->model->scratch_bytes;
  TF_ASSERT(role != t->embeds || version->model->embedding_cnt == t->embedding_cnt);
  free(v->scratch);
  *v = (version_t){*version, take_memory(1, bytes)};
  return v->scratch ? TF_OK : TF_ERR(E_CORE_NO_MEMORY, "%zu bytes for a text", bytes);
}

void tf_texts_offer(tf_texts_t *t, tf_texts_role_t role, uint32_t row) {
  uint64_t *offered = &t->seats[role].offered;
  TF_ASSERT(tf_texts_has_told(t, role));
  /* relaxed: this thread's own word */
  const uint64_t serial = tf_load_relaxed(offered) / TF_TEXTS_VERSIONS + 1;
  /* pairs with: take_versions */
  tf_store_release(offered, serial * TF_TEXTS_VERSIONS + row);
}

bool tf_texts_has_told(const tf_texts_t *t, tf_texts_role_t role) {
  const seat_t *seat = &t->seats[role];
  /* relaxed: this thread's own word */
  const uint64_t serial = tf_load_relaxed(&seat->offered) / TF_TEXTS_VERSIONS;
  return tf_load_acquire(&seat->told) == serial; /* pairs with: tell_swap */
}

/* ---- figures ---- */

const tf_texts_counts_t *tf_texts_counts(const tf_texts_t *t) { return &t->counts; }
const tf_hist_t         *tf_texts_times(const tf_texts_t *t) { return &t->times; }

uint64_t tf_texts_waiting(const tf_texts_t *t) {
  uint64_t cnt = t->remembered_end - t->remembered_first;
  for (uint32_t i = 0; i < t->config.queue; i++)
    cnt += t->rows[i].is_under_way && !t->rows[i].is_missed;
  return cnt;
}

/* ---- lifetime ---- */

static tf_ring_t *make_ring(uint32_t slots, void **memory) {
  *memory = take_memory(1, tf_ring_footprint(slots, sizeof(uint64_t)));
  return *memory ? tf_ring_new(*memory, slots, sizeof(uint64_t)) : NULL;
}

static bool take_all(tf_texts_t *t) {
  const tf_texts_config_t *c      = &t->config;
  const size_t             floats = (size_t)ROWS * t->embedding_cnt;
  tf_ring_t               *work   = make_ring(c->queue, &t->memory_work),
            *answers              = make_ring(2 * c->queue, &t->memory_answers); /* and rows */
  t->slots                        = calloc(c->queue, sizeof *t->slots);
  t->rows                         = calloc(c->queue, sizeof *t->rows);
  t->free_slots                   = calloc(c->queue, sizeof *t->free_slots);
  t->remembered                   = calloc(TF_TEXTS_REMEMBERED, sizeof *t->remembered);
  t->instruments                  = calloc(c->instrument_cap, sizeof *t->instruments);
  t->kept = calloc(c->instrument_cap, floats * sizeof *t->kept); /* untouched pages are none */
  if (!work || !answers || !t->slots || !t->rows || !t->free_slots || !t->remembered ||
      !t->instruments || (floats && !t->kept))
    return false;
  tf_ring_writer_init(&t->work, work);
  tf_ring_reader_init(&t->work_reader, work);
  tf_ring_writer_init(&t->answers_writer, answers);
  tf_ring_reader_init(&t->answers, answers);
  return true;
}

/* The classifier reads; the embedder is offered, so that its event is the first. */
static bool seat_first(tf_texts_t *t) {
  const tf_texts_version_t *first = t->config.first;
  seat_t                   *seats = t->seats;
  if (tf_texts_fill(t, TF_TEXTS_CLASSIFIER, 0, &first[TF_TEXTS_CLASSIFIER])) return false;
  seats[TF_TEXTS_CLASSIFIER].reads = &seats[TF_TEXTS_CLASSIFIER].versions[0];
  if (t->embeds != TF_TEXTS_EMBEDDER) return true;
  if (tf_texts_fill(t, TF_TEXTS_EMBEDDER, 0, &first[TF_TEXTS_EMBEDDER])) return false;
  tf_texts_offer(t, TF_TEXTS_EMBEDDER, 0);
  return true;
}

tf_err_t tf_texts_init(const tf_texts_config_t *config, tf_texts_t **texts) {
  const tf_texts_role_t embeds = tf_texts_embeds(config);
  const uint32_t        cnt    = config->first[embeds].model->embedding_cnt;
  const uint64_t        each   = (uint64_t)ROWS * cnt * sizeof(float);
  *texts                       = NULL;
  TF_ASSERT(config->queue >= TF_TEXTS_QUEUE_MIN && config->queue <= TF_TEXTS_QUEUE_MAX);
  if (each * config->instrument_cap > TF_TEXTS_MEMORY_MAX)
    return TF_ERR(
        E_CONFIG_VALUE, "texts: %u instruments of %llu bytes of embeddings; at most %llu in all",
        config->instrument_cap, (unsigned long long)each, (unsigned long long)TF_TEXTS_MEMORY_MAX);
  tf_texts_t *t = take_memory(1, sizeof *t);
  if (!t) return TF_ERR(E_CORE_NO_MEMORY, "texts");
  t->config        = *config;
  t->embeds        = embeds;
  t->embedding_cnt = cnt;
  t->port          = (tf_text_port_t){t, take};
  t->next_due_ns   = UINT64_MAX;
  if (!take_all(t) || !seat_first(t)) {
    tf_texts_fini(t);
    return TF_ERR(E_CORE_NO_MEMORY, "texts: a queue of %u, %u instruments", config->queue,
                  config->instrument_cap);
  }
  for (uint32_t i = config->queue; i-- > 0;) t->free_slots[t->free_cnt++] = i;
  *texts = t;
  return TF_OK;
}

tf_err_t tf_texts_start(tf_texts_t *t, tf_bell_t *bell) {
  if (t->config.is_inline) return TF_OK;
  t->bell       = bell;
  int sys_errno = pthread_create(&t->thread, NULL, run_thread, t);
  if (sys_errno) return TF_ERR(E_CORE_THREAD, "the texts' thread: %s", strerror(sys_errno));
  t->is_started = true;
  return TF_OK;
}

void tf_texts_stop(tf_texts_t *t) {
  if (!t->is_started) return;
  /* relaxed: a stop flag; nothing else is read on its word */
  tf_store_relaxed_u32(&t->is_stopping, 1);
  pthread_join(t->thread, NULL);
  t->is_started = false;
}

void tf_texts_fini(tf_texts_t *t) {
  if (!t) return;
  tf_texts_stop(t);
  free(t->memory_work);
  free(t->memory_answers);
  free(t->slots);
  free(t->rows);
  free(t->free_slots);
  free(t->remembered);
  free(t->instruments);
  free(t->kept);
  for (uint32_t i = 0; i < TF_TEXTS_ROLE_CNT * TF_TEXTS_VERSIONS; i++)
    free(t->seats[i / TF_TEXTS_VERSIONS].versions[i % TF_TEXTS_VERSIONS].scratch);
  free(t);
}
