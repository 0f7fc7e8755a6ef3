#include "sim/market.h"
#include "faults/random.h"

#include <string.h>

#define FIRST_ID       UINT64_C(5000000000) /* above 32 bits, as venues' are */
#define LEVEL_NEAR_CNT 24                   /* changes happen within so many ticks of the best */

static int64_t random_qty(sim_market_t *m) {
  double  u   = tool_random_unit(&m->rng) + tool_random_unit(&m->rng) * tool_random_unit(&m->rng);
  int64_t qty = m->lot / 8 + (int64_t)((double)m->lot * 2.0 * u * u);
  return (qty / m->qty_step + 1) * m->qty_step;
}

static void set_level(sim_market_t *m, bool ask, int32_t at, int64_t qty) {
  if (m->ladder[ask][at] == qty) return;
  m->ladder[ask][at] = qty;
  m->update_id++;
  if (!m->depth_first_id) m->depth_first_id = m->update_id;
  sim_level_t level = {m->base_ticks + at, qty, ask};
  for (uint32_t i = 0; i < m->dirty_cnt; i++) {
    if (m->dirty[i].price_ticks == level.price_ticks && m->dirty[i].ask == ask) {
      m->dirty[i] = level;
      return;
    }
  }
  TF_ASSERT(m->dirty_cnt < SIM_DIRTY_MAX);
  m->dirty[m->dirty_cnt++] = level;
}

/* The best level was emptied: the next one becomes best. A side that thins out is refilled far from
 * the market, so that there always is one. */
static void find_best(sim_market_t *m, bool ask) {
  int32_t *best = ask ? &m->best_ask : &m->best_bid;
  int32_t  step = ask ? 1 : -1;
  for (int32_t i = 0; i < 64; i++) {
    if (m->ladder[ask][*best]) return;
    *best += step;
  }
  set_level(m, ask, *best, random_qty(m));
}

static sim_step_t trade(sim_market_t *m) {
  bool    buy  = tool_random_unit(&m->rng) < 0.5 + 0.35 * m->lean;
  bool    ask  = buy; /* a buyer takes from the asks */
  int32_t best = ask ? m->best_ask : m->best_bid;
  int64_t left = m->ladder[ask][best];
  int64_t qty  = random_qty(m);
  if (qty > left) qty = left;
  m->trade_id++;
  m->last_ticks = m->base_ticks + best;
  m->traded_qty += qty;
  set_level(m, ask, best, left - qty);
  find_best(m, ask);
  return (sim_step_t){.traded            = true,
                      .quote_changed     = true,
                      .seller_took       = !buy,
                      .trade_price_ticks = m->base_ticks + best,
                      .trade_qty         = qty};
}

/* Somebody places, changes or cancels near the market. */
static sim_step_t order(sim_market_t *m) {
  bool    ask    = tool_random_unit(&m->rng) < 0.5 - 0.25 * m->lean;
  int32_t spread = m->best_ask - m->best_bid;
  int32_t best   = ask ? m->best_ask : m->best_bid;
  int32_t away = (int32_t)(tool_random_unit(&m->rng) * tool_random_unit(&m->rng) * LEVEL_NEAR_CNT);
  if (spread > 1 && tool_random_unit(&m->rng) < 0.4) away = -1; /* improve the price */
  int32_t  at      = ask ? best + away : best - away;
  bool     cancel  = away > 0 && tool_random_unit(&m->rng) < 0.3;
  uint64_t last_id = m->update_id;
  set_level(m, ask, at, cancel ? 0 : random_qty(m));
  if (away < 0) *(ask ? &m->best_ask : &m->best_bid) = at;
  return (sim_step_t){.quote_changed =
                          away <= 0 && m->update_id != last_id}; /* or the same again */
}

sim_step_t sim_market_step(sim_market_t *m) {
  m->lean = m->lean * 0.995 + (tool_random_unit(&m->rng) - 0.5) * 0.12;
  if (m->best_bid < 4096) m->lean = 0.8; /* turned back at the window's edges */
  if (m->best_ask > SIM_LADDER_TICKS - 4096) m->lean = -0.8;
  return tool_random_unit(&m->rng) < 0.22 ? trade(m) : order(m);
}

void sim_market_tell(sim_market_t *m, int64_t price_ticks, int64_t qty) {
  if (m->dirty_cnt == SIM_DIRTY_MAX) return;
  m->update_id++;
  if (!m->depth_first_id) m->depth_first_id = m->update_id;
  m->dirty[m->dirty_cnt++] = (sim_level_t){price_ticks, qty, false};
}

void sim_market_take_depth(sim_market_t *m) {
  m->dirty_cnt      = 0;
  m->depth_first_id = 0;
}

void sim_market_init(sim_market_t *m, uint64_t seed, int64_t price_ticks, int64_t lot,
                     int64_t qty_step, uint32_t levels) {
  TF_ASSERT(price_ticks >= SIM_LADDER_TICKS / 2 && levels >= 1 && levels <= SIM_LADDER_TICKS / 2);
  m->rng        = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
  m->base_ticks = price_ticks - SIM_LADDER_TICKS / 2;
  m->lot        = lot;
  m->qty_step   = qty_step;
  m->best_bid   = SIM_LADDER_TICKS / 2 - 1;
  m->best_ask   = SIM_LADDER_TICKS / 2;
  m->update_id  = FIRST_ID + seed % 1000;
  m->trade_id   = FIRST_ID;
  for (int32_t i = 0; i < (int32_t)levels; i++) {
    m->ladder[0][m->best_bid - i] = random_qty(m);
    m->ladder[1][m->best_ask + i] = random_qty(m);
  }
}
