/* The rule policy: a buy, a sell and a flat condition over the model's output and the features, with
 * a quality gate before and brakes behind. One tick in, one action out, in this order:
 *
 *   1. the book's state is not among book_states_ok        HOLD, BOOK
 *   2. flat fires                                          FLAT: getting out beats any entry
 *      open by a buy that has a buy_until, and that fires  FLAT; the same for sell
 *      buy and sell both fire                              HOLD, CONFLICT
 *      buy or sell fires, and is not what is open          BUY or SELL
 *      none fires                                          HOLD, RULE
 *   3. less than cooldown_ns since the last action         HOLD, COOLDOWN
 *   4. rate_cnt_max actions within rate_window_ns already  HOLD, RATE
 *
 * Hysteresis. A BUY of a strategy with a buy_until opens it, a SELL of one with a sell_until opens it
 * the other way, a FLAT closes it; an action without an until opens nothing. While a side is open its own
 * condition is not asked again, so a score that wavers around the threshold makes one BUY, not many:
 *
 *        buy                    sell
 *   .----------- closed -----------.
 *   v   buy_until, flat: FLAT      v      what is held back by 3. or 4. changes nothing:
 *   bought ------- sell -------> sold     the condition is asked again at the next tick
 *          <------ buy ---------
 *
 * Brakes hold for FLAT as for the others. Only actions taken count for them: a held one neither
 * starts a cooldown nor fills the rate. The rate is exact, a sliding window over the times of the
 * last rate_cnt_max actions: an action at t counts while now - t < rate_window_ns, and a cooldown
 * ends when now - t == cooldown_ns. Time is ts_recv; where it steps back behind the last action it
 * counts as that action's, so that the times kept never decrease.
 *
 * NaN. Any operation on NaN gives NaN, logic included ("or" does not look past one), and a rule that
 * ends in NaN does not fire. An infinite value read, or an infinite result, counts as NaN: a score
 * that overflowed must not compare its way into an order. */
#include "policy/rule.h"

#include <string.h>

#define RATE_CNT_MAX (1u << 20) /* times kept; the same bound as an indicator's state */

typedef struct rule {
  const tf_policy_config_t *config;
  uint64_t                  last_ns; /* of the last action */
  uint32_t                  has_last;
  uint32_t                  oldest; /* index of the oldest of the times kept */
  uint32_t                  cnt;    /* times kept, up to rate_cnt_max */
  uint32_t open;       /* tf_action_t: BUY or SELL where its until is awaited, else HOLD */
  uint64_t times_ns[]; /* rate_cnt_max */
} rule_t;

static double finite_or_nan(double x) { return __builtin_isfinite(x) ? x : __builtin_nan(""); }

static double load(const tf_policy_input_t *in, uint32_t slot_idx) {
  switch (slot_idx) {
  case TF_RULE_SLOT_SCORE: return finite_or_nan(in->score);
  case TF_RULE_SLOT_P10: return finite_or_nan(in->p10);
  case TF_RULE_SLOT_P90: return finite_or_nan(in->p90);
  case TF_RULE_SLOT_POSITION: return finite_or_nan(in->position);
  case TF_RULE_SLOT_ALERT: return finite_or_nan(in->alert);
  case TF_RULE_SLOT_FLEET_MEAN:
  case TF_RULE_SLOT_FLEET_MAX:
  case TF_RULE_SLOT_FLEET_BREADTH:
  case TF_RULE_SLOT_FLEET_P90_MEAN:
  case TF_RULE_SLOT_FLEET_P90_MAX:
  case TF_RULE_SLOT_FLEET_P90_BREADTH:
  case TF_RULE_SLOT_DISAGREEMENT:
    return in->values ? finite_or_nan(in->values[slot_idx - TF_RULE_SLOT_FLEET_MEAN])
                      : __builtin_nan("");
  default: return finite_or_nan(in->features[slot_idx - TF_RULE_SLOT_FEATURES]);
  }
}

static double compute_one(uint8_t op, double a) {
  if (a != a) return a;
  switch (op) {
  case TF_RULE_NEG: return -a;
  case TF_RULE_NOT: return a == 0 ? 1.0 : 0.0;
  default: return __builtin_fabs(a); /* TF_RULE_ABS */
  }
}

static double compute_two(uint8_t op, double a, double b) {
  if (a != a || b != b) return __builtin_nan("");
  switch (op) {
  case TF_RULE_ADD: return finite_or_nan(a + b);
  case TF_RULE_SUB: return finite_or_nan(a - b);
  case TF_RULE_MUL: return finite_or_nan(a * b);
  case TF_RULE_DIV: return finite_or_nan(a / b);
  case TF_RULE_LT: return a < b ? 1.0 : 0.0;
  case TF_RULE_LE: return a <= b ? 1.0 : 0.0;
  case TF_RULE_GT: return a > b ? 1.0 : 0.0;
  case TF_RULE_GE: return a >= b ? 1.0 : 0.0;
  case TF_RULE_EQ: return a == b ? 1.0 : 0.0;
  case TF_RULE_NE: return a != b ? 1.0 : 0.0;
  case TF_RULE_AND: return a != 0 && b != 0 ? 1.0 : 0.0;
  case TF_RULE_OR: return a != 0 || b != 0 ? 1.0 : 0.0;
  case TF_RULE_MIN: return b < a ? b : a;
  default: return b > a ? b : a; /* TF_RULE_MAX */
  }
}

/* One step; top is the number of values on the stack. init has checked that the program keeps to the
 * stack and ends with one value. */
static void run_step(const tf_rule_step_t *s, const tf_policy_input_t *in, double *stack,
                     uint32_t *top) {
  if (s->op == TF_RULE_CONST) {
    stack[(*top)++] = s->value;
  } else if (s->op == TF_RULE_LOAD) {
    stack[(*top)++] = load(in, s->slot_idx);
  } else if (s->op <= TF_RULE_ABS) {
    stack[*top - 1] = compute_one(s->op, stack[*top - 1]);
  } else {
    --*top;
    stack[*top - 1] = compute_two(s->op, stack[*top - 1], stack[*top]);
  }
}

static bool fires(const tf_rule_t *rule, const tf_policy_input_t *in) {
  double   stack[TF_RULE_DEPTH_MAX];
  uint32_t top = 0;
  if (rule->step_cnt == 0) return false;
  for (uint32_t i = 0; i < rule->step_cnt; i++) run_step(&rule->steps[i], in, stack, &top);
  return stack[0] == stack[0] && stack[0] != 0;
}

bool tf_rule_trace(const tf_rule_t *rule, const tf_policy_input_t *in, double *values) {
  double   stack[TF_RULE_DEPTH_MAX];
  uint32_t top = 0;
  for (uint32_t i = 0; i < rule->step_cnt; i++) {
    run_step(&rule->steps[i], in, stack, &top);
    values[i] = stack[top - 1];
  }
  return fires(rule, in);
}

TF_STATIC_ASSERT(TF_RULE_LOAD < TF_RULE_NEG && TF_RULE_ABS == TF_RULE_NOT + 1 &&
                     TF_RULE_ADD == TF_RULE_ABS + 1,
                 "fires tells pushes, one-operand and two-operand steps apart by their order");

static uint8_t wanted_action(const tf_policy_config_t *config, uint32_t open,
                             const tf_policy_input_t *in, uint8_t *hold_reason) {
  *hold_reason = TF_HOLD_NONE;
  if (fires(&config->flat, in)) return TF_ACTION_FLAT;
  if (open == TF_ACTION_BUY && fires(&config->buy_until, in)) return TF_ACTION_FLAT;
  if (open == TF_ACTION_SELL && fires(&config->sell_until, in)) return TF_ACTION_FLAT;
  bool buy  = open != TF_ACTION_BUY && fires(&config->buy, in);
  bool sell = open != TF_ACTION_SELL && fires(&config->sell, in);
  if (buy != sell) return buy ? TF_ACTION_BUY : TF_ACTION_SELL;
  *hold_reason = buy ? TF_HOLD_CONFLICT : TF_HOLD_RULE;
  return TF_ACTION_HOLD;
}

/* What is open after an action. */
static uint32_t opened_by(const tf_policy_config_t *config, uint8_t action) {
  if (action == TF_ACTION_BUY && config->buy_until.step_cnt) return TF_ACTION_BUY;
  if (action == TF_ACTION_SELL && config->sell_until.step_cnt) return TF_ACTION_SELL;
  return TF_ACTION_HOLD;
}

static void hold(tf_policy_output_t *out, uint8_t reason) {
  out->action      = TF_ACTION_HOLD;
  out->hold_reason = reason;
}

static void record(rule_t *s, uint64_t now_ns) {
  uint32_t cap = s->config->rate_cnt_max;
  s->last_ns   = now_ns;
  s->has_last  = 1;
  if (cap == 0) return;
  if (s->cnt < cap) {
    s->times_ns[s->cnt++] = now_ns;
    return;
  }
  s->times_ns[s->oldest] = now_ns;
  s->oldest              = s->oldest + 1 == cap ? 0 : s->oldest + 1;
}

static void decide(void *state, const tf_policy_input_t *in, tf_policy_output_t *out) {
  rule_t                   *s = state;
  const tf_policy_config_t *c = s->config;
  uint8_t                   reason;
  if (in->book_state >= 32 || !((c->book_states_ok >> in->book_state) & 1u)) {
    hold(out, TF_HOLD_BOOK);
    return;
  }
  uint8_t action = wanted_action(c, s->open, in, &reason);
  if (action == TF_ACTION_HOLD) {
    hold(out, reason);
    return;
  }
  uint64_t now_ns = s->has_last && in->now_ns < s->last_ns ? s->last_ns : in->now_ns;
  if (s->has_last && now_ns - s->last_ns < c->cooldown_ns) {
    hold(out, TF_HOLD_COOLDOWN);
    return;
  }
  if (c->rate_cnt_max > 0 && s->cnt == c->rate_cnt_max &&
      now_ns - s->times_ns[s->oldest] < c->rate_window_ns) {
    hold(out, TF_HOLD_RATE);
    return;
  }
  record(s, now_ns);
  s->open          = opened_by(c, action);
  out->action      = action;
  out->hold_reason = TF_HOLD_NONE;
}

/* What the compiler of rules promises, checked once more: decide trusts it on every tick. */
static bool is_sound(const tf_rule_t *rule) {
  uint32_t depth = 0;
  if (rule->step_cnt == 0) return true;
  if (rule->step_cnt > TF_RULE_OPS_MAX) return false;
  for (uint32_t i = 0; i < rule->step_cnt; i++) {
    uint8_t op = rule->steps[i].op;
    if (op >= TF_RULE_OP_CNT) return false;
    uint32_t operands = op <= TF_RULE_LOAD ? 0 : op <= TF_RULE_ABS ? 1 : 2;
    if (depth < operands) return false;
    depth = depth - operands + 1;
    if (depth > TF_RULE_DEPTH_MAX) return false;
  }
  return depth == 1;
}

static size_t state_bytes(const tf_policy_config_t *config) {
  uint32_t cnt = config->rate_cnt_max <= RATE_CNT_MAX ? config->rate_cnt_max : 0;
  return sizeof(rule_t) + cnt * sizeof(uint64_t);
}

static tf_err_t init(void *state, const tf_policy_config_t *config) {
  if (config->rate_cnt_max > RATE_CNT_MAX) return E_CORE_ARGUMENT;
  if (!is_sound(&config->buy) || !is_sound(&config->sell) || !is_sound(&config->flat) ||
      !is_sound(&config->buy_until) || !is_sound(&config->sell_until))
    return E_CORE_ARGUMENT;
  rule_t *s = state;
  memset(s, 0, state_bytes(config));
  s->config = config;
  return TF_OK;
}

static void attach(void *state, const tf_policy_config_t *config) {
  ((rule_t *)state)->config = config;
}

const tf_policy_t tf_policy_rule = {
    .name = "rule",
    .help = "buy, sell and flat conditions with hysteresis, a book gate, cooldown and rate limit",
    .state_bytes = state_bytes,
    .init        = init,
    .attach      = attach,
    .decide      = decide,
};
