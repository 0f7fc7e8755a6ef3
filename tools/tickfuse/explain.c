#include "explain.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "boot/text_source.h"
#include "core/error.h"
#include "event_text.h"
#include "policy/rule.h"
#include "sink/decision_json.h"
#include "wire/decimal.h"

static tf_explain_t *probe; /* sinks have no argument of the caller's */

/* ---- the lane's thread -----------------------------------------------------------------------*/

static void copy_message(tf_explain_t *x) {
  const tf_record_t *r = tf_replay_current(x->replay);
  if (!r->bytes) return;
  x->message_tap   = r->tap;
  x->message_kind  = r->kind;
  x->message_bytes = r->bytes_cnt;
  x->message_no    = r->line_no;
  memcpy(x->message, r->bytes, r->bytes_cnt < sizeof x->message ? r->bytes_cnt : sizeof x->message);
  if (r->target) snprintf(x->target, sizeof x->target, "%s", r->target);
}

/* What the brakes saw: the actions before this one. The rate is counted as the rule policy does. */
static void copy_brakes(tf_explain_t *x) {
  const tf_decision_t      *d = &x->decision;
  const tf_policy_config_t *c = &x->engine->runner.lane.decide.strategies[d->strategy_id].config;
  uint64_t kept = x->action_cnt < TF_EXPLAIN_ACTIONS_MAX ? x->action_cnt : TF_EXPLAIN_ACTIONS_MAX;
  for (uint64_t i = 0; i < kept; i++) {
    const tf_explain_action_t *a = &x->actions[(x->action_cnt - 1 - i) % TF_EXPLAIN_ACTIONS_MAX];
    if (a->instrument_id != d->instrument_id || a->strategy_id != d->strategy_id) continue;
    if (!x->last_action_ns) {
      x->last_action_ns = a->now_ns;
      x->last_action    = a->action;
    }
    uint64_t now_ns = x->market.now_ns > x->last_action_ns ? x->market.now_ns : x->last_action_ns;
    if (!c->rate_cnt_max || now_ns - a->now_ns >= c->rate_window_ns) break;
    x->rate_cnt++;
  }
}

static void copy_answer(tf_explain_t *x, const tf_compute_model_t *model) {
  x->alert = (double)NAN;
  for (uint32_t i = 0; i < TF_RULE_VALUE_CNT; i++) x->values[i] = (double)NAN;
  if (!model) return;
  memcpy(x->model_row, model->row, sizeof(float) * model->active->model->input_cnt);
  memcpy(x->model_out, model->out, sizeof(float) * model->active->model->output_cnt);
  x->alert = (double)model->answer.alert;
  if (model->values) memcpy(x->values, model->values, sizeof x->values);
}

static void copy_all(tf_explain_t *x, const tf_decision_t *d) {
  const tf_lane_t            *lane = &x->engine->runner.lane;
  const tf_lane_instrument_t *in   = &lane->instruments[d->instrument_id];
  uint32_t                    m    = lane->decide.strategies[d->strategy_id].model_idx;
  x->found                         = true;
  x->decision                      = *d;
  x->market                        = in->market;
  x->cause                         = *in->market.event;
  x->book_seq                      = in->market.book->venue_seq;
  x->position                      = in->position;
  x->halted                        = lane->decide.halted;
  memcpy(x->row, in->row, sizeof(double) * x->engine->plan.feature_cnt);
  copy_answer(x, m == TF_STRATEGY_NO_MODEL ? NULL : &lane->compute.models[m]);
  copy_brakes(x);
  copy_message(x);
}

static int probe_offer(void *state, const void *records, uint32_t n) {
  const tf_decision_t *decisions = records;
  (void)state;
  tf_explain_t *x = probe;
  for (uint32_t i = 0; i < n && !x->found; i++) {
    const tf_decision_t *d = &decisions[i];
    x->last_seq            = d->decision_seq;
    if (d->decision_seq == x->wanted_seq) {
      copy_all(x, d);
      tf_engine_stop(x->engine);
    } else if (d->action != TF_ACTION_HOLD) {
      x->actions[x->action_cnt++ % TF_EXPLAIN_ACTIONS_MAX] =
          (tf_explain_action_t){x->engine->runner.lane.instruments[d->instrument_id].market.now_ns,
                                d->instrument_id, d->strategy_id, d->action};
    }
  }
  return (int)n;
}

static size_t probe_state_bytes(const tf_sink_config_t *config) {
  (void)config;
  return 64;
}
static tf_err_t probe_open(void *state, const tf_sink_config_t *config) {
  (void)state;
  (void)config;
  return TF_OK;
}
static tf_err_t probe_flush(void *state, uint64_t now_ns) {
  (void)state;
  (void)now_ns;
  return TF_OK;
}
static tf_err_t probe_close(void *state) {
  (void)state;
  return TF_OK;
}

const tf_sink_t tf_explain_sink = {.name        = "explain",
                                   .help        = "waits for one decision",
                                   .policies    = TF_OVERFLOW_BIT(TF_OVERFLOW_BLOCK),
                                   .policy      = TF_OVERFLOW_BLOCK,
                                   .carries     = 1u << TF_CARRIES_DECISIONS,
                                   .state_bytes = probe_state_bytes,
                                   .open        = probe_open,
                                   .offer       = probe_offer,
                                   .flush       = probe_flush,
                                   .close       = probe_close};

tf_err_t tf_explain_begin(tf_explain_t *x, uint64_t wanted_seq, tf_engine_t *engine,
                          const tf_replay_t *replay) {
  memset(x, 0, sizeof *x);
  x->wanted_seq = wanted_seq;
  x->engine     = engine;
  x->replay     = replay;
  x->actions    = calloc(TF_EXPLAIN_ACTIONS_MAX, sizeof *x->actions);
  probe         = x;
  return x->actions ? TF_OK : TF_ERR(E_CORE_NO_MEMORY, "%u actions", TF_EXPLAIN_ACTIONS_MAX);
}

void tf_explain_end(tf_explain_t *x) {
  free(x->actions);
  x->actions = NULL;
}

/* ---- telling ---------------------------------------------------------------------------------*/

static const char *const action_words[]  = {"HOLD", "BUY", "SELL", "FLAT"};
static const char *const hold_words[]    = {"none",    "rule",     "book",   "cooldown",
                                            "rate",    "conflict", "halted", "warming",
                                            "trading", "model",    "shed"};
static const char *const book_words[]    = {"OK", "SYNCING", "GAP", "STALE", "CROSSED", "NONE"};
static const char *const message_words[] = {"text", "binary", "rest"};
static const char *const rule_op_words[] = {
    [TF_RULE_ADD] = "+",   [TF_RULE_SUB] = "-",  [TF_RULE_MUL] = "*",   [TF_RULE_DIV] = "/",
    [TF_RULE_LT] = "<",    [TF_RULE_LE] = "<=",  [TF_RULE_GT] = ">",    [TF_RULE_GE] = ">=",
    [TF_RULE_EQ] = "==",   [TF_RULE_NE] = "!=",  [TF_RULE_AND] = "and", [TF_RULE_OR] = "or",
    [TF_RULE_MIN] = "min", [TF_RULE_MAX] = "max"};

TF_STATIC_ASSERT(TF_ARRAY_CNT(action_words) == TF_ACTION_CNT &&
                     TF_ARRAY_CNT(hold_words) == TF_HOLD_REASON_CNT &&
                     TF_ARRAY_CNT(book_words) == TF_BOOK_STATE_CNT &&
                     TF_ARRAY_CNT(rule_op_words) == TF_RULE_OP_CNT,
                 "a word for each");

static json_t *integer(uint64_t value) { return json_integer((json_int_t)value); }
static json_t *number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

/* Which side hysteresis keeps open: of a side with an until, by its last action. */
static const char *open_word(const tf_explain_t *x) {
  const tf_policy_config_t *c =
      &x->engine->runner.lane.decide.strategies[x->decision.strategy_id].config;
  if (x->last_action == TF_ACTION_BUY && c->buy_until.step_cnt) return "bought";
  if (x->last_action == TF_ACTION_SELL && c->sell_until.step_cnt) return "sold";
  return "none";
}

static json_t *decision_json(const tf_explain_t *x) {
  const tf_decision_t   *d    = &x->decision;
  const tf_instrument_t *row  = &x->engine->instruments.rows[d->instrument_id];
  json_t                *root = json_object();
  char                   price[TF_DECIMAL_TEXT_BYTES];
  tf_decimal_format(d->ref_price, d->ref_price_exp, price);
  json_object_set_new(root, "decision_seq", integer(d->decision_seq));
  json_object_set_new(root, "action", json_string(action_words[d->action]));
  json_object_set_new(root, "hold_reason", json_string(hold_words[d->hold_reason]));
  json_object_set_new(root, "instrument", json_string(row->name));
  json_object_set_new(root, "strategy",
                      json_string(x->engine->config->strategies[d->strategy_id].name));
  json_object_set_new(root, "ref_price", json_string(price));
  json_object_set_new(root, "route", json_string(tf_decision_json_route(d->route)));
  json_object_set_new(root, "position", number(x->position));
  json_object_set_new(root, "open", json_string(open_word(x)));
  return root;
}

/* Bytes that are no UTF-8 (a binary frame, a corrupt one) are shown as escapes. */
static json_t *message_text(const tf_explain_t *x, uint32_t cnt) {
  json_t *text = json_stringn(x->message, cnt);
  if (text) return text;
  static char escaped[4 * TF_EXPLAIN_MESSAGE_BYTES_MAX + 1];
  size_t      at = 0;
  for (uint32_t i = 0; i < cnt; i++) {
    uint8_t byte = (uint8_t)x->message[i];
    if (byte >= 0x20 && byte < 0x7f)
      escaped[at++] = (char)byte;
    else
      at += (size_t)snprintf(escaped + at, 5, "\\x%02x", byte);
  }
  return json_stringn(escaped, at);
}

/* The event's line as an object. Ids of 64 bits are no integers to every JSON library, to jansson neither:
 * those beyond 63 bits become texts. */
static json_t *event_json(const tf_explain_t *x) {
  char   line[TF_EVENT_TEXT_BYTES_MAX + 1], safe[2 * TF_EVENT_TEXT_BYTES_MAX];
  size_t cnt =
      tf_event_text_json(&x->cause, x->engine->instruments.rows, x->engine->instruments.cnt, line);
  size_t at = 0;
  line[cnt] = '\0';
  for (const char *p = line; *p && at + 48 < sizeof safe;) {
    char              *end;
    unsigned long long value = p > line && p[-1] == ':' ? strtoull(p, &end, 10) : 0;
    if (value > INT64_MAX && *p != '-') {
      at += (size_t)snprintf(safe + at, sizeof safe - at, "\"%llu\"", value);
      p = end;
    } else {
      safe[at++] = *p++;
    }
  }
  json_t     *event = json_loadb(safe, at, 0, NULL);
  const char *word  = x->cause.kind == TF_EVENT_TEXT && x->cause.u.text.miss == TF_TEXT_MISS_NONE
                          ? tf_text_source_label(x->engine->texts, x->cause.u.text.label)
                          : NULL;
  if (word) json_object_set_new(event, "label_name", json_string(word));
  return event;
}

static const char *const end_words[] = {
#define WORD_(id, name) name,
    TF_LEG_ENDS(WORD_)
#undef WORD_
};

static json_t *cause_json(const tf_explain_t *x) {
  json_t *root = json_object();
  json_object_set_new(root, "event", event_json(x));
  if (!x->message_tap) return root;
  uint32_t shown   = x->message_bytes < sizeof x->message ? x->message_bytes : sizeof x->message;
  json_t  *message = json_object();
  json_object_set_new(message, "number", integer(x->message_no));
  static const char *const taps[] = {
      [TF_TAP_CONNECT] = "connect", [TF_TAP_CONTROL] = "command",       [TF_TAP_LOSE] = "lose_book",
      [TF_TAP_STATUS] = "status",   [TF_TAP_DISCONNECT] = "disconnect", [TF_TAP_RETIRE] = "retire",
      [TF_TAP_SYMBOL] = "symbol",   [TF_TAP_WINDOW_END] = "window_end"};
  bool is_frame = x->message_tap == TF_TAP_FRAME;
  json_object_set_new(
      message, "kind",
      json_string(is_frame ? message_words[x->message_kind] : taps[x->message_tap]));
  json_object_set_new(message, "bytes", integer(x->message_bytes));
  if (x->message_tap == TF_TAP_DISCONNECT && x->message_kind < TF_ARRAY_CNT(end_words))
    json_object_set_new(message, "why", json_string(end_words[x->message_kind]));
  if (x->target[0]) json_object_set_new(message, "target", json_string(x->target));
  json_object_set_new(message, "text", message_text(x, shown));
  json_object_set_new(root, "message", message);
  return root;
}

static json_t *book_json(const tf_explain_t *x) {
  const tf_market_t *m    = &x->market;
  json_t            *root = json_object();
  json_object_set_new(root, "state", json_string(book_words[x->decision.book_state]));
  json_object_set_new(root, "venue_seq", integer(x->book_seq));
  json_object_set_new(root, "bid", number(m->bid));
  json_object_set_new(root, "bid_qty", number(m->bid_qty));
  json_object_set_new(root, "ask", number(m->ask));
  json_object_set_new(root, "ask_qty", number(m->ask_qty));
  json_object_set_new(root, "last_trade", number(m->trade_price));
  return root;
}

/* What the label is called whose number feature i is; NULL: it is none. */
static const char *label_word(const tf_explain_t *x, uint32_t i) {
  const bool is_label = strcmp(tf_feature_plan_label(&x->engine->plan, i), "text_label") == 0;
  return is_label && x->row[i] >= 0.0 ? tf_text_source_label(x->engine->texts, (uint32_t)x->row[i])
                                      : NULL;
}

static json_t *features_json(const tf_explain_t *x) {
  const tf_feature_plan_t *plan = &x->engine->plan;
  json_t                  *list = json_array();
  for (uint32_t i = 0; i < plan->feature_cnt; i++) {
    json_t *one = json_object();
    json_object_set_new(one, "feature", json_string(tf_feature_plan_label(plan, i)));
    json_object_set_new(one, "ready", json_boolean(isfinite(x->row[i])));
    json_object_set_new(one, "value", number(x->row[i]));
    const char *word = label_word(x, i);
    if (word) json_object_set_new(one, "label_name", json_string(word));
    json_array_append_new(list, one);
  }
  return list;
}

static json_t *model_json(const tf_explain_t *x) {
  const tf_lane_t *lane = &x->engine->runner.lane;
  uint32_t         idx  = lane->decide.strategies[x->decision.strategy_id].model_idx;
  if (idx == TF_STRATEGY_NO_MODEL) return json_null();
  const tf_model_t *model = x->engine->runner.lane.compute.models[idx].active->model;
  json_t           *root = json_object(), *inputs = json_array(), *outputs = json_array();
  for (uint32_t i = 0; i < model->input_cnt; i++) {
    json_t *one = json_object();
    json_object_set_new(one, "feature", json_string(model->features[i]));
    json_object_set_new(one, "value", number((double)x->model_row[i]));
    json_array_append_new(inputs, one);
  }
  for (uint32_t i = 0; i < model->output_cnt; i++)
    json_array_append_new(outputs, number((double)x->model_out[i]));
  json_object_set_new(root, "name", json_string(model->name));
  json_object_set_new(root, "sha256", json_string(model->sha256_hex));
  json_object_set_new(root, "inputs", inputs);
  json_object_set_new(root, "outputs", outputs);
  return root;
}

/* ---- rules ---- */

#define PART_BYTES 1024

typedef struct part { /* of a rule, as text */
  char text[PART_BYTES];
  bool is_plain; /* needs no parentheses inside another */
} part_t;

static const char *slot_name(const tf_explain_t *x, uint32_t slot_idx) {
  switch (slot_idx) {
#define NAME_(id, name)                                                                            \
  case TF_RULE_SLOT_##id: return name;
    TF_RULE_SLOTS(NAME_)
#undef NAME_
  default: return tf_feature_plan_label(&x->engine->plan, slot_idx - TF_RULE_SLOT_FEATURES);
  }
}

static void part_join(part_t *a, const part_t *b, uint8_t op) {
  char        joined[2 * PART_BYTES + 32];
  const char *word    = rule_op_words[op];
  bool        is_call = op == TF_RULE_MIN || op == TF_RULE_MAX;
  if (is_call)
    snprintf(joined, sizeof joined, "%s(%s, %s)", word, a->text, b->text);
  else
    snprintf(joined, sizeof joined, "%s%s%s %s %s%s%s", a->is_plain ? "" : "(", a->text,
             a->is_plain ? "" : ")", word, b->is_plain ? "" : "(", b->text, b->is_plain ? "" : ")");
  snprintf(a->text, sizeof a->text, "%.*s", PART_BYTES - 1, joined);
  a->is_plain = is_call;
}

static void part_wrap(part_t *a, uint8_t op) {
  char        wrapped[PART_BYTES + 16];
  const char *head = op == TF_RULE_NEG ? "-" : op == TF_RULE_NOT ? "not " : "abs";
  bool        bare = a->is_plain && op != TF_RULE_ABS;
  snprintf(wrapped, sizeof wrapped, "%s%s%s%s", head, bare ? "" : "(", a->text, bare ? "" : ")");
  snprintf(a->text, sizeof a->text, "%.*s", PART_BYTES - 1, wrapped);
  a->is_plain = op == TF_RULE_ABS;
}

static json_t *part_value(uint8_t op, double value) {
  bool is_truth = op == TF_RULE_NOT || (op >= TF_RULE_LT && op <= TF_RULE_OR);
  return is_truth && isfinite(value) ? json_boolean(value != 0) : number(value);
}

/* Each part of the rule that is not a number by itself, in the order of evaluation. */
static json_t *parts_json(const tf_explain_t *x, const tf_rule_t *rule, const double *values) {
  static part_t stack[TF_RULE_DEPTH_MAX];
  uint32_t      top  = 0;
  json_t       *list = json_array();
  for (uint32_t i = 0; i < rule->step_cnt; i++) {
    const tf_rule_step_t *s = &rule->steps[i];
    if (s->op == TF_RULE_CONST) {
      snprintf(stack[top].text, PART_BYTES, "%.9g", s->value);
      stack[top++].is_plain = true;
      continue;
    }
    if (s->op == TF_RULE_NEG && rule->steps[i - 1].op == TF_RULE_CONST) {
      snprintf(stack[top - 1].text, PART_BYTES, "%.9g", values[i]);
      continue;
    }
    if (s->op == TF_RULE_LOAD) {
      snprintf(stack[top].text, PART_BYTES, "%s", slot_name(x, s->slot_idx));
      stack[top++].is_plain = true;
    } else if (s->op <= TF_RULE_ABS) {
      part_wrap(&stack[top - 1], s->op);
    } else {
      top--;
      part_join(&stack[top - 1], &stack[top], s->op);
    }
    json_t *part = json_object();
    json_object_set_new(part, "part", json_string(stack[top - 1].text));
    json_object_set_new(part, "value", part_value(s->op, values[i]));
    json_array_append_new(list, part);
  }
  return list;
}

static json_t *rule_json(const tf_explain_t *x, const char *name, const char *text,
                         const tf_rule_t *rule, const tf_policy_input_t *in) {
  double  values[TF_RULE_OPS_MAX];
  bool    fires = tf_rule_trace(rule, in, values);
  json_t *root  = json_object();
  json_object_set_new(root, "name", json_string(name));
  json_object_set_new(root, "text", json_string(text));
  json_object_set_new(root, "fires", json_boolean(fires));
  json_object_set_new(root, "parts", parts_json(x, rule, values));
  return root;
}

static json_t *rules_json(const tf_explain_t *x) {
  const tf_decision_t        *d  = &x->decision;
  const tf_config_strategy_t *s  = &x->engine->config->strategies[d->strategy_id];
  const tf_policy_config_t   *c  = &x->engine->runner.lane.decide.strategies[d->strategy_id].config;
  tf_policy_input_t           in = {.score      = (double)d->score,
                                    .p10        = (double)d->p10,
                                    .p90        = (double)d->p90,
                                    .position   = x->position,
                                    .alert      = x->alert,
                                    .values     = x->values,
                                    .features   = x->row,
                                    .book_state = d->book_state,
                                    .now_ns     = x->market.now_ns};
  json_t                     *list = json_array();
  if (s->flat) json_array_append_new(list, rule_json(x, "flat", s->flat, &c->flat, &in));
  if (s->buy) json_array_append_new(list, rule_json(x, "buy", s->buy, &c->buy, &in));
  if (s->sell) json_array_append_new(list, rule_json(x, "sell", s->sell, &c->sell, &in));
  if (s->buy_until)
    json_array_append_new(list, rule_json(x, "buy_until", s->buy_until, &c->buy_until, &in));
  if (s->sell_until)
    json_array_append_new(list, rule_json(x, "sell_until", s->sell_until, &c->sell_until, &in));
  return list;
}

/* ---- gates ---- */

static void gate_add(json_t *list, const char *name, bool passed, const char *text) {
  json_t *gate = json_object();
  json_object_set_new(gate, "name", json_string(name));
  json_object_set_new(gate, "passed", json_boolean(passed));
  json_object_set_new(gate, "text", json_string(text));
  json_array_append_new(list, gate);
}

static json_t *gates_json(const tf_explain_t *x) {
  const tf_decision_t      *d = &x->decision;
  const tf_policy_config_t *c = &x->engine->runner.lane.decide.strategies[d->strategy_id].config;
  uint64_t now_ns = x->market.now_ns > x->last_action_ns ? x->market.now_ns : x->last_action_ns;
  uint64_t since  = now_ns - x->last_action_ns;
  json_t  *list   = json_array();
  char     text[256], allowed[96] = "";
  for (uint32_t i = 0; i < TF_BOOK_STATE_CNT; i++)
    if (c->book_states_ok >> i & 1) {
      size_t used = strlen(allowed);
      snprintf(allowed + used, sizeof allowed - used, "%s%s", used ? ", " : "", book_words[i]);
    }
  gate_add(list, "halt", !x->halted, x->halted ? "an operator's halt stands" : "no halt stands");
  snprintf(text, sizeof text, "the book is %s; allowed: %s", book_words[d->book_state], allowed);
  gate_add(list, "book", c->book_states_ok >> d->book_state & 1, text);
  if (!x->last_action_ns)
    snprintf(text, sizeof text, "no action before; %.6g s are wanted",
             (double)c->cooldown_ns / 1e9);
  else
    snprintf(text, sizeof text, "%.9g s since the last action; %.6g s are wanted",
             (double)since / 1e9, (double)c->cooldown_ns / 1e9);
  gate_add(list, "cooldown", !x->last_action_ns || since >= c->cooldown_ns, text);
  if (c->rate_cnt_max)
    snprintf(text, sizeof text, "%u actions within the last %.6g s; fewer than %u are wanted",
             x->rate_cnt, (double)c->rate_window_ns / 1e9, c->rate_cnt_max);
  else
    snprintf(text, sizeof text, "no limit");
  gate_add(list, "rate", !c->rate_cnt_max || x->rate_cnt < c->rate_cnt_max, text);
  return list;
}

json_t *tf_explain_json(const tf_explain_t *x) {
  json_t *root = json_object();
  json_object_set_new(root, "decision", decision_json(x));
  json_object_set_new(root, "cause", cause_json(x));
  json_object_set_new(root, "book", book_json(x));
  json_object_set_new(root, "features", features_json(x));
  json_object_set_new(root, "model", model_json(x));
  json_object_set_new(root, "rules", rules_json(x));
  json_object_set_new(root, "gates", gates_json(x));
  return root;
}

/* ---- for people ---- */

static const char *text_of(const json_t *json, const char *key) {
  const char *text = json_string_value(json_object_get(json, key));
  return text ? text : "";
}

static void print_value(const json_t *value, FILE *out) {
  if (json_is_boolean(value))
    fprintf(out, "%s", json_is_true(value) ? "true" : "false");
  else if (json_is_null(value))
    fprintf(out, "not ready");
  else
    fprintf(out, "%.9g", json_number_value(value));
}

static void print_event(const json_t *event, FILE *out) {
  const char *key;
  json_t     *value;
  fprintf(out, "cause     ");
  json_object_foreach((json_t *)(uintptr_t)event, key, value) {
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    fprintf(out, " %s=%s", key, text ? text : "?");
    free(text);
  }
  fprintf(out, "\n");
}

static void print_pairs(const json_t *list, const char *name, FILE *out) {
  size_t  i;
  json_t *one;
  json_array_foreach((json_t *)(uintptr_t)list, i, one) {
    fprintf(out, "           %-40s ", text_of(one, name));
    print_value(json_object_get(one, "value"), out);
    if (json_object_get(one, "label_name")) fprintf(out, " (%s)", text_of(one, "label_name"));
    fprintf(out, "\n");
  }
}

static void print_model(const json_t *model, FILE *out) {
  if (json_is_null(model)) return;
  size_t  i;
  json_t *value;
  fprintf(out, "model      %s (sha256 %.12s...) of %zu features:", text_of(model, "name"),
          text_of(model, "sha256"), json_array_size(json_object_get(model, "inputs")));
  json_array_foreach(json_object_get(model, "outputs"), i, value) {
    fprintf(out, " ");
    print_value(value, out);
  }
  fprintf(out, "\n");
}

void tf_explain_print(const json_t *json, FILE *out) {
  const json_t *d = json_object_get(json, "decision"), *cause = json_object_get(json, "cause");
  const json_t *book    = json_object_get(json, "book");
  const json_t *message = json_object_get(cause, "message");
  size_t        i;
  json_t       *one;
  fprintf(out, "decision   %lld: %s%s%s of %s by strategy %s, reference price %s\n",
          (long long)json_integer_value(json_object_get(d, "decision_seq")), text_of(d, "action"),
          strcmp(text_of(d, "hold_reason"), "none") ? ", held by " : "",
          strcmp(text_of(d, "hold_reason"), "none") ? text_of(d, "hold_reason") : "",
          text_of(d, "instrument"), text_of(d, "strategy"), text_of(d, "ref_price"));
  if (strcmp(text_of(d, "route"), "primary"))
    fprintf(out, "           its market came by way of the fallback: %s\n", text_of(d, "route"));
  if (strcmp(text_of(d, "open"), "none"))
    fprintf(out, "open       %s: its own condition is not asked until it is closed\n",
            text_of(d, "open"));
  print_event(json_object_get(cause, "event"), out);
  if (message)
    fprintf(
        out, "message    %lld, %s, %lld bytes: %s\n",
        (long long)json_integer_value(json_object_get(message, "number")), text_of(message, "kind"),
        (long long)json_integer_value(json_object_get(message, "bytes")), text_of(message, "text"));
  fprintf(out, "book       %s, bid ", text_of(book, "state"));
  print_value(json_object_get(book, "bid"), out);
  fprintf(out, " x ");
  print_value(json_object_get(book, "bid_qty"), out);
  fprintf(out, ", ask ");
  print_value(json_object_get(book, "ask"), out);
  fprintf(out, " x ");
  print_value(json_object_get(book, "ask_qty"), out);
  fprintf(out, "\nfeatures\n");
  print_pairs(json_object_get(json, "features"), "feature", out);
  print_model(json_object_get(json, "model"), out);
  json_array_foreach(json_object_get(json, "rules"), i, one) {
    fprintf(out, "rule       %s: %s -> %s\n", text_of(one, "name"), text_of(one, "text"),
            json_is_true(json_object_get(one, "fires")) ? "fires" : "does not fire");
    print_pairs(json_object_get(one, "parts"), "part", out);
  }
  json_array_foreach(json_object_get(json, "gates"), i, one) fprintf(
      out, "gate       %-9s %s: %s\n", text_of(one, "name"),
      json_is_true(json_object_get(one, "passed")) ? "open" : "CLOSED", text_of(one, "text"));
  fprintf(out, "result     %s\n", text_of(d, "action"));
}
