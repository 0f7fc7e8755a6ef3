#include "boot/chain.h"

#include <string.h>

TF_STATIC_ASSERT(TF_ARRAY_CNT(((tf_config_t *)0)->models) <= 32, "a bit for each model");

#define DIGITS_MAX 5

/* The number that ends at *end, which then stands before it. False: there is none, or it is too long. */
static bool read_back(const char *text, size_t *end, uint32_t *number) {
  uint32_t digits = 0, place = 1;
  *number = 0;
  while (*end > 0 && text[*end - 1] >= '0' && text[*end - 1] <= '9' && digits <= DIGITS_MAX) {
    *number += (uint32_t)(text[--*end] - '0') * place;
    place *= 10;
    digits++;
  }
  return digits > 0 && digits <= DIGITS_MAX;
}

/* A model's name may have dots and digits of its own, so the text is read from its end. */
bool tf_chain_parse(const char *text, tf_chain_output_t *o) {
  static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
  size_t            end       = strlen(text);
  if (!read_back(text, &end, &o->last)) return false;
  o->first = o->last;
  if (end > 2 && text[end - 1] == '.' && text[end - 2] == '.') {
    end -= 2;
    if (!read_back(text, &end, &o->first)) return false;
  }
  if (end < 2 || text[end - 1] != '.' || end > sizeof o->model) return false;
  bool is_letter = (text[0] | 0x20) >= 'a' && (text[0] | 0x20) <= 'z';
  if ((!is_letter && text[0] != '_') || strspn(text, allowed) < end) return false;
  memcpy(o->model, text, end - 1);
  o->model[end - 1] = '\0';
  return true;
}

const char *tf_chain_check_output(const tf_chain_output_t *o) {
  if (o->last < o->first) return "the range goes backwards; write it the other way round";
  if (o->last >= TF_MODEL_OUTPUTS_MAX) return "outputs are numbered from 0 to 255";
  return NULL;
}
TF_STATIC_ASSERT(TF_MODEL_OUTPUTS_MAX == 256, "the text above says 255");

uint32_t tf_chain_find(const tf_config_t *c, const char *name) {
  for (uint32_t i = 0; i < c->model_cnt; i++)
    if (c->models[i].name && strcmp(c->models[i].name, name) == 0) return i;
  return TF_CHAIN_NONE;
}

static uint32_t bit_of(const tf_config_t *c, const char *name) {
  uint32_t idx = tf_chain_find(c, name);
  return idx == TF_CHAIN_NONE ? 0 : UINT32_C(1) << idx;
}

static uint32_t bit_of_input(const tf_config_t *c, const char *text) {
  tf_chain_output_t output;
  return tf_chain_parse(text, &output) ? bit_of(c, output.model) : 0;
}

uint32_t tf_chain_needs(const tf_config_t *c, const tf_model_t *const *models, uint32_t model_idx) {
  const tf_config_model_t *m     = &c->models[model_idx];
  uint32_t                 needs = m->fallback ? bit_of(c, m->fallback) : 0;
  for (uint32_t i = 0; i < m->ensemble.item_cnt; i++) needs |= bit_of(c, m->ensemble.items[i]);
  for (uint32_t i = 0; i < m->inputs.item_cnt; i++) needs |= bit_of_input(c, m->inputs.items[i]);
  const tf_model_t *loaded = models ? models[model_idx] : NULL;
  for (uint32_t i = 0; loaded && m->inputs.item_cnt == 0 && i < loaded->input_cnt; i++)
    needs |= bit_of_input(c, loaded->features[i]);
  return needs;
}

/* What a higher one waits for is of its wave. */
static void raise_waves(const tf_config_t *c, const uint32_t *needs, uint8_t *waves) {
  for (uint32_t i = 0; i < c->model_cnt; i++) waves[i] = c->models[i].priority;
  for (uint32_t round = 0; round < c->model_cnt; round++)
    for (uint32_t i = 0; i < c->model_cnt; i++)
      for (uint32_t left = needs[i]; left; left &= left - 1) {
        uint32_t source = (uint32_t)__builtin_ctz(left);
        if (waves[source] > waves[i]) waves[source] = waves[i];
      }
}

/* The next of the order; model_cnt: none of those left can be. */
static uint32_t next_of(const tf_config_t *c, const uint32_t *needs, const uint8_t *waves,
                        uint32_t placed) {
  uint32_t next = c->model_cnt;
  for (uint32_t i = 0; i < c->model_cnt; i++) {
    if (placed >> i & 1 || needs[i] & ~placed) continue;
    if (next == c->model_cnt || waves[i] < waves[next]) next = i;
  }
  return next;
}

bool tf_chain_order(const tf_config_t *c, const tf_model_t *const *models, uint32_t *order,
                    uint8_t *waves, uint32_t *stuck) {
  uint32_t needs[TF_ARRAY_CNT(c->models)], placed = 0, cnt = 0;
  uint8_t  own[TF_ARRAY_CNT(c->models)];
  if (!waves) waves = own;
  for (uint32_t i = 0; i < c->model_cnt; i++) needs[i] = tf_chain_needs(c, models, i);
  raise_waves(c, needs, waves);
  for (uint32_t i; (i = next_of(c, needs, waves, placed)) < c->model_cnt; cnt++) {
    placed |= UINT32_C(1) << i;
    order[cnt] = i;
  }
  /* Of what is left each waits for another that is left: following that leads into a circle. */
  *stuck = 0;
  while (cnt < c->model_cnt && placed >> *stuck & 1) ++*stuck;
  for (uint32_t step = 0; cnt < c->model_cnt && step < c->model_cnt; step++)
    *stuck = (uint32_t)__builtin_ctz(needs[*stuck] & ~placed);
  return cnt == c->model_cnt;
}

static bool is_low(const tf_config_t *c, uint32_t idx) {
  return c->models[idx].priority == TF_CONFIG_PRIORITY_LOW;
}

/* Members that are never shed are enough. */
static bool does_without(const tf_config_t *c, uint32_t reader) {
  const tf_config_model_t *m    = &c->models[reader];
  uint32_t                 sure = 0;
  if (m->ensemble.item_cnt == 0) return false;
  for (uint32_t i = 0; i < m->ensemble.item_cnt; i++) {
    uint32_t member = tf_chain_find(c, m->ensemble.items[i]);
    sure += member != TF_CHAIN_NONE && !is_low(c, member);
  }
  return sure >= (m->quorum ? m->quorum : m->ensemble.item_cnt);
}

bool tf_chain_starves(const tf_config_t *c, const tf_model_t *const *models, uint32_t *source,
                      uint32_t *reader) {
  for (*reader = 0; *reader < c->model_cnt; ++*reader) {
    if (is_low(c, *reader) || does_without(c, *reader)) continue;
    for (uint32_t left = tf_chain_needs(c, models, *reader); left; left &= left - 1) {
      *source = (uint32_t)__builtin_ctz(left);
      if (is_low(c, *source)) return true;
    }
  }
  return false;
}
