#include "flow/ring.h"

#include "core/error.h"

void tf_ring_index_refused_(uint64_t *refused_cnt) { tf_count_add(refused_cnt, 1); }

static bool sizes_are_allowed(uint64_t slot_cnt, uint32_t slot_bytes) {
  return tf_is_pow2(slot_cnt) && slot_cnt <= TF_RING_SLOT_CNT_MAX && slot_bytes >= 8 &&
         slot_bytes % 8 == 0 && slot_bytes <= TF_RING_SLOT_BYTES_MAX;
}

static bool is_aligned(const void *mem) {
  return mem != NULL && (uintptr_t)mem % TF_LINE_PAIR_BYTES == 0;
}

size_t tf_ring_footprint(uint64_t slot_cnt, uint32_t slot_bytes) {
  if (!sizes_are_allowed(slot_cnt, slot_bytes)) return 0;
  /* at most 2^30 * 4096 + 384: no overflow */
  return tf_align_up(sizeof(tf_ring_t) + slot_cnt * slot_bytes, TF_LINE_PAIR_BYTES);
}

tf_ring_t *tf_ring_new(void *mem, uint64_t slot_cnt, uint32_t slot_bytes) {
  return tf_ring_new_at(mem, slot_cnt, slot_bytes, 0);
}

tf_ring_t *tf_ring_new_at(void *mem, uint64_t slot_cnt, uint32_t slot_bytes, uint64_t first_seq) {
  if (!is_aligned(mem)) {
    TF_ERR(E_CORE_ARGUMENT, "ring at %p: memory aligned to %d bytes is needed", mem,
           TF_LINE_PAIR_BYTES);
    return NULL;
  }
  if (!sizes_are_allowed(slot_cnt, slot_bytes)) {
    TF_ERR(E_CORE_ARGUMENT,
           "ring of %llu slots of %u bytes: slots must be a power of two <= %llu, bytes a multiple "
           "of 8 <= %u",
           (unsigned long long)slot_cnt, slot_bytes, (unsigned long long)TF_RING_SLOT_CNT_MAX,
           TF_RING_SLOT_BYTES_MAX);
    return NULL;
  }
  tf_ring_t *ring = mem;
  memset(mem, 0, tf_ring_footprint(slot_cnt, slot_bytes));
  ring->slot_cnt      = slot_cnt;
  ring->slot_bytes    = slot_bytes;
  ring->first_seq     = first_seq;
  ring->published_seq = first_seq;
  ring->consumed_seq  = first_seq;
  tf_store_release(&ring->magic, TF_RING_MAGIC); /* pairs with: tf_ring_join */
  return ring;
}

tf_ring_t *tf_ring_join(void *mem) {
  if (!is_aligned(mem)) {
    TF_ERR(E_SHM_LAYOUT, "ring at %p: memory aligned to %d bytes is needed", mem,
           TF_LINE_PAIR_BYTES);
    return NULL;
  }
  tf_ring_t *ring  = mem;
  uint64_t   magic = tf_load_acquire(&ring->magic); /* pairs with: tf_ring_new_at */
  if (magic != TF_RING_MAGIC) {
    TF_ERR(E_SHM_LAYOUT, "ring at %p: magic %016llx found, %016llx wanted", mem,
           (unsigned long long)magic, (unsigned long long)TF_RING_MAGIC);
    return NULL;
  }
  if (!sizes_are_allowed(ring->slot_cnt, ring->slot_bytes)) {
    TF_ERR(E_SHM_LAYOUT, "ring at %p: %llu slots of %u bytes is no ring that tickfuse makes", mem,
           (unsigned long long)ring->slot_cnt, ring->slot_bytes);
    return NULL;
  }
  return ring;
}

void *tf_ring_leave(tf_ring_t *ring) { return ring; }

void *tf_ring_delete(tf_ring_t *ring) {
  if (tf_ring_join(ring) == NULL) return NULL;
  tf_store_release(&ring->magic, 0); /* pairs with: tf_ring_join */
  return ring;
}

void tf_ring_writer_init(tf_ring_writer_t *writer, tf_ring_t *ring) {
  *writer = (tf_ring_writer_t){
      .next_seq     = tf_load_acquire(&ring->published_seq), /* pairs with: tf_ring_publish */
      .consumed_seq = tf_load_acquire(&ring->consumed_seq),  /* pairs with: tf_ring_release */
      .slot_cnt     = ring->slot_cnt,
      .slots        = (uint8_t *)(ring + 1),
      .ring         = ring,
      .slot_bytes   = ring->slot_bytes,
  };
  /* An impossible index in the ring that we take over: count it, and hold no credit until the
   * consumer's next plausible one. */
  if (writer->next_seq - writer->consumed_seq > writer->slot_cnt) {
    tf_ring_index_refused_(&writer->refused_cnt);
    writer->consumed_seq = writer->next_seq - writer->slot_cnt;
  }
}

void tf_ring_reader_init(tf_ring_reader_t *reader, tf_ring_t *ring) {
  uint64_t consumed = tf_load_acquire(&ring->consumed_seq); /* pairs with: tf_ring_release */
  *reader           = (tf_ring_reader_t){
                .next_seq      = consumed,
                .published_seq = consumed,
                .slot_cnt      = ring->slot_cnt,
                .slots         = (const uint8_t *)(ring + 1),
                .ring          = ring,
                .slot_bytes    = ring->slot_bytes,
  };
}
