/* Several connections of one feed, its legs, as one stream of events: the first to bring something
 * wins. A pure state machine between a feed's decoder and whoever publishes: (leg, frame) and (leg, up,
 * down, retiring) in, events out. A session drives it with sockets, a replay with a capture's records,
 * and both get the same events.
 *
 * Two kinds of venue (tf_feed_t.sequences_are_shared):
 *
 *   shared   A venue sequence or trade id is the instrument's, the same on every connection. One decoder
 *            takes the messages of all legs and drops what it saw; of trades whose ids have no order it
 *            remembers a few, and more are remembered here (trade_set.h). It is told of a connection
 *            (on_connect) when the first leg comes up and when the last one is gone, and of nothing
 *            between: a leg that dies while another is up changes nothing.
 *   own      Sequences are the connection's. Each leg has a decoder. Trades are merged by id over all
 *            (trade_set.h), quotes and tickers by the venue's time (newest.h). Books of an instrument, and
 *            what has no time, come from its owner, one leg. What another leg brought or brings is dropped,
 *            counted in counts->merged.
 *
 *   owner of an instrument (own)
 *     none ----------- any leg has something of it ----------> that leg
 *     leg, it goes --- another is up ------------------------> that one: its decoder loses the book
 *                                                              (lose_book), so GAP until the snapshot
 *                                                              that is asked for in band
 *     leg, it goes --- no other -----------------------------> none; on_connect says SYNCING
 *     leg, retiring -- another leg's snapshot of its book ---> that leg, without a GAP between
 *
 * A leg that comes up beside others owns nothing, so that one that flaps takes nothing with it. It may be
 * ahead of them: its trades, and quotes and tickers with a time, are held back for TF_LEGS_HOLD_NS or TF_LEGS_HELD_TRADES, until the
 * others have passed where it began, so that what it brings is in order with what they brought; a newcomer
 * that goes meanwhile changes nothing of that. When the last of the others goes, the eldest newcomer's are
 * handed on at once; so are they when there is no more room for them.
 *
 * Memory is the caller's; nothing is allocated. One thread. */
#ifndef FEED_LEGS_H
#define FEED_LEGS_H

#include "feed/newest.h"
#include "feed/race.h"
#include "feed/reorder.h"
#include "feed/symbols.h"
#include "feed/trade_set.h"
#include "tf/feed.h"
#include "tf/tap.h"

#define TF_LEGS_MAX  TF_TAP_LEGS_MAX /* four wanted, and one that comes before another goes */
#define TF_LEGS_NONE UINT8_MAX

/* Trades that are told apart (trade_set.h). */
#define TF_LEGS_TRADES 32768u
/* Own: of what a newcomer brings. More than two connections of a venue differ, and room for what comes
 * meanwhile: 4,096 a second. */
#define TF_LEGS_HOLD_NS  TF_NS_PER_SEC
#define TF_LEGS_HELD_MAX 4096u
/* Held no longer than so many trades are published, or the set would have forgotten some that others brought
 * meanwhile: the chance that one bucket of eight got eight of these is 6e-8. */
#define TF_LEGS_HELD_TRADES (TF_LEGS_TRADES / 16)
/* Races under way: 0.8 s of 10,000 messages a second. */
#define TF_LEGS_RACES 8192u

typedef struct tf_legs_handler {
  void *self;
  /* What a leg's own decoder made, before what others brought is left out. NULL: nobody asks; a shared
   * decoder never calls it. */
  void (*on_decoded)(void *self, uint32_t leg, const tf_feed_out_t *out);
  /* Behind each call of a decoder that left something in out: events to publish, in order, and what the
   * feed asks for, which concerns this leg. Takes the requests; the events are forgotten behind it. */
  void (*on_out)(void *self, uint32_t leg, tf_feed_out_t *out);
} tf_legs_handler_t;

typedef struct tf_legs_config {
  const tf_feed_t        *feed;
  const tf_feed_config_t *feed_config;
  uint32_t                leg_cnt; /* 1 .. TF_LEGS_MAX */
  bool                    races;   /* who brings what first is measured */
} tf_legs_config_t;

typedef struct tf_legs_leg {
  void    *state; /* decoder; shared: everybody's */
  bool     is_up, is_retiring;
  uint64_t held_until_ns; /* own: what it brings is held back; 0: no longer */
  uint16_t connection;    /* its number; two that live at a time differ */
  uint32_t owned_cnt;     /* own: instruments */
  uint64_t messages;      /* frames that it brought */
  uint64_t duplicates;    /* messages without anything that another leg had not brought */
} tf_legs_leg_t;

typedef struct tf_legs_row { /* own: of one instrument */
  tf_newest_t  quote, ticker;
  uint64_t     last_message; /* in which it has a LAST again (keep_last) */
  uint8_t      owner;        /* TF_LEGS_NONE */
  bool         has_book;
  tf_listing_t listing; /* as it was told last */
} tf_legs_row_t;

typedef struct tf_legs_held { /* own: an event of a newcomer */
  tf_event_t event;
  tf_frame_t frame;     /* whose, and when it came; its bytes are gone */
  uint64_t   trade_cnt; /* published when it was held */
  bool       is_orphan; /* its connection is gone */
} tf_legs_held_t;

typedef struct tf_legs {
  const tf_feed_t  *feed;
  tf_feed_out_t    *out;
  tf_legs_handler_t handler;
  uint32_t          leg_cnt, up_cnt, retiring_cnt;
  uint16_t          connection_cnt; /* that there were, modulo 65536 */
  tf_legs_leg_t     legs[TF_LEGS_MAX];
  tf_legs_row_t    *rows; /* (instrument_cap); NULL: shared, or one leg only */
  uint32_t          instrument_cap;
  uint64_t          message; /* own: number of the newest */
  tf_legs_held_t   *held;    /* own: (held_cnt), in order of arrival */
  uint32_t          held_cnt, orphan_cnt, newcomer_cnt;
  uint64_t          trade_cnt; /* own: published */
  tf_trade_set_t    trades;    /* own, and shared where ids have no order; else without entries */
  tf_race_t         race;
  tf_reorder_t      reorder;
  bool              races;
} tf_legs_t;

/* Bytes of memory for init, a multiple of 64; 0 when they overflow. */
size_t tf_legs_footprint(const tf_legs_config_t *config);

/* Makes the decoders. memory: tf_legs_footprint bytes, aligned to a line. out: where decoders
 * put events; out->counts must be set. E_CORE_ARGUMENT, or what the feed's init returns. */
tf_err_t tf_legs_init(tf_legs_t *legs, const tf_legs_config_t *config, tf_feed_out_t *out,
                      const tf_legs_handler_t *handler, void *memory);

/* A message that a leg brought. One that was not said to be up counts as up from here on: recordings tell
 * of no connections. */
tf_verdict_t tf_legs_frame(tf_legs_t *legs, uint32_t leg, const tf_frame_t *frame);

/* The leg is up; if it was up already, it is another connection in place of the one before. */
void tf_legs_up(tf_legs_t *legs, uint32_t leg, uint64_t now_ns);

/* It is gone. Nothing if it was not up. */
void tf_legs_down(tf_legs_t *legs, uint32_t leg, uint64_t now_ns);

/* It will go soon: what it owns moves where that costs no gap. */
void tf_legs_retire(tf_legs_t *legs, uint32_t leg);

/* This instrument's book is not to be trusted: the decoder that it comes from loses it. Any id will do. */
void tf_legs_lose(tf_legs_t *legs, uint32_t instrument_id, uint64_t now_ns);

/* Trades have waited for those before them as long as they may (reorder.h), and no message came: they go out with
 * pass_time. */
TF_INLINE bool tf_legs_is_due(const tf_legs_t *legs, uint64_t now_ns) {
  return tf_reorder_is_due(&legs->reorder, now_ns);
}
void tf_legs_pass_time(tf_legs_t *legs, uint64_t now_ns);

/* A symbol that came later, with its number and instrument (tf_feed_t.symbol): the same for each decoder.
 * E_FEED_REFUSED where the feed knows no later ones. */
tf_err_t tf_legs_symbol(tf_legs_t *legs, const char *text, uint32_t *symbol,
                        uint32_t *instrument_id);

/* The leg to which a REST answer belongs that is of no leg: the first that is up, else the first. */
uint32_t tf_legs_first_up(const tf_legs_t *legs);

#endif
