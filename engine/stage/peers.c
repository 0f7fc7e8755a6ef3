#include "stage/peers.h"

#include <string.h>

size_t tf_peers_bytes(uint32_t peer_cnt) {
  return peer_cnt * (sizeof(tf_lane_link_t) + sizeof(tf_peer_t)) + 2 * (size_t)TF_LINE_BYTES;
}

tf_err_t tf_peers_init_instrument(tf_lane_instrument_t *in, uint32_t peer_cnt, tf_arena_t *arena) {
  if (peer_cnt == 0) return TF_OK;
  in->links = tf_arena_take(arena, peer_cnt * sizeof *in->links, TF_LINE_BYTES);
  in->peers = tf_arena_take(arena, peer_cnt * sizeof *in->peers, TF_LINE_BYTES);
  if (!in->links || !in->peers) return E_CORE_ARENA_FULL;
  for (uint32_t i = 0; i < peer_cnt; i++) {
    in->links[i] = (tf_lane_link_t){.reader = in, .peer_idx = i};
    in->peers[i] = (tf_peer_t){.age_ns = UINT64_MAX};
  }
  in->market.peers = in->peers;
  return TF_OK;
}

/* "*.BINANCE-USDM" is the reader's own symbol there. */
static bool is_meant(const tf_feature_peer_t *peer, const char *reader, const char *source) {
  if (peer->instrument[0] != '*') return strcmp(peer->instrument, source) == 0;
  const char *venue = strrchr(source, '.'), *own = strrchr(reader, '.');
  if (!venue || !own || strcmp(venue, peer->instrument + 1) != 0) return false;
  return venue - source == own - reader && memcmp(source, reader, (size_t)(own - reader)) == 0;
}

static void bind(const tf_feature_plan_t *plan, const tf_instrument_t *names,
                 tf_lane_instrument_t *reader, tf_lane_instrument_t *source) {
  for (uint32_t i = 0; i < plan->peer_cnt; i++) {
    tf_lane_link_t *link = &reader->links[i];
    if (link->source || !is_meant(&plan->peers[i], names[reader->id].name, names[source->id].name))
      continue;
    link->source = source;
    if (source->readers_last)
      source->readers_last->next = link;
    else
      source->readers = link;
    source->readers_last = link;
  }
}

void tf_peers_meet(const tf_feature_plan_t *plan, const tf_instrument_t *names,
                   tf_lane_instrument_t **met, tf_lane_instrument_t *in) {
  if (plan->peer_cnt == 0 || in->has_met) return;
  in->has_met = true;
  in->met     = *met;
  *met        = in;
  for (tf_lane_instrument_t *other = in; other; other = other->met) {
    bind(plan, names, in, other);
    if (other != in) bind(plan, names, other, in);
  }
}

/* ---- as bytes ---- */

typedef struct seen {
  uint64_t age_ns, good_until_ns;
  uint32_t has_market, has_values;
} seen_t;

void tf_peers_walk(tf_lane_instrument_t *in, uint32_t peer_cnt, tf_walk_t *w) {
  for (uint32_t i = 0; i < peer_cnt; i++) {
    tf_peer_t *view = &in->peers[i];
    seen_t seen = {view->age_ns, view->good_until_ns, view->market != NULL, view->values != NULL};
    tf_walk(w, &seen, sizeof seen);
    const tf_lane_instrument_t *source = in->links[i].source;
    if (w->way != TF_WALK_LOAD) continue;
    w->is_short |= !source && (seen.has_market || seen.has_values);
    *view        = (tf_peer_t){.age_ns = seen.age_ns, .good_until_ns = seen.good_until_ns};
    view->market = source && seen.has_market ? &source->market : NULL;
    view->values = source && seen.has_values ? source->features : NULL;
  }
}

/* The chain has the newest first, and so have the bytes; they are bound oldest first. */
static void meet_again(const tf_feature_plan_t *plan, const tf_instrument_t *names,
                       tf_lane_instrument_t *instruments, uint32_t instrument_cnt,
                       tf_lane_instrument_t **met, uint32_t cnt, tf_walk_t *w) {
  const uint8_t *ids = w->from;
  w->is_short |= cnt > instrument_cnt || cnt * sizeof(uint32_t) > w->left;
  if (w->is_short) return;
  for (uint32_t i = cnt; i-- > 0;) {
    uint32_t id;
    memcpy(&id, ids + i * sizeof id, sizeof id);
    w->is_short |= id >= instrument_cnt;
    if (id < instrument_cnt) tf_peers_meet(plan, names, met, &instruments[id]);
  }
  w->from += cnt * sizeof(uint32_t);
  w->left -= cnt * sizeof(uint32_t);
}

void tf_peers_walk_met(const tf_feature_plan_t *plan, const tf_instrument_t *names,
                       tf_lane_instrument_t *instruments, uint32_t instrument_cnt,
                       tf_lane_instrument_t **met, tf_walk_t *w) {
  uint32_t cnt = 0;
  for (const tf_lane_instrument_t *in = *met; in; in = in->met) cnt++;
  tf_walk(w, &cnt, sizeof cnt);
  if (w->way == TF_WALK_LOAD) meet_again(plan, names, instruments, instrument_cnt, met, cnt, w);
  if (w->way == TF_WALK_COUNT) tf_walk(w, NULL, instrument_cnt * sizeof(uint32_t));
  if (w->way != TF_WALK_SAVE) return;
  for (tf_lane_instrument_t *in = *met; in; in = in->met) tf_walk(w, &in->id, sizeof in->id);
}
