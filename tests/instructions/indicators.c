/* Updates each series indicator over made-up bars, its defaults as parameters, so that callgrind can count the
 * instructions of each in one run: the counters are set to zero before one's updates and dumped under its name after
 * them. Windows are full by then. Those that read another instrument get a tick of each of the two, the making of which is
 * counted with them. Prints how many updates each dump stands for.
 *
 * check.py runs this under callgrind and holds the counts against indicators.txt. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/callgrind.h>

#include "indicator/registry.h"

#define WARM_UP 700u
#define UPDATES 256u

static uint64_t random_next(uint64_t *state) {
  *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return *state >> 33;
}

/* A bar of a walk in cents; what the indicator's series are named like decides what they are. */
static void next_bar(const tf_indicator_t *d, uint64_t *state, double *close,
                     tf_indicator_input_t *in) {
  double first = *close;
  *close += ((double)(random_next(state) % 201) - 100) / 100;
  double high   = (first > *close ? first : *close) + (double)(random_next(state) % 32) / 100;
  double low    = (first > *close ? *close : first) - (double)(random_next(state) % 32) / 100;
  double volume = 1 + (double)(random_next(state) % 1000);
  for (uint32_t k = 0; k < d->series_cnt; k++) {
    const char *name = d->series[k];
    in->x[k]         = strcmp(name, "open") == 0      ? first
                       : strcmp(name, "high") == 0    ? high
                       : strcmp(name, "low") == 0     ? low
                       : strcmp(name, "volume") == 0  ? volume
                       : strcmp(name, "periods") == 0 ? 2 + (double)(random_next(state) % 29)
                                                      : *close;
    if (d->group == TF_GROUP_TRANSFORM) in->x[k] /= 2000; /* acos wants -1 to 1 */
  }
}

static void run(const tf_indicator_t *d) {
  static tf_indicator_input_t bars[WARM_UP + UPDATES];
  double                      params[TF_INDICATOR_PARAMS_MAX], out[TF_INDICATOR_OUTPUTS_MAX];
  uint64_t                    seed  = 1;
  double                      close = 1000;
  for (uint32_t p = 0; p < d->param_cnt; p++) params[p] = d->params[p].dflt;
  void *state = malloc(d->state_bytes(params));
  if (!state || d->init(state, params) != TF_OK) exit(1);
  for (uint32_t i = 0; i < WARM_UP + UPDATES; i++) {
    bars[i] = (tf_indicator_input_t){.on = TF_ON_INPUT};
    next_bar(d, &seed, &close, &bars[i]);
  }
  for (uint32_t i = 0; i < WARM_UP; i++) d->update(state, &bars[i], out);
  CALLGRIND_ZERO_STATS;
  CALLGRIND_TOGGLE_COLLECT;
  for (uint32_t i = WARM_UP; i < WARM_UP + UPDATES; i++) d->update(state, &bars[i], out);
  CALLGRIND_TOGGLE_COLLECT;
  CALLGRIND_DUMP_STATS_AT(d->name);
  free(state);
}

static void move(tf_market_t *m, uint64_t at_ns, uint64_t *state) {
  double mid   = m->bid + ((double)(random_next(state) % 201) - 100) / 100;
  m->now_ns    = at_ns;
  m->has_quote = true;
  m->bid       = mid;
  m->ask       = mid + 0.01;
}

/* A tick of the peer, where it is asked for, and one of the own instrument 40 ms later, ten pairs a second. */
static void pair_of_ticks(const tf_indicator_t *d, void *indicator, uint32_t i, uint64_t *seed) {
  static tf_market_t   own = {.bid = 1000}, other = {.bid = 500};
  static double        value[1];
  const uint64_t       at_ns = UINT64_C(1700000000000000000) + i * UINT64_C(100000000);
  double               out[TF_INDICATOR_OUTPUTS_MAX];
  tf_peer_t            peer = {.market = &other, .values = value, .good_until_ns = UINT64_MAX};
  tf_indicator_input_t in   = {.market = &own, .peers = &peer, .peer_cnt = 1};
  move(&other, at_ns, seed);
  in.on = TF_ON_PEER;
  if (d->on & TF_ON_PEER) d->update(indicator, &in, out);
  move(&own, at_ns + 40000000, seed);
  in.on = TF_ON_TICK;
  d->update(indicator, &in, out);
}

static void run_pair(const tf_indicator_t *d) {
  double   params[TF_INDICATOR_PARAMS_MAX];
  uint64_t seed = 1;
  for (uint32_t p = 0; p < d->param_cnt; p++) params[p] = d->params[p].dflt;
  void *state = malloc(d->state_bytes(params));
  if (!state || d->init(state, params) != TF_OK) exit(1);
  for (uint32_t i = 0; i < WARM_UP; i++) pair_of_ticks(d, state, i, &seed);
  CALLGRIND_ZERO_STATS;
  CALLGRIND_TOGGLE_COLLECT;
  for (uint32_t i = WARM_UP; i < WARM_UP + UPDATES; i++) pair_of_ticks(d, state, i, &seed);
  CALLGRIND_TOGGLE_COLLECT;
  CALLGRIND_DUMP_STATS_AT(d->name);
  free(state);
}

int main(void) {
  for (uint32_t i = 0; i < tf_indicator_cnt; i++) {
    if (tf_indicators[i]->series_cnt > 0) run(tf_indicators[i]);
    if (tf_indicators[i]->peers_max > 0) run_pair(tf_indicators[i]);
  }
  printf("%u\n", UPDATES);
  return 0;
}
