#include "feed/ticket.h"

#include <string.h>

#include "core/error.h"

bool tf_ticket_ask(tf_dial_t *dial, const tf_feed_t *feed, uint32_t ticket_idx,
                   const tf_endpoint_t *rest) {
  if (feed->tickets == NULL || feed->tickets[ticket_idx].target == NULL) return false;
  const tf_feed_post_t *post = &feed->tickets[ticket_idx];
  size_t                cnt  = strlen(post->target);
  TF_ASSERT(cnt < sizeof dial->target); /* a path of the feed's own */
  memcpy(dial->target, post->target, cnt + 1);
  dial->kind      = TF_DIAL_POST;
  dial->endpoint  = rest;
  dial->post_body = post->body;
  return true;
}

tf_frame_t tf_ticket_frame(const tf_dial_t *dial, uint64_t recv_ns) {
  return (tf_frame_t){.bytes     = (const char *)dial->body,
                      .bytes_cnt = (uint32_t)dial->body_cnt,
                      .kind      = TF_FRAME_HTTP,
                      .recv_ns   = recv_ns,
                      .target    = dial->target};
}

static tf_err_t fail(tf_dial_t *dial, tf_err_t err) {
  dial->err   = err;
  dial->phase = TF_DIAL_BODY;
  snprintf(dial->text, sizeof dial->text, "%s", tf_error_text());
  return err;
}

tf_err_t tf_ticket_refuse(tf_dial_t *dial, const tf_feed_t *feed) {
  return fail(dial, TF_ERR(E_FEED_REFUSED, "%s: the answer to POST %s was not understood",
                           feed->venue, dial->target));
}

tf_err_t tf_ticket_use(tf_dial_t *dial, const tf_feed_t *feed, const void *feed_state,
                       const tf_endpoint_t *endpoint, const char *target) {
  size_t cnt, cap = sizeof dial->target;
  if (target != NULL)
    cnt = (size_t)snprintf(dial->target, cap, "%s", target);
  else
    cnt = feed->ws_target(feed_state, dial->target, cap);
  if (cnt == 0 || cnt >= cap)
    return fail(dial, TF_ERR(E_FEED_LIMIT, "%s: a target of %zu bytes, 1 to %zu are allowed",
                             feed->venue, cnt, cap - 1));
  dial->kind     = TF_DIAL_WEBSOCKET;
  dial->endpoint = endpoint;
  return TF_OK;
}
