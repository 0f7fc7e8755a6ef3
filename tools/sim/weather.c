#include "sim/weather.h"

#include "faults/random.h"
#include "sim/exchange.h"

#define HALT_NS       (2 * TF_NS_PER_SEC)
#define CLOCK_JUMP_NS (3600 * TF_NS_PER_SEC) /* at the most, either way */

static bool is_past(const sim_exchange_t *x, sim_fault_t fault) {
  return x->weather.since_ns && fault_is_due(x->faults, fault, x->now_ns - x->weather.since_ns);
}

/* Only the last instrument comes and goes: the others show that it is not the whole feed. */
static bool is_last(const sim_exchange_t *x, uint32_t symbol) {
  return symbol + 1 == x->symbol_cnt;
}

bool sim_is_listed(const sim_exchange_t *x, uint32_t symbol) {
  if (!is_last(x, symbol)) return true;
  if (x->faults->ns[SIM_FAULT_LIST] && !is_past(x, SIM_FAULT_LIST)) return false;
  return !is_past(x, SIM_FAULT_DELIST);
}

bool sim_is_trading(const sim_exchange_t *x, uint32_t symbol) {
  return sim_is_listed(x, symbol) && x->now_ns >= x->symbols[symbol].halted_until_ns;
}

/* Prices are sent with a digit more from now on. */
static void change_tick(sim_exchange_t *x) {
  sim_pair_t *pair = &x->symbols[x->symbol_cnt - 1].pair;
  if (x->weather.is_tick_changed || !is_past(x, SIM_FAULT_TICK_SIZE)) return;
  x->weather.is_tick_changed = true;
  pair->price_digits++;
  x->faults->done[SIM_FAULT_TICK_SIZE]++;
}

int64_t sim_tick_sent(const sim_exchange_t *x, uint32_t symbol) {
  int64_t tick = sim_price_sent(&x->symbols[symbol].pair, 1);
  return x->weather.is_tick_changed && is_last(x, symbol) ? tick / 10 : tick;
}

static void second(sim_exchange_t *x) {
  faults_t *faults  = x->faults;
  x->weather.storms = fault_hits(faults, SIM_FAULT_STORM);
  if (fault_hits(faults, SIM_FAULT_CLOCK_JUMP))
    x->weather.clock_ahead_ns =
        (int64_t)((tool_random_unit(&faults->rng) * 2 - 1) * (double)CLOCK_JUMP_NS);
  if (fault_hits(faults, SIM_FAULT_HALT))
    x->symbols[tool_random(&faults->rng) % x->symbol_cnt].halted_until_ns = x->now_ns + HALT_NS;
}

void sim_weather_tick(sim_exchange_t *x, uint64_t now_ns) {
  sim_weather_t *w = &x->weather;
  if (!w->since_ns && !sim_server_peer(x->server, 0)) return; /* nobody sees it yet */
  if (!w->since_ns) w->since_ns = now_ns;
  change_tick(x);
  if (now_ns < w->second_due_ns) return;
  w->second_due_ns = now_ns + TF_NS_PER_SEC;
  second(x);
}
