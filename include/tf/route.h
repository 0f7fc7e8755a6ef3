/* Routes: the connections that can bring one feed's events: its own, and those that stand in for it while it
 * is down (config: fallback). At any time one of them serves; the others' events are held back, decoded but not
 * published. Which one serves is told in the stream itself, by a CONTROL event for each instrument
 * (TF_CONTROL_ROUTE), so that it has its place among the events, is on every decision, and a replay
 * of a capture switches at the very same event.
 *
 * The filter is what live (adapters/feed/fallback.h) and replay (adapters/file/replay.h) share: one a
 * source, changed by those events alone. */
#ifndef TF_ROUTE_H
#define TF_ROUTE_H

#include "tf/event.h"

typedef enum tf_route_kind {
  TF_ROUTE_PRIMARY  = 0, /* the feed's own */
  TF_ROUTE_ENDPOINT = 1, /* another host of the same venue */
  TF_ROUTE_VENUE    = 2, /* another venue's instrument under our name */
  TF_ROUTE_TAPE     = 3, /* a tape or a capture: not the market of now */
  TF_ROUTE_KIND_CNT
} tf_route_kind_t;

#define TF_ROUTE_NONE UINT32_MAX

/* What a decision carries: the kind above, the place in the chain below; 0 is the feed's own. */
TF_INLINE uint8_t tf_route_byte(tf_route_kind_t kind, uint32_t place) {
  return (uint8_t)(kind << 4 | (place & 0xF));
}

/* A CONTROL event of command TF_CONTROL_ROUTE, in u.control:
 *   instrument_id  ours, whose route it is; TF_ROUTE_NONE: none, off alone is said
 *   position       the route's byte
 *   reserved[0]    low half: the source that serves from here on, high half: the one that no longer
 *                  does; numbers of the capture's feeds, TF_ROUTE_NONE for none
 *   reserved[1]    the instrument's id as the serving source has it; TF_ROUTE_NONE: the same */
TF_INLINE tf_event_t tf_route_event(uint64_t now_ns, uint32_t ours, uint8_t byte, uint32_t on,
                                    uint32_t off, uint32_t theirs) {
  tf_event_t e = {
      .ts_recv_ns = now_ns, .instrument_id = ours, .kind = TF_EVENT_CONTROL, .flags = TF_FLAG_LAST};
  e.u.control.command     = TF_CONTROL_ROUTE;
  e.u.control.position    = byte;
  e.u.control.reserved[0] = (uint64_t)off << 32 | on;
  e.u.control.reserved[1] = theirs;
  return e;
}

typedef struct tf_route_filter {
  bool      is_silent; /* another route serves */
  bool      is_mapped; /* ids are translated; what is not in the map is held back */
  uint32_t  map_cap;
  uint32_t *map; /* (map_cap), by the source's id: ours, or TF_ROUTE_NONE */
} tf_route_filter_t;

TF_INLINE void tf_route_map(tf_route_filter_t *f, uint32_t theirs, uint32_t ours) {
  if (theirs >= f->map_cap) return;
  if (!f->is_mapped)
    for (uint32_t i = 0; i < f->map_cap; i++) f->map[i] = TF_ROUTE_NONE;
  f->is_mapped   = true;
  f->map[theirs] = ours;
}

/* What a ROUTE event means for filters[filter_cnt], one a source. */
TF_INLINE void tf_route_obey(tf_route_filter_t *filters, uint32_t filter_cnt, const tf_event_t *e) {
  uint32_t on     = (uint32_t)e->u.control.reserved[0],
           off    = (uint32_t)(e->u.control.reserved[0] >> 32);
  uint32_t theirs = (uint32_t)e->u.control.reserved[1];
  if (off < filter_cnt) filters[off].is_silent = true;
  if (on >= filter_cnt) return;
  filters[on].is_silent = false;
  if (theirs != TF_ROUTE_NONE) tf_route_map(&filters[on], theirs, e->instrument_id);
}

/* Copies what the source may publish to kept, which has room for cnt and may be events itself; returns how
 * many that is. The rest is held back. */
TF_INLINE uint32_t tf_route_pass(const tf_route_filter_t *f, const tf_event_t *events, uint32_t cnt,
                                 tf_event_t *kept) {
  uint32_t kept_cnt = 0;
  for (uint32_t i = 0; i < cnt && !f->is_silent; i++) {
    uint32_t id = events[i].instrument_id;
    if (f->is_mapped) id = id < f->map_cap ? f->map[id] : TF_ROUTE_NONE;
    if (id == TF_ROUTE_NONE) continue;
    kept[kept_cnt]                 = events[i];
    kept[kept_cnt++].instrument_id = id;
  }
  return kept_cnt;
}

#endif
