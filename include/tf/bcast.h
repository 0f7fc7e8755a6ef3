/* The broadcast ring: one writer, any number of readers, overwriting. The writer never waits and
 * does not know its readers; a reader that is lapped is told exactly which records it missed. It
 * may lie in a file that readers map read-only, in another process and another language: C and C++
 * read this header, which needs libc alone.
 *
 * Memory: one tf_bcast_t (two line pairs), then slot_cnt slots of slot_words 64-bit words each:
 *
 *     word 0   stamp                       words 1 .. word_cnt   the record
 *
 * slot_words is word_cnt + 1 rounded up to whole cache lines, so neighbouring slots share none.
 * Record s lies in slot s mod slot_cnt. Sequences are compared by difference and may wrap at 2^64.
 *
 * The stamp says what the slot holds. With slot idx = s mod slot_cnt:
 *     s        record s is there, whole
 *     s ^ 1    record s is being written. Its low bits are not idx (slot_cnt >= 2), so it is nobody's
 *              sequence in this slot and yet says whose turn it is.
 *
 * The protocol is a seqlock per slot, correct under the C11 model and not only on x86:
 *     writer                                  reader of s
 *     W1 stamp = s ^ 1        (relaxed)       R1 stamp == s ?         (acquire)
 *     W2 release fence                        R2 words                (relaxed, one by one)
 *     W3 words                (relaxed)       R3 acquire fence
 *     W4 stamp = s            (release)       R4 stamp still s ?      (relaxed)
 * R1 sees W4: the words of s are visible (release/acquire). If R2 sees a word that the writer of the
 * next lap stored in its W3, then its fence W2 synchronises with R3, so R4 sees its W1 or something
 * later and the reader throws the copy away. So a copy that passes R4 is record s, all of it.
 * The words are atomic accesses of their own: no data race, in the standard's terms and in
 * ThreadSanitizer's, which does not see the fences but has nothing to report without them either.
 *
 * A writer that dies between W1 and W4 leaves s ^ 1 behind: readers take it for "not there yet", and
 * the next writer to join writes s again. No lock to be left held (FAULTS.md F41). */
#ifndef TF_BCAST_H
#define TF_BCAST_H

#include <string.h>

#include "tf/atomic.h"

/* Test hooks between the protocol's steps (engine/flow/weave.h); nothing in a product build. */
#ifndef TF_WEAVE
#define TF_WEAVE(point) ((void)0)
#endif

#define TF_BCAST_MAGIC        UINT64_C(0x3174736163626674) /* "tfbcast1", little endian */
#define TF_BCAST_SLOT_CNT_MAX (UINT64_C(1) << 24)
#define TF_BCAST_WORD_CNT_MAX 512u

/* A lapped reader resumes this part of the ring after the oldest record that is left (slot_cnt / 8),
 * because the oldest is about to go too: at the very edge it would be lapped again at once, and
 * report its loss in crumbs. What it gives up so is part of the reported range. */
#define TF_BCAST_RESUME_SHIFT 3

typedef struct tf_bcast {
  /* written by tf_bcast_new only */
  uint64_t magic; /* last to be written, first to be cleared */
  uint64_t slot_cnt;
  uint32_t word_cnt;
  uint32_t slot_words;
  uint64_t first_seq; /* of the first record ever */
  uint8_t  reserved_0[TF_LINE_PAIR_BYTES - 32];
  /* written by the writer */
  uint64_t head_seq; /* of the record that is written next */
  uint8_t  reserved_1[TF_LINE_PAIR_BYTES - 8];
} tf_bcast_t;

TF_STATIC_ASSERT(sizeof(tf_bcast_t) == 2 * TF_LINE_PAIR_BYTES, "layout is a public format");
TF_STATIC_ASSERT(offsetof(tf_bcast_t, first_seq) == 24, "layout is a public format");
TF_STATIC_ASSERT(offsetof(tf_bcast_t, head_seq) == TF_LINE_PAIR_BYTES, "layout is a public format");

/* A record's words as the compiler may see them through any type. */
typedef uint64_t __attribute__((may_alias)) tf_bcast_word_t;

typedef enum tf_bcast_result {
  TF_BCAST_EMPTY   = 0, /* the next record is not there yet */
  TF_BCAST_READ    = 1, /* one record was copied out */
  TF_BCAST_OVERRUN = 2  /* lost_from .. lost_to are gone; the next call goes on behind them */
} tf_bcast_result_t;

/* Private to the writer's thread. */
typedef struct tf_bcast_writer {
  uint64_t    next_seq;
  uint64_t   *slots;
  uint64_t    slot_cnt;
  uint32_t    word_cnt;
  uint32_t    slot_words;
  tf_bcast_t *bcast;
} tf_bcast_writer_t;

/* Private to one reader's thread. Sizes are kept here, checked once: what the shared header says
 * later moves nobody out of bounds. */
typedef struct tf_bcast_reader {
  uint64_t          next_seq; /* of the record that is read next */
  const uint64_t   *slots;
  uint64_t          slot_cnt;
  uint32_t          word_cnt;
  uint32_t          slot_words;
  const tf_bcast_t *bcast;
  uint64_t          first_seq;
  uint64_t          lost_from, lost_to; /* the last overrun, both ends included */
  uint64_t          read_cnt; /* the ledger: written since it joined = read + lost + lag, */
  uint64_t          lost_cnt; /* as long as it does not seek */
} tf_bcast_reader_t;

/* ---- lifetime (control plane) ---- */

TF_INLINE uint32_t tf_bcast_slot_words_(uint32_t word_cnt) {
  return (uint32_t)tf_align_up(word_cnt + 1, TF_LINE_BYTES / 8);
}

/* Bytes of memory for a ring of slot_cnt records (a power of two in 2 .. TF_BCAST_SLOT_CNT_MAX) of
 * word_cnt 64-bit words (1 .. TF_BCAST_WORD_CNT_MAX); 0 if that is not what is asked. */
TF_INLINE uint64_t tf_bcast_footprint(uint64_t slot_cnt, uint32_t word_cnt) {
  if (!tf_is_pow2(slot_cnt) || slot_cnt < 2 || slot_cnt > TF_BCAST_SLOT_CNT_MAX) return 0;
  if (word_cnt < 1 || word_cnt > TF_BCAST_WORD_CNT_MAX) return 0;
  return sizeof(tf_bcast_t) + slot_cnt * tf_bcast_slot_words_(word_cnt) * 8;
}

/* Makes an empty ring in mem (TF_LINE_PAIR_BYTES aligned, tf_bcast_footprint bytes), whose first
 * record will have first_seq. NULL, with nothing changed, for arguments outside those ranges. */
static inline tf_bcast_t *tf_bcast_new(void *mem, uint64_t slot_cnt, uint32_t word_cnt,
                                       uint64_t first_seq) {
  if (mem == NULL || (uintptr_t)mem % TF_LINE_PAIR_BYTES != 0) return NULL;
  if (tf_bcast_footprint(slot_cnt, word_cnt) == 0) return NULL;
  tf_bcast_t *bcast = (tf_bcast_t *)mem;
  memset(mem, 0, (size_t)tf_bcast_footprint(slot_cnt, word_cnt));
  bcast->slot_cnt   = slot_cnt;
  bcast->word_cnt   = word_cnt;
  bcast->slot_words = tf_bcast_slot_words_(word_cnt);
  bcast->first_seq  = first_seq;
  bcast->head_seq   = first_seq;
  /* An empty slot looks as if the record one lap before its first were half written. */
  uint64_t *slots = (uint64_t *)(bcast + 1);
  for (uint64_t i = 0; i < slot_cnt; i++) {
    uint64_t seq                                      = first_seq - slot_cnt + i;
    slots[(seq & (slot_cnt - 1)) * bcast->slot_words] = seq ^ 1;
  }
  tf_store_release(&bcast->magic, TF_BCAST_MAGIC); /* pairs with: tf_bcast_refusal_ */
  return bcast;
}

/* Ends the ring; nobody may join it afterwards, those who have may go on reading. */
static inline void tf_bcast_delete(tf_bcast_t *bcast) {
  tf_store_release(&bcast->magic, 0); /* pairs with: tf_bcast_refusal_ */
}

/* Why this memory is not a ring of records of word_cnt words, or NULL if it is one; sizes receives a
 * copy of its header, the only one that the caller may rely on. */
static inline const char *tf_bcast_refusal_(const void *mem, uint64_t mem_bytes, uint32_t word_cnt,
                                            tf_bcast_t *sizes) {
  if (mem == NULL || (uintptr_t)mem % TF_LINE_PAIR_BYTES != 0) return "ring memory is misaligned";
  if (mem_bytes < sizeof(tf_bcast_t)) return "ring memory is cut short in its header";
  const tf_bcast_t *bcast = (const tf_bcast_t *)mem;
  sizes->magic            = tf_load_acquire(&bcast->magic); /* pairs with: tf_bcast_new */
  /* relaxed: constant since the magic was written, loaded once so that no check can be undone */
  sizes->slot_cnt   = tf_load_relaxed(&bcast->slot_cnt);
  sizes->word_cnt   = tf_load_relaxed_u32(&bcast->word_cnt);   /* relaxed: constant */
  sizes->slot_words = tf_load_relaxed_u32(&bcast->slot_words); /* relaxed: constant */
  sizes->first_seq  = tf_load_relaxed(&bcast->first_seq);      /* relaxed: constant */
  if (sizes->magic != TF_BCAST_MAGIC) return "ring has the wrong magic";
  uint64_t bytes = tf_bcast_footprint(sizes->slot_cnt, sizes->word_cnt);
  if (bytes == 0) return "ring has a slot count or record size that is not allowed";
  if (sizes->word_cnt != word_cnt) return "ring holds records of another size";
  if (sizes->slot_words != tf_bcast_slot_words_(word_cnt)) return "ring has another slot layout";
  if (bytes > mem_bytes) return "ring memory is cut short in its slots";
  return NULL;
}

/* Joins as the writer: there is at most one, which the caller sees to. Goes on after the last whole
 * record. Returns NULL, or in words why the memory is refused. */
static inline const char *tf_bcast_writer_join(tf_bcast_writer_t *w, void *mem, uint64_t mem_bytes,
                                               uint32_t word_cnt) {
  tf_bcast_t  sizes;
  const char *why = tf_bcast_refusal_(mem, mem_bytes, word_cnt, &sizes);
  if (why != NULL) return why;
  w->bcast      = (tf_bcast_t *)mem;
  w->slots      = (uint64_t *)(w->bcast + 1);
  w->slot_cnt   = sizes.slot_cnt;
  w->word_cnt   = sizes.word_cnt;
  w->slot_words = sizes.slot_words;
  w->next_seq   = tf_load_acquire(&w->bcast->head_seq); /* pairs with: tf_bcast_write */
  /* A predecessor may have died after stamping a record and before moving the head. One at most, but
   * a stamp costs nothing to look at. */
  const uint64_t *slot = w->slots + (w->next_seq & (w->slot_cnt - 1)) * w->slot_words;
  if (tf_load_acquire(slot) == w->next_seq) w->next_seq++; /* pairs with: tf_bcast_write */
  return NULL;
}

/* Joins as a reader, at the tail: the next record that is written. Returns NULL, or in words why the
 * memory is refused. */
static inline const char *tf_bcast_reader_join(tf_bcast_reader_t *r, const void *mem,
                                               uint64_t mem_bytes, uint32_t word_cnt) {
  tf_bcast_t  sizes;
  const char *why = tf_bcast_refusal_(mem, mem_bytes, word_cnt, &sizes);
  if (why != NULL) return why;
  memset(r, 0, sizeof *r);
  r->bcast      = (const tf_bcast_t *)mem;
  r->slots      = (const uint64_t *)(r->bcast + 1);
  r->slot_cnt   = sizes.slot_cnt;
  r->word_cnt   = sizes.word_cnt;
  r->slot_words = sizes.slot_words;
  r->first_seq  = sizes.first_seq;
  r->next_seq   = tf_load_acquire(&r->bcast->head_seq); /* pairs with: tf_bcast_write */
  return NULL;
}

/* ---- the writer: one thread ---- */

/* Publishes one record of word_cnt 64-bit words (the ring's own; pass a constant and the copy
 * unrolls). Wait-free; never fails. */
TF_INLINE void tf_bcast_write(tf_bcast_writer_t *w, const void *record, uint32_t word_cnt) {
  TF_ASSERT(word_cnt == w->word_cnt);
  const uint64_t         seq   = w->next_seq;
  uint64_t              *slot  = w->slots + (seq & (w->slot_cnt - 1)) * w->slot_words;
  const tf_bcast_word_t *words = (const tf_bcast_word_t *)record;

  TF_WEAVE("bcast:before_busy");
  tf_store_relaxed(slot, seq ^ 1); /* relaxed: W1, the fence below orders it before the words */
  TF_WEAVE("bcast:busy");
  /* Whoever sees a word of this record sees that the slot is busy. */
  tf_fence_release(); /* W2, pairs with: the acquire fence of tf_bcast_read */
  for (uint32_t i = 0; i < word_cnt; i++) {
    uint64_t word = words[i];
    tf_words_to_shared(slot + 1 + i, &word, 1); /* W3 */
    TF_WEAVE("bcast:word_stored");
  }
  tf_store_release(slot, seq); /* W4, pairs with: tf_bcast_read, its first load */
  TF_WEAVE("bcast:stamped");
  w->next_seq = seq + 1;
  /* A line of its own: readers look at it when they seek or were lapped, never per record. */
  tf_store_release(&w->bcast->head_seq, seq + 1); /* pairs with: tf_bcast_seek_tail, _miss_ */
  TF_WEAVE("bcast:headed");
}

/* ---- readers: one thread a handle ---- */

/* The record that the reader wants is not in its slot, whose stamp is given: not yet, or no more. */
__attribute__((cold)) static inline tf_bcast_result_t tf_bcast_miss_(tf_bcast_reader_t *r,
                                                                     uint64_t           stamp) {
  const uint64_t want  = r->next_seq;
  const uint64_t mask  = r->slot_cnt - 1;
  uint64_t       begun = (stamp & mask) == (want & mask) ? stamp : stamp ^ 1;
  /* In our slot a later record is a whole number of laps ahead; anything nearer was never written by
   * our writer, and moving by it could take us backwards. */
  if ((int64_t)(begun - want) < (int64_t)r->slot_cnt) return TF_BCAST_EMPTY;
  /* Record begun is a lap or more ahead of ours. The head may not be visible to us as
   * far as the stamp was: take the later. */
  uint64_t newest = tf_load_acquire(&r->bcast->head_seq); /* pairs with: tf_bcast_write */
  if ((int64_t)(begun - want) > (int64_t)(newest - want)) newest = begun;
  /* newest's own slot may be busy, so the oldest record that is left is this one. */
  uint64_t oldest = newest - r->slot_cnt + 1;
  r->lost_from    = want;
  r->next_seq     = oldest + (r->slot_cnt >> TF_BCAST_RESUME_SHIFT);
  r->lost_to      = r->next_seq - 1;
  r->lost_cnt += r->next_seq - want;
  return TF_BCAST_OVERRUN;
}

/* The next record, copied to record (word_cnt words, the ring's own; pass a constant). Wait-free.
 * Unless it returns TF_BCAST_READ the content of record is undefined. After TF_BCAST_OVERRUN,
 * lost_from and lost_to of the reader say which sequences will never come. */
TF_INLINE tf_bcast_result_t tf_bcast_read(tf_bcast_reader_t *r, void *record, uint32_t word_cnt) {
  TF_ASSERT(word_cnt == r->word_cnt);
  const uint64_t   want  = r->next_seq;
  const uint64_t  *slot  = r->slots + (want & (r->slot_cnt - 1)) * r->slot_words;
  tf_bcast_word_t *words = (tf_bcast_word_t *)record;

  TF_WEAVE("bcast:before_stamp");
  uint64_t stamp = tf_load_acquire(slot); /* R1, pairs with: tf_bcast_write, its last stamp */
  TF_WEAVE("bcast:stamp_loaded");
  if (TF_UNLIKELY(stamp != want)) return tf_bcast_miss_(r, stamp);
  for (uint32_t i = 0; i < word_cnt; i++) {
    uint64_t word;
    tf_words_from_shared(&word, slot + 1 + i, 1); /* R2 */
    words[i] = word;
    TF_WEAVE("bcast:word_loaded");
  }
  tf_fence_acquire();            /* R3, pairs with: the release fence of tf_bcast_write */
  stamp = tf_load_relaxed(slot); /* relaxed: R4, the fence above orders it after the words */
  TF_WEAVE("bcast:stamp_checked");
  if (TF_UNLIKELY(stamp != want)) return tf_bcast_miss_(r, stamp);
  r->next_seq = want + 1;
  r->read_cnt++;
  return TF_BCAST_READ;
}

/* Records written and not yet read, overwritten ones included. */
TF_INLINE uint64_t tf_bcast_lag_cnt(const tf_bcast_reader_t *r) {
  uint64_t head = tf_load_acquire(&r->bcast->head_seq); /* pairs with: tf_bcast_write */
  /* The stamp of a record is visible before the head: a reader may be one ahead of it. */
  return (int64_t)(head - r->next_seq) > 0 ? head - r->next_seq : 0;
}

/* Moves to the next record that will be written. What is skipped is not reported as lost. */
TF_INLINE void tf_bcast_seek_tail(tf_bcast_reader_t *r) {
  r->next_seq = tf_load_acquire(&r->bcast->head_seq); /* pairs with: tf_bcast_write */
}

/* Moves to the oldest record that is surely there: slot_cnt - 1 back, since the slot of the oldest
 * of all may be busy, or the first ever. */
TF_INLINE void tf_bcast_seek_oldest(tf_bcast_reader_t *r) {
  uint64_t head    = tf_load_acquire(&r->bcast->head_seq); /* pairs with: tf_bcast_write */
  uint64_t written = head - r->first_seq;
  r->next_seq      = written < r->slot_cnt ? r->first_seq : head - r->slot_cnt + 1;
}

#endif
