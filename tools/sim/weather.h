/* What befalls a whole exchange, by the time since its first client and by the second: storms, a clock that
 * jumps, instruments that are halted, listed, delisted, or change their tick size. Owner and only writer: the
 * simulator's thread. */
#ifndef SIM_WEATHER_H
#define SIM_WEATHER_H

#include "tf/base.h"

struct sim_exchange;

typedef struct sim_weather {
  uint64_t since_ns, second_due_ns; /* since_ns: when the first client came; 0: none yet */
  int64_t  clock_ahead_ns;          /* of the venue's clock */
  bool     storms;
  bool     is_tick_changed;
} sim_weather_t;

/* Once a pass, before anything is sent: draws the second's weather when one begins. */
void sim_weather_tick(struct sim_exchange *x, uint64_t now_ns);

/* The symbol's market moves and is heard of: not halted, not unlisted. */
bool sim_is_trading(const struct sim_exchange *x, uint32_t symbol);
/* The symbol's tick size at the digits that its prices are sent with: a tenth once they have gained one. */
int64_t sim_tick_sent(const struct sim_exchange *x, uint32_t symbol);
/* The exchange knows it. */
bool sim_is_listed(const struct sim_exchange *x, uint32_t symbol);

#endif
