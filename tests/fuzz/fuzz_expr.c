/* Any bytes as a feature and as a rule: parsed, written out, read back, compiled and run. Checked on
 * the way: a normalised text is an expression and its own normal form; a compiled plan and rule run
 * without a trap; a refusal always says where. */
#include <stdlib.h>
#include <string.h>

#include "boot/rule.h"
#include "core/error.h"
#include "indicator/registry.h"
#include "policy/registry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static tf_expr_t expr;

static void check_refusal(void) {
  TF_ASSERT(tf_error_code() == E_CONFIG_EXPR || tf_error_code() == E_CONFIG_CONFLICT);
  TF_ASSERT(strlen(tf_error_text()) > 0);
  if (tf_error_code() == E_CONFIG_EXPR) TF_ASSERT(strncmp(tf_error_text(), "expr:1:", 7) == 0);
}

static void check_text(tf_expr_mode_t mode, const char *text) {
  char once[4 * TF_EXPR_BYTES_MAX], twice[4 * TF_EXPR_BYTES_MAX];
  if (tf_expr_parse(&expr, mode, NULL, text) != TF_OK) {
    check_refusal();
    return;
  }
  TF_ASSERT(expr.root < expr.node_cnt && expr.node_cnt <= TF_EXPR_NODES_MAX);
  TF_ASSERT(tf_expr_text(&expr, expr.root, once, sizeof once));
  if (strlen(once) > TF_EXPR_BYTES_MAX) return; /* 1e99 takes fewer bytes than it may print */
  TF_ASSERT(tf_expr_parse(&expr, mode, NULL, once) == TF_OK);
  TF_ASSERT(tf_expr_text(&expr, expr.root, twice, sizeof twice));
  TF_ASSERT(strcmp(once, twice) == 0);
}

static void run_rule(tf_feature_compile_t *c, const tf_feature_plan_t *plan, const char *text) {
  static tf_policy_config_t config;
  static double             row[TF_FEATURE_PLAN_ROW_MAX];
  uint64_t                  state[16];
  config = (tf_policy_config_t){.book_states_ok = 1};
  if (tf_rule_compile(c, NULL, text, &config.buy) != TF_OK) {
    check_refusal();
    return;
  }
  for (uint32_t i = 0; i < plan->feature_cnt; i++) row[i] = i * 0.25;
  TF_ASSERT(tf_policies[0]->init(state, &config) == TF_OK);
  tf_policy_input_t  in = {.score = 0.5, .p10 = -1, .p90 = 1, .features = row};
  tf_policy_output_t out;
  tf_policies[0]->decide(state, &in, &out);
  TF_ASSERT(out.action == TF_ACTION_BUY || out.action == TF_ACTION_HOLD);
}

static void run_plan(const tf_feature_plan_t *plan) {
  static double row[TF_FEATURE_PLAN_ROW_MAX];
  if (plan->mem_bytes > (1u << 22)) return; /* memory is not what this looks for */
  void       *mem    = aligned_alloc(64, plan->mem_bytes);
  tf_event_t  event  = {0};
  tf_market_t market = {.event       = &event,
                        .bid         = 9,
                        .ask         = 11,
                        .bid_qty     = 1,
                        .ask_qty     = 2,
                        .trade_price = 10,
                        .trade_qty   = 3,
                        .trade_side  = 1,
                        .now_ns      = 1};
  tf_bar_t    bar    = {.open = 1, .high = 3, .low = 0, .close = 2, .volume = 5};
  tf_market_t other  = {.bid = 8, .ask = 12, .now_ns = 1};
  tf_peer_t   peers[TF_FEATURE_PLAN_PEERS_MAX] = {0};
  market.peers                                 = peers;
  TF_ASSERT(mem);
  TF_ASSERT(tf_feature_plan_init_state(plan, mem) == TF_OK);
  for (uint32_t i = 0; i < 8; i++) {
    market.now_ns += 100;
    market.bid += i % 3;
    other.bid += i % 2;
    other.now_ns = market.now_ns - 50;
    for (uint32_t p = 0; p < plan->peer_cnt && i > 2; p++) {
      peers[p] = (tf_peer_t){.market = &other, .good_until_ns = UINT64_MAX};
      if (i % 4 != 0) peers[p].values = mem;
      tf_feature_plan_on_peer(plan, mem, &market, p);
    }
    tf_feature_plan_on_event(plan, mem, &market, TF_ON_TRADE);
    tf_feature_plan_on_event(plan, mem, &market, TF_ON_QUOTE);
    tf_feature_plan_on_bar(plan, mem, i % plan->bar_cnt, &bar);
    for (uint32_t b = 0; b < plan->bar_cnt; b++)
      if (plan->peeked_bars >> b & 1) tf_feature_plan_on_open(plan, mem, b, i % 3 ? &bar : NULL);
    (void)tf_feature_plan_on_tick(plan, mem, &market, row);
    for (uint32_t f = 0; f < plan->feature_cnt; f++) TF_ASSERT(!__builtin_isinf(row[f]));
  }
  free(mem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char *const       BARS[]  = {"s1", "t100"};
  static const tf_feature_peer_t PEERS[] = {
      {.name = "p", .instrument = "A.B"},
      {.name = "q", .instrument = "A.B"},
      {.name = "q", .instrument = "*.C"},
  };
  char text[TF_EXPR_BYTES_MAX + 64];
  if (size >= sizeof text) size = sizeof text - 1;
  memcpy(text, data, size);
  text[size] = '\0';
  check_text(TF_EXPR_FEATURE, text);
  check_text(TF_EXPR_RULE, text);

  tf_feature_compile_t *c;
  tf_feature_plan_t     plan;
  tf_feature_env_t      env = {.indicators    = tf_indicators,
                               .indicator_cnt = tf_indicator_cnt,
                               .bar_names     = BARS,
                               .bar_cnt       = 2,
                               .peers         = PEERS,
                               .peer_cnt      = TF_ARRAY_CNT(PEERS),
                               .plain_bar     = size % 2 ? 0 : TF_FEATURE_COMPILE_NONE};
  TF_ASSERT(tf_feature_compile_begin(&c, &env) == TF_OK);
  TF_ASSERT(tf_feature_compile_add(c, NULL, "z: ema(mid, 5)", NULL) == TF_OK);
  if (tf_feature_compile_add(c, NULL, text, NULL) != TF_OK) check_refusal();
  bool has_rule = tf_rule_collect(c, NULL, text) == TF_OK;
  if (!has_rule) check_refusal();
  if (tf_feature_compile_finish(c, &plan) == TF_OK) {
    run_plan(&plan);
    if (has_rule) run_rule(c, &plan, text);
    for (uint32_t i = 0; i < plan.feature_cnt; i++) {
      TF_ASSERT(tf_feature_compile_find(c, tf_feature_plan_name(&plan, i)) == i);
    }
  }
  tf_feature_plan_fini(&plan);
  tf_feature_compile_end(c);
  return 0;
}
