/* The compiled list of features, and what a lane runs of it on every event, bar and tick.
 *
 * A plan is immutable once compiled (boot/feature_compile.h) and shared by all instruments and
 * lanes. What changes is one block of memory an instrument, in this order:
 *
 *   slots      one double for each value that some expression produces; those of vectors last, eight
 *              side by side, each line of eight on a cache line
 *   seen       how many ticks there were, and closes of each bar
 *   counts     how many inputs each history has taken
 *   vectors    the states of eight equal nodes side by side, line by line (tf/vector.h)
 *   histories  the latest inputs of each series that windows look back on, once for all windows
 *   states     of the indicators that run one by one
 *   own        what lanes of vectors have to themselves
 *
 * Up to the vectors' states every line is touched at each tick (hot_bytes), behind them one here and there. So a lane
 * asks for the first part of an instrument's memory when its message begins (tf_feature_plan_fetch), and the lines come
 * while the book is brought up to date.
 *
 * There is no pointer in it, so it can be copied or snapshotted as bytes, or sent to a device. Nor is
 * there an address in what runs over it: steps, vectors and histories name places in the block, and
 * their code by number; `updates` and `vector_runs`, beside them, say what the numbers mean here.
 *
 *   event of the message  -> on_event: indicators that follow trades, quotes or levels
 *   a bar closes          -> on_bar:   its fields become slots, then what hangs on that bar runs
 *   end of the message    -> on_open:  the fields of open bars that some peek reads become slots;
 *                            on_tick:  market indicators, then the runs, then the row
 *   a peer's message ends -> on_peer:  indicators that follow its ticks (ADR 0023)
 *
 * A run is a stretch of one sort of work: series and arithmetic are ordered by level (a level's inputs
 * all come from the levels before), and within a level by kind, so that equal nodes over whatever inputs
 * share vectors. Few of a kind at a level run one by one. Which of the two a node gets changes no bit of
 * any value (tests/kernels/vector): it depends on what else is listed, and on the machine. Only ticks run in vectors:
 * bars close too seldom.
 *
 * What a tick recomputes. An event runs only the indicators that asked for its sort; a bar's close only what
 * hangs on that bar; a tick everything that has the tick for its clock. The last is by definition: ema(mid, 20)
 * takes one input a tick, whether mid moved or not, and so does all that hangs on it. What the bars'
 * fields alone enter is untouched by ticks.
 *
 * NaN. A slot is NaN until its expression has a value, and for as long as an input is NaN: an
 * indicator that rejects its input keeps its state, and its outputs read NaN until the next good
 * one. Arithmetic whose result is infinite reads NaN. So a row holds finite numbers and NaN only,
 * and a stale number never stands in for a missing one.
 *
 * Peers. What one expression has in another instrument's memory is at the same place there, since the plan is one; so a value of
 * a peer is read where it lies, as of that instrument's last tick, by the lane that owns both. market->peers says whose
 * memory that is, and whether it is good: else the value is NaN.
 *
 * Sections. What crosses (tf/cross.h) read of all instruments is the lane's, not an instrument's: market->seat says where. A
 * tick puts its own value there before the first cross over that series reads it (ADR 0039).
 *
 * This file runs on a lane: no allocation, no failure, no log. One writer: the instrument's lane. */
#ifndef TF_STAGE_FEATURE_PLAN_H
#define TF_STAGE_FEATURE_PLAN_H

#include <string.h>

#include "tf/cross.h"
#include "tf/indicator.h"
#include "tf/vector.h"

#define TF_FEATURE_PLAN_LISTED_MAX 1024 /* TF_MODEL_INPUTS_MAX */
#define TF_FEATURE_PLAN_ROW_MAX    1280 /* with what only rules read */
#define TF_FEATURE_PLAN_NAME_BYTES 256
#define TF_FEATURE_PLAN_BARS_MAX   32
#define TF_FEATURE_PLAN_SLOTS_MAX  UINT16_MAX
#define TF_FEATURE_PLAN_BYTES_MAX  ((size_t)1 << 30) /* of an instrument's memory */
#define TF_FEATURE_PLAN_FETCH_MAX  ((size_t)1 << 14) /* bytes: half of a small first-level cache */
#define TF_FEATURE_PLAN_PEERS_MAX  64
#define TF_FEATURE_PEER_NAME_BYTES 64
#define TF_FEATURE_AGE_NS_MAX      (UINT64_C(1) << 62) /* however old: no sum with a time overflows */

typedef enum tf_feature_op {
  TF_FEATURE_CALL, /* update of an indicator */
  TF_FEATURE_NEG,
  TF_FEATURE_ABS,
  TF_FEATURE_ADD,
  TF_FEATURE_SUB,
  TF_FEATURE_MUL,
  TF_FEATURE_DIV,
  TF_FEATURE_MIN,
  TF_FEATURE_MAX,
  TF_FEATURE_PEEK /* peek of an indicator, on the state that another step updates */
} tf_feature_op_t;

typedef enum tf_feature_bar_field {
  TF_FEATURE_BAR_OPEN,
  TF_FEATURE_BAR_HIGH,
  TF_FEATURE_BAR_LOW,
  TF_FEATURE_BAR_CLOSE,
  TF_FEATURE_BAR_VOLUME,
  TF_FEATURE_BAR_NOTIONAL,
  TF_FEATURE_BAR_BUY_VOLUME,
  TF_FEATURE_BAR_TRADE_CNT,
  TF_FEATURE_BAR_FIELD_CNT
} tf_feature_bar_field_t;

/* The names of the fields, as in "s1.close". */
extern const char *const tf_feature_plan_bar_fields[TF_FEATURE_BAR_FIELD_CNT];

typedef struct tf_feature_step {
  uint32_t state_offset; /* in the instrument's memory, bytes */
  uint16_t update;       /* of the plan's updates, or its peeks */
  uint16_t out;          /* first slot written */
  uint16_t in[TF_INDICATOR_SERIES_MAX];
  uint8_t  op; /* tf_feature_op_t */
  uint8_t  series_cnt;
  uint8_t  output_cnt;
  uint8_t  reserved;
} tf_feature_step_t;

TF_STATIC_ASSERT(sizeof(tf_feature_step_t) == 20, "three steps a cache line");

/* The latest inputs of a series: doubles at ring .. ring + mask, the newest at (count - 1) & mask. */
typedef struct tf_feature_history {
  uint32_t cnt;  /* place of the count, a uint64_t */
  uint32_t ring; /* place of the ring */
  uint32_t mask;
  uint16_t in;
  uint16_t holds; /* tf_vector_history_t: which inputs */
} tf_feature_history_t;

/* A ring of entries that some state has (tf_trail_t), or a history, where it lies in an instrument's memory. */
typedef struct tf_feature_trail {
  uint32_t at; /* of its first place, bytes */
  uint32_t entry_bytes, cap;
  uint32_t owner; /* the state's place, bytes; of a history: its count's */
  tf_trail_held_t (*held)(const void *state, uint32_t i); /* NULL: a history */
  uint32_t number;                                        /* i */
  bool     turns;
} tf_feature_trail_t;

/* Another instrument that features read: at most one of a name, or several one behind the other. */
typedef struct tf_feature_peer {
  char name[TF_FEATURE_PEER_NAME_BYTES];       /* as expressions have it: eth */
  char instrument[TF_FEATURE_PEER_NAME_BYTES]; /* ETHUSDT.BINANCE-SPOT; *.X: the own symbol at X */
  uint64_t max_age_ns;                         /* at most TF_FEATURE_AGE_NS_MAX */
  uint32_t books_ok;                           /* a bit for each tf_book_state_t */
  bool     wakes;                              /* its ticks are the reader's too */
} tf_feature_peer_t;

/* What a peer's slot `in` holds becomes this instrument's slot `out`. */
typedef struct tf_feature_peer_value {
  uint16_t out, in;
  uint32_t peer;
} tf_feature_peer_value_t;

/* Whose values sections hold. What a config's universe: says; names borrowed. */
#define TF_FEATURE_UNIVERSE_NAMES_MAX 256

typedef struct tf_feature_universe {
  const char *const *instruments; /* SYMBOL.VENUE, *.VENUE; name_cnt 0: all of the lane */
  uint32_t           name_cnt;
  uint32_t           books_ok;   /* a bit for each tf_book_state_t */
  uint64_t           max_age_ns; /* at most TF_FEATURE_AGE_NS_MAX */
} tf_feature_universe_t;

/* What the slot `in` holds takes its place in a section, and what is read off it there becomes slot `out`. */
typedef struct tf_feature_cross {
  uint16_t in, out;
  uint16_t section;
  uint8_t  value; /* of the plan's cross_values */
  uint8_t  member_min;
  bool     puts; /* the first of its section on a tick */
  double   params[TF_CROSS_PARAMS_MAX];
} tf_feature_cross_t;

typedef enum tf_feature_work {
  TF_FEATURE_WORK_CALLS, /* steps that are indicators of one series: most are */
  TF_FEATURE_WORK_STEPS,
  TF_FEATURE_WORK_HISTORIES,
  TF_FEATURE_WORK_PEERS,
  TF_FEATURE_WORK_CROSSES,
  TF_FEATURE_WORK_VECTORS
} tf_feature_work_t;

typedef struct tf_feature_run {
  uint16_t work; /* tf_feature_work_t */
  uint16_t kind; /* of vectors: of the plan's vector_runs */
  uint32_t first, cnt;
} tf_feature_run_t;

typedef tf_indicator_result_t (*tf_feature_update_t)(void *state, const tf_indicator_input_t *in,
                                                     double *out);
typedef tf_indicator_result_t (*tf_feature_peek_t)(const void                 *state,
                                                   const tf_indicator_input_t *in, double *out);
typedef double (*tf_feature_cross_value_t)(const void *section, uint32_t member,
                                           const double *params);
typedef void (*tf_feature_vectors_t)(const tf_vector_t *vectors, uint32_t cnt, double *mem);

typedef struct tf_feature_list {
  const tf_feature_step_t *steps;
  uint32_t                 cnt;
} tf_feature_list_t;

typedef struct tf_feature_field {
  uint16_t slot;
  uint16_t field; /* tf_feature_bar_field_t */
} tf_feature_field_t;

typedef struct tf_feature_bar {
  const tf_feature_field_t *fields;      /* those that some expression reads */
  const tf_feature_field_t *open_fields; /* and those that some peek reads of the open bar */
  uint32_t                  field_cnt, open_field_cnt;
  tf_feature_list_t         steps;
} tf_feature_bar_t;

/* For init_state: an indicator and its parameters, or a constant's slot. */
typedef struct tf_feature_start {
  const tf_indicator_t *indicator; /* NULL: slot = value */
  uint32_t              state_offset;
  uint32_t              slot;
  double                value;
  double                params[TF_INDICATOR_PARAMS_MAX];
} tf_feature_start_t;

/* How long a feature takes to its first value where every input is good from the beginning: `ticks` inputs of
 * the instrument's ticks, and `closes` of one bar, the one that takes longest (TF_FEATURE_NO_BAR: of none). */
#define TF_FEATURE_NO_BAR UINT32_MAX

typedef struct tf_feature_need {
  uint64_t ticks;
  uint64_t closes;
  uint32_t bar;
  uint32_t reserved;
} tf_feature_need_t;

typedef struct tf_feature_name {
  char name[TF_FEATURE_PLAN_NAME_BYTES];  /* canonical: "ema(mid,20)" */
  char label[TF_FEATURE_PLAN_NAME_BYTES]; /* its alias, or the text as written, less its spaces */
} tf_feature_name_t;

typedef struct tf_feature_plan {
  tf_feature_list_t tick_market; /* market indicators, at each tick */
  tf_feature_list_t tick_peers;  /* those that read peers; in[0] is their first, in[1] how many */
  const tf_feature_run_t         *tick_runs; /* series and arithmetic at each tick, by level */
  const tf_feature_step_t        *tick_steps;
  const tf_feature_history_t     *histories;
  const tf_vector_t              *vectors;
  const uint16_t                 *row_slots;   /* feature_cnt: where each feature's value is */
  const tf_feature_update_t      *updates;     /* what steps call */
  const tf_feature_peek_t        *peeks;       /* what steps of the op PEEK call */
  const tf_feature_vectors_t     *vector_runs; /* what vectors are advanced by, here */
  tf_feature_list_t               on_trade, on_quote, on_book, on_text, on_peer;
  const tf_feature_peer_value_t  *peer_values;
  const tf_feature_cross_t       *crosses;
  const tf_feature_cross_value_t *cross_values; /* what crosses call */
  const tf_cross_table_t         *cross_table;  /* how sections are kept; NULL: there are none */
  tf_feature_bar_t               *bars;
  uint32_t                        bar_cnt;
  uint32_t                        peeked_bars; /* a bit for each that has open_fields */
  uint32_t                        tick_run_cnt, tick_step_cnt, history_cnt, vector_cnt;
  uint32_t feature_cnt; /* of a row: the listed, then those that only rules read */
  uint32_t listed_cnt;  /* the features of the config: a model's inputs */
  uint32_t slot_cnt;
  uint32_t seen;      /* place of the counts of ticks, then of each bar's closes */
  size_t   mem_bytes; /* of one instrument, a multiple of 64 */
  size_t   hot_bytes; /* of them: what each tick touches, from the beginning on */

  /* cold */
  const tf_feature_trail_t *trails; /* in the order in which they lie */
  uint32_t                  trail_cnt;
  const tf_feature_peer_t  *peers; /* those that some feature reads */
  uint32_t                  peer_cnt;
  const uint32_t           *section_reads; /* (section_cnt) TF_SECTION_*, of all crosses over it */
  uint32_t                  section_cnt;
  tf_feature_universe_t     universe;
  const tf_feature_start_t *starts;
  uint32_t                  start_cnt;
  tf_feature_name_t        *names; /* feature_cnt */
  const tf_feature_need_t  *needs; /* feature_cnt */
  void                     *block; /* the one allocation that all of the above lies in */
} tf_feature_plan_t;

/* Brings mem (plan->mem_bytes, 64-byte aligned) to its beginning: states as after init, slots NaN,
 * constants set. Also resets a used one. Fails only as an indicator's init does. */
tf_err_t tf_feature_plan_init_state(const tf_feature_plan_t *plan, void *mem);

/* Releases the plan's block; the instruments' memory is the caller's. Accepts a zeroed plan. */
void tf_feature_plan_fini(tf_feature_plan_t *plan);

/* Canonical expression of feature i < feature_cnt; and what to show of it. */
const char *tf_feature_plan_name(const tf_feature_plan_t *plan, uint32_t i);
const char *tf_feature_plan_label(const tf_feature_plan_t *plan, uint32_t i);

/* What feature i of an instrument still lacks to its first value, at least: an input that was missing or
 * refused adds to it. All 0 with is_ready false: it was ready, or could be, and an input or the formula has
 * no value now. */
typedef struct tf_feature_wait {
  tf_feature_need_t left;
  bool              is_ready;
} tf_feature_wait_t;

tf_feature_wait_t tf_feature_plan_wait(const tf_feature_plan_t *plan, const void *mem, uint32_t i);

/* Asks for the lines of mem that its next tick will touch, and does not wait. Worth it where another instrument's were
 * touched last: 1,000 instruments in turn took 183 to 194 ns a tick without and 140 to 147 with it, ten 113 to 116 and 117
 * to 122, one 107 and 107 (64 features, three interleaved runs, EPYC at load 12, 2026-11-22). */
TF_INLINE void tf_feature_plan_fetch(const tf_feature_plan_t *plan, const void *mem) {
  const uint8_t *bytes = mem;
  for (size_t at = 0; at < plan->hot_bytes && at < TF_FEATURE_PLAN_FETCH_MAX; at += TF_LINE_BYTES)
    __builtin_prefetch(bytes + at, 1);
}

TF_INLINE void tf_feature_plan_count_(const tf_feature_plan_t *plan, void *mem, uint32_t what) {
  uint64_t cnt;
  double  *at = (double *)mem + plan->seen + what;
  memcpy(&cnt, at, sizeof cnt);
  cnt++;
  memcpy(at, &cnt, sizeof cnt);
}

TF_COLD __attribute__((noinline, unused)) static void
tf_feature_plan_refused_(const tf_feature_step_t *s, double *slots) {
  for (uint32_t o = 0; o < s->output_cnt; o++) slots[s->out + o] = __builtin_nan("");
}

TF_INLINE void tf_feature_plan_call_(const tf_feature_update_t *updates, const tf_feature_step_t *s,
                                     uint8_t *mem, const tf_indicator_input_t *in) {
  double *slots = (double *)mem;
  if (TF_UNLIKELY(updates[s->update](mem + s->state_offset, in, slots + s->out) ==
                  TF_INDICATOR_REJECTED))
    tf_feature_plan_refused_(s, slots);
}

TF_INLINE double tf_feature_plan_compute_(uint8_t op, double a, double b) {
  double y;
  switch (op) {
  case TF_FEATURE_NEG: y = -a; break;
  case TF_FEATURE_ABS: y = __builtin_fabs(a); break;
  case TF_FEATURE_ADD: y = a + b; break;
  case TF_FEATURE_SUB: y = a - b; break;
  case TF_FEATURE_MUL: y = a * b; break;
  case TF_FEATURE_DIV: y = a / b; break;
  case TF_FEATURE_MIN: y = a != a ? a : (b < a || b != b ? b : a); break;
  default: y = a != a ? a : (b > a || b != b ? b : a); break; /* TF_FEATURE_MAX */
  }
  return __builtin_isfinite(y) ? y : __builtin_nan("");
}

/* A step of the op PEEK, whose first input is in place. */
void tf_feature_plan_peek_(const tf_feature_plan_t *plan, const tf_feature_step_t *s, uint8_t *mem,
                           tf_indicator_input_t *in);

/* Indicators of one series, one by one. */
static inline void tf_feature_plan_calls_(const tf_feature_plan_t *plan,
                                          const tf_feature_step_t *steps, uint32_t cnt,
                                          uint8_t *mem) {
  const tf_feature_update_t *updates = plan->updates;
  const double              *slots   = (const double *)mem;
  tf_indicator_input_t       in      = {.on = TF_ON_INPUT};
  for (const tf_feature_step_t *s = steps, *end = s + cnt; s != end; s++) {
    in.x[0] = slots[s->in[0]];
    tf_feature_plan_call_(updates, s, mem, &in);
  }
}

/* Series indicators and arithmetic, one by one. */
static inline void tf_feature_plan_steps_(const tf_feature_plan_t *plan,
                                          const tf_feature_step_t *steps, uint32_t cnt,
                                          uint8_t *mem) {
  double              *slots = (double *)mem;
  tf_indicator_input_t in    = {.on = TF_ON_INPUT};
  for (const tf_feature_step_t *s = steps, *end = s + cnt; s != end; s++) {
    in.x[0] = slots[s->in[0]];
    if (s->op == TF_FEATURE_CALL) {
      for (uint32_t i = 1; i < s->series_cnt; i++) in.x[i] = slots[s->in[i]];
      tf_feature_plan_call_(plan->updates, s, mem, &in);
    } else if (TF_UNLIKELY(s->op == TF_FEATURE_PEEK)) {
      tf_feature_plan_peek_(plan, s, mem, &in);
    } else {
      slots[s->out] = tf_feature_plan_compute_(s->op, in.x[0], slots[s->in[1]]);
    }
  }
}

/* One more input of each history that takes it. */
static inline void tf_feature_plan_histories_(const tf_feature_history_t *histories, uint32_t cnt,
                                              double *mem) {
  for (const tf_feature_history_t *h = histories, *end = h + cnt; h != end; h++) {
    double   x = mem[h->in];
    uint64_t seen;
    if (TF_UNLIKELY(!(__builtin_fabs(x) <= TF_VECTOR_MAGNITUDE_MAX))) continue;
    if (h->holds == TF_VECTOR_HISTORY_POSITIVE && TF_UNLIKELY(!(x > 0))) continue;
    memcpy(&seen, &mem[h->cnt], sizeof seen);
    mem[h->ring + (seen & h->mask)] = x;
    seen++;
    memcpy(&mem[h->cnt], &seen, sizeof seen);
  }
}

/* A peer that is this instrument itself has made its value by now: levels see to that. */
static inline void tf_feature_plan_peer_values_(const tf_feature_peer_value_t *values, uint32_t cnt,
                                                const tf_peer_t *peers, double *mem) {
  for (const tf_feature_peer_value_t *v = values, *end = v + cnt; v != end; v++) {
    const double *from = peers[v->peer].values;
    mem[v->out]        = from ? from[v->in] : __builtin_nan("");
  }
}

/* What stands where among all instruments. */
static inline void tf_feature_plan_crosses_(const tf_feature_plan_t  *plan,
                                            const tf_feature_cross_t *crosses, uint32_t cnt,
                                            const tf_seat_t *seat, double *mem) {
  const tf_cross_table_t *table = plan->cross_table;
  for (const tf_feature_cross_t *c = crosses, *end = c + cnt; c != end; c++) {
    double y = __builtin_nan("");
    if (TF_LIKELY(seat)) {
      void  *section = seat->sections + c->section * seat->section_bytes;
      double x       = seat->is_fit ? mem[c->in] : y;
      if (c->puts) table->section_put(section, seat->member, x);
      bool is_member = __builtin_fabs(x) <= TF_VECTOR_MAGNITUDE_MAX; /* as section_put has it */
      if (is_member && table->section_member_cnt(section) >= c->member_min)
        y = plan->cross_values[c->value](section, seat->member, c->params);
    }
    mem[c->out] = __builtin_isfinite(y) ? y : __builtin_nan("");
  }
}

static inline void tf_feature_plan_runs_(const tf_feature_plan_t *plan, void *mem,
                                         const tf_market_t *market) {
  for (const tf_feature_run_t *r = plan->tick_runs, *end = r + plan->tick_run_cnt; r != end; r++) {
    switch (r->work) {
    case TF_FEATURE_WORK_CALLS:
      tf_feature_plan_calls_(plan, plan->tick_steps + r->first, r->cnt, mem);
      break;
    case TF_FEATURE_WORK_STEPS:
      tf_feature_plan_steps_(plan, plan->tick_steps + r->first, r->cnt, mem);
      break;
    case TF_FEATURE_WORK_HISTORIES:
      tf_feature_plan_histories_(plan->histories + r->first, r->cnt, mem);
      break;
    case TF_FEATURE_WORK_PEERS:
      tf_feature_plan_peer_values_(plan->peer_values + r->first, r->cnt, market->peers, mem);
      break;
    case TF_FEATURE_WORK_CROSSES:
      tf_feature_plan_crosses_(plan, plan->crosses + r->first, r->cnt, market->seat, mem);
      break;
    default: plan->vector_runs[r->kind](plan->vectors + r->first, r->cnt, mem); break;
    }
  }
}

/* One event of a message, after the books and the last trade took it in. on: TF_ON_TRADE,
 * TF_ON_QUOTE, TF_ON_BOOK or TF_ON_TEXT. */
static inline void tf_feature_plan_on_event(const tf_feature_plan_t *plan, void *mem,
                                            const tf_market_t *market, uint32_t on) {
  const tf_feature_list_t *list = on == TF_ON_TRADE   ? &plan->on_trade
                                  : on == TF_ON_QUOTE ? &plan->on_quote
                                  : on == TF_ON_BOOK  ? &plan->on_book
                                                      : &plan->on_text;
  if (list->cnt == 0) return;
  double               unread[TF_INDICATOR_OUTPUTS_MAX]; /* outputs are read at the tick */
  tf_indicator_input_t in = {.on = on, .market = market};
  for (const tf_feature_step_t *s = list->steps, *end = s + list->cnt; s != end; s++) {
    (void)plan->updates[s->update]((uint8_t *)mem + s->state_offset, &in, unread);
  }
}

/* A tick of one of the peers: only what asked for it runs. market is this instrument's. */
static inline void tf_feature_plan_on_peer(const tf_feature_plan_t *plan, void *mem,
                                           const tf_market_t *market, uint32_t peer) {
  double               unread[TF_INDICATOR_OUTPUTS_MAX];
  tf_indicator_input_t in = {.on = TF_ON_PEER, .market = market};
  for (const tf_feature_step_t *s = plan->on_peer.steps, *end = s + plan->on_peer.cnt; s != end;
       s++) {
    if (peer - s->in[0] >= s->in[1]) continue;
    in.peers    = market->peers + s->in[0];
    in.peer_cnt = s->in[1];
    in.peer_idx = peer - s->in[0];
    (void)plan->updates[s->update]((uint8_t *)mem + s->state_offset, &in, unread);
  }
}

/* Market indicators that read peers. */
static inline void tf_feature_plan_tick_peers_(const tf_feature_plan_t *plan, void *mem,
                                               tf_indicator_input_t *in) {
  for (const tf_feature_step_t *s = plan->tick_peers.steps, *end = s + plan->tick_peers.cnt;
       s != end; s++) {
    in->peers    = in->market->peers + s->in[0];
    in->peer_cnt = s->in[1];
    tf_feature_plan_call_(plan->updates, s, mem, in);
  }
}

TF_INLINE double tf_feature_plan_field_(const tf_bar_t *bar, uint16_t field) {
  switch (field) {
  case TF_FEATURE_BAR_OPEN: return bar->open;
  case TF_FEATURE_BAR_HIGH: return bar->high;
  case TF_FEATURE_BAR_LOW: return bar->low;
  case TF_FEATURE_BAR_CLOSE: return bar->close;
  case TF_FEATURE_BAR_VOLUME: return bar->volume;
  case TF_FEATURE_BAR_NOTIONAL: return bar->notional;
  case TF_FEATURE_BAR_BUY_VOLUME: return bar->buy_volume;
  default: return (double)bar->trade_cnt;
  }
}

/* Bar bar_idx (its place in the names that the plan was compiled with) has closed. */
static inline void tf_feature_plan_on_bar(const tf_feature_plan_t *plan, void *mem,
                                          uint32_t bar_idx, const tf_bar_t *bar) {
  TF_ASSERT(bar_idx < plan->bar_cnt);
  const tf_feature_bar_t *b = &plan->bars[bar_idx];
  tf_feature_plan_count_(plan, mem, 1 + bar_idx);
  double *slots = mem;
  for (uint32_t i = 0; i < b->field_cnt; i++) {
    double value             = tf_feature_plan_field_(bar, b->fields[i].field);
    slots[b->fields[i].slot] = __builtin_isfinite(value) ? value : __builtin_nan("");
  }
  tf_feature_plan_steps_(plan, b->steps.steps, b->steps.cnt, mem);
}

/* Before on_tick, for each of peeked_bars: its open bar, NULL while there is none. */
static inline void tf_feature_plan_on_open(const tf_feature_plan_t *plan, void *mem,
                                           uint32_t bar_idx, const tf_bar_t *open) {
  TF_ASSERT(bar_idx < plan->bar_cnt);
  const tf_feature_bar_t *b     = &plan->bars[bar_idx];
  double                 *slots = mem;
  for (uint32_t i = 0; i < b->open_field_cnt; i++) {
    double value = open ? tf_feature_plan_field_(open, b->open_fields[i].field) : __builtin_nan("");
    slots[b->open_fields[i].slot] = __builtin_isfinite(value) ? value : __builtin_nan("");
  }
}

/* Two values side by side: a register that every machine has. */
typedef double  tf_feature_pair_t __attribute__((vector_size(16)));
typedef int64_t tf_feature_pair_mask_t __attribute__((vector_size(16)));

/* The features as they stand into row[feature_cnt]. True if every listed one has a value. */
static inline bool tf_feature_plan_read(const tf_feature_plan_t *plan, const void *mem,
                                        double *row) {
  const double          *slots = mem;
  const uint16_t        *at    = plan->row_slots;
  tf_feature_pair_mask_t nan   = {0, 0};
  uint32_t               i     = 0;
  for (uint32_t end = plan->listed_cnt & ~1u; i < end; i += 2) {
    tf_feature_pair_t pair = {slots[at[i]], slots[at[i + 1]]};
    nan |= pair != pair;
    memcpy(&row[i], &pair, sizeof pair);
  }
  for (; i < plan->feature_cnt; i++) {
    row[i] = slots[at[i]];
    if (i < plan->listed_cnt) nan[0] |= row[i] != row[i];
  }
  return (nan[0] | nan[1]) == 0;
}

/* The message is complete: computes and writes row[feature_cnt], NaN where a feature is not ready.
 * True if every listed feature is. */
static inline bool tf_feature_plan_on_tick(const tf_feature_plan_t *plan, void *mem,
                                           const tf_market_t *market, double *row) {
  const tf_feature_update_t *updates = plan->updates;
  tf_indicator_input_t       in      = {.on = TF_ON_TICK, .market = market};
  for (const tf_feature_step_t *s = plan->tick_market.steps, *end = s + plan->tick_market.cnt;
       s != end; s++) {
    tf_feature_plan_call_(updates, s, mem, &in);
  }
  if (TF_UNLIKELY(plan->tick_peers.cnt)) tf_feature_plan_tick_peers_(plan, mem, &in);
  tf_feature_plan_runs_(plan, mem, market);
  tf_feature_plan_count_(plan, mem, 0);
  return tf_feature_plan_read(plan, mem, row);
}

#endif
