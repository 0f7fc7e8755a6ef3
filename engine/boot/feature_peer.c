/* Which other instruments the name behind an "@" means. */
#include <string.h>

#include "boot/feature_resolve.h"
#include "core/error.h"
#include "core/nearest.h"
#include "tf/event.h"
#include "tf/instrument.h"

TF_STATIC_ASSERT(TF_FEATURE_PEER_NAME_BYTES == TF_INSTRUMENT_NAME_BYTES &&
                     TF_EXPR_PEER_MAX + 1 == TF_INSTRUMENT_NAME_BYTES,
                 "an instrument's name fits wherever a peer's does");

#define DEFAULT_AGE_NS   (5 * TF_NS_PER_SEC) /* of peers[].max_age, and of its books */
#define DEFAULT_BOOKS_OK (1u << TF_BOOK_OK | 1u << TF_BOOK_NONE)

bool tf_feature_compile_is_instrument(const char *text) {
  const char *dot = strrchr(text, '.'), *star = strchr(text, '*');
  return dot && dot != text && dot[1] != '\0' && (!star || (star == text && dot == text + 1)) &&
         strlen(text) < TF_INSTRUMENT_NAME_BYTES;
}

/* The range of those with this name; its length. */
static uint32_t range_of(const tf_feature_peer_t *peers, uint32_t cnt, const char *name,
                         uint32_t *first) {
  uint32_t i = 0, found = 0;
  while (i < cnt && strcmp(peers[i].name, name) != 0) i++;
  *first = i;
  while (i + found < cnt && strcmp(peers[i + found].name, name) == 0) found++;
  return found;
}

static tf_err_t unknown_peer(const tf_feature_compile_t *c, const tf_expr_t *expr,
                             const tf_expr_node_t *n) {
  const char *known[TF_FEATURE_PLAN_PEERS_MAX];
  size_t      cnt = 0;
  for (uint32_t i = 0; i < c->env.peer_cnt && cnt < TF_FEATURE_PLAN_PEERS_MAX; i++) {
    const char *name = c->env.peers[i].name;
    size_t      len  = strlen(name);
    if (strncmp(n->peer, name, len) == 0 && strchr("-/", n->peer[len]))
      return tf_expr_error(expr, n->peer_at + (uint32_t)len,
                           "\"%c\" is read as part of a peer's name: put a space before it, %s %c",
                           n->peer[len], name, n->peer[len]);
    if (cnt == 0 || strcmp(known[cnt - 1], name) != 0) known[cnt++] = name;
  }
  const char *near = tf_nearest_name(n->peer, known, cnt);
  return tf_expr_error(
      expr, n->peer_at,
      "unknown peer \"%s\"%s%s%s; a peer is a name under peers, or an instrument's "
      "name such as ETHUSDT.BINANCE-SPOT",
      n->peer, near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

tf_err_t tf_feature_peer_find(tf_feature_compile_t *c, const tf_expr_t *expr,
                              const tf_expr_node_t *n, uint32_t *first, uint32_t *cnt) {
  tf_feature_peer_t        own    = {.max_age_ns = DEFAULT_AGE_NS, .books_ok = DEFAULT_BOOKS_OK};
  const tf_feature_peer_t *source = &own;
  uint32_t                 at;
  *cnt = range_of(c->peers, c->peer_cnt, n->peer, first);
  if (*cnt > 0) return TF_OK;
  *cnt = range_of(c->env.peers, c->env.peer_cnt, n->peer, &at);
  if (*cnt > 0) {
    source = &c->env.peers[at];
  } else if (tf_feature_compile_is_instrument(n->peer)) {
    memcpy(own.name, n->peer, sizeof own.name);
    memcpy(own.instrument, n->peer, sizeof own.instrument);
    *cnt = 1;
  } else {
    return unknown_peer(c, expr, n);
  }
  if (c->peer_cnt + *cnt > TF_FEATURE_PLAN_PEERS_MAX)
    return tf_expr_error(expr, n->peer_at, "features read more than %d other instruments",
                         TF_FEATURE_PLAN_PEERS_MAX);
  *first = c->peer_cnt;
  memcpy(&c->peers[*first], source, *cnt * sizeof *source);
  c->peer_cnt += *cnt;
  return TF_OK;
}

void tf_feature_resolve_rewind(tf_feature_compile_t *c, uint32_t node_cnt) {
  c->node_cnt = node_cnt;
  c->peer_cnt = 0;
  for (uint32_t i = 0; i < node_cnt; i++) {
    uint32_t end = c->nodes[i].peer_first + c->nodes[i].peer_cnt;
    if (c->peer_cnt < end) c->peer_cnt = end;
  }
}
