#include "file/tape_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "core/hash.h"

/* ---- the file --------------------------------------------------------------------------------*/

/* How many of bytes_cnt bytes there are at offset; 0 also when reading fails: then they are lost. */
static size_t read_at(const tf_tape_reader_t *r, void *target, size_t bytes_cnt, uint64_t offset) {
  size_t have = 0;
  while (have < bytes_cnt) {
    ssize_t n = pread(r->fd, (uint8_t *)target + have, bytes_cnt - have, (off_t)(offset + have));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    have += (size_t)n;
  }
  return have;
}

TF_COLD static void note_loss(tf_tape_reader_t *r, uint64_t offset, uint64_t bytes,
                              const char *what) {
  if (r->loss_cnt < TF_TAPE_LOSSES_MAX) {
    tf_tape_loss_t *loss = &r->losses[r->loss_cnt];
    *loss                = (tf_tape_loss_t){.offset = offset, .bytes = bytes};
    snprintf(loss->what, sizeof loss->what, "%s", what);
  }
  r->loss_cnt++;
  r->lost_bytes += bytes;
}

/* ---- blocks ----------------------------------------------------------------------------------*/

static const char *why_not_opened(tf_tape_reader_t *r, const tf_tape_entry_t *entry) {
  tf_tape_block_header_t *header = &r->header;
  if (read_at(r, header, sizeof *header, entry->offset) != sizeof *header)
    return "the file has become shorter";
  if (!tf_tape_block_header_valid(header) || header->kind != entry->kind ||
      header->record_cnt != entry->record_cnt || header->first_idx != entry->first_idx ||
      header->first_seq != entry->first_seq || header->payload_bytes > r->payload_cap)
    return "a block's header fails its checksum or is not the one in the index";
  if (read_at(r, r->payload, header->payload_bytes, entry->offset + sizeof *header) !=
      header->payload_bytes)
    return "the file has become shorter";
  if (tf_crc32c(0, r->payload, header->payload_bytes) != header->payload_crc)
    return "a block's payload fails its checksum";
  return NULL;
}

tf_err_t tf_tape_reader_open(tf_tape_reader_t *r, uint64_t block_idx) {
  TF_ASSERT(block_idx < r->block_cnt);
  const tf_tape_entry_t *entry = &r->blocks[block_idx];
  const char            *why   = why_not_opened(r, entry);
  if (!why && !tf_tape_block_open(r->block, &r->header, r->payload))
    why = "a block's columns are malformed";
  if (!why) return TF_OK;
  uint64_t end = block_idx + 1 < r->block_cnt ? entry[1].offset : r->file_bytes;
  note_loss(r, entry->offset, end - entry->offset, why);
  return TF_ERR(E_FILE_DAMAGED, "%s: byte %llu: %s; %u events from ingest_seq %llu on are lost",
                r->path, (unsigned long long)entry->offset, why, entry->record_cnt,
                (unsigned long long)entry->first_seq);
}

/* ---- cold: finding the blocks ----------------------------------------------------------------*/

typedef struct found {
  tf_tape_entry_t *entries;
  uint64_t         cnt, cap;
} found_t;

static tf_err_t found_add(found_t *found, const tf_tape_entry_t *entry) {
  if (found->cnt == found->cap) {
    uint64_t         cap     = found->cap ? 2 * found->cap : 64;
    tf_tape_entry_t *entries = realloc(found->entries, cap * sizeof *entries);
    if (!entries) return TF_ERR(E_CORE_NO_MEMORY, "index of %llu blocks", (unsigned long long)cap);
    found->entries = entries;
    found->cap     = cap;
  }
  found->entries[found->cnt++] = *entry;
  return TF_OK;
}

static bool header_at(const tf_tape_reader_t *r, uint64_t offset, tf_tape_block_header_t *header) {
  return read_at(r, header, sizeof *header, offset) == sizeof *header &&
         tf_tape_block_header_valid(header);
}

static uint64_t block_end(uint64_t offset, const tf_tape_block_header_t *header) {
  return offset + sizeof *header + header->payload_bytes;
}

/* The first place from offset on where a whole block begins, or the trailer; the end of the file if
 * there is none as far as it is searched. */
static uint64_t search(const tf_tape_reader_t *r, uint64_t offset) {
  static const uint32_t  magic = TF_TAPE_BLOCK_MAGIC;
  uint8_t                window[65536];
  uint64_t               end = r->file_bytes;
  tf_tape_block_header_t header;
  if (end - offset > TF_TAPE_SEARCH_BYTES_MAX) end = offset + TF_TAPE_SEARCH_BYTES_MAX;
  while (offset < end) {
    size_t have = read_at(r, window, sizeof window, offset);
    if (have < sizeof header) break;
    size_t last = have - sizeof magic;
    for (size_t i = 0; i <= last; i++) {
      const uint8_t *hit = memmem(window + i, have - i, &magic, sizeof magic);
      if (!hit) break;
      i = (size_t)(hit - window);
      if (header_at(r, offset + i, &header) && block_end(offset + i, &header) <= r->file_bytes)
        return offset + i;
    }
    offset += last + 1;
  }
  return r->file_bytes;
}

/* Walks the headers; a gap between valid ones is noted as lost. */
static tf_err_t walk(tf_tape_reader_t *r, found_t *found) {
  uint64_t offset = sizeof r->file;
  uint64_t end    = r->file_bytes - (r->is_ended ? sizeof(tf_tape_trailer_t) : 0);
  while (offset < end) {
    tf_tape_block_header_t header;
    if (header_at(r, offset, &header) && block_end(offset, &header) <= end) {
      tf_tape_entry_t entry = {.offset      = offset,
                               .kind        = header.kind,
                               .record_cnt  = header.record_cnt,
                               .first_seq   = header.first_seq,
                               .first_idx   = header.first_idx,
                               .recv_ns_min = header.recv_ns_min,
                               .recv_ns_max = header.recv_ns_max};
      tf_err_t        err   = header.kind == TF_TAPE_INDEX ? TF_OK : found_add(found, &entry);
      if (err) return err;
      if (header.kind == TF_TAPE_EVENTS) r->events_hash = header.hash_after;
      offset = block_end(offset, &header);
      continue;
    }
    uint64_t next = search(r, offset + 1);
    if (next > end) next = end;
    note_loss(r, offset, next - offset,
              next < end ? "no valid block" : "a block was not finished, or is damaged");
    offset = next;
  }
  return TF_OK;
}

static bool trailer_read(tf_tape_reader_t *r, tf_tape_trailer_t *trailer) {
  return r->file_bytes >= sizeof r->file + sizeof *trailer &&
         read_at(r, trailer, sizeof *trailer, r->file_bytes - sizeof *trailer) == sizeof *trailer &&
         memcmp(trailer->magic, TF_TAPE_END_MAGIC, sizeof trailer->magic) == 0 &&
         trailer->crc == tf_tape_crc(trailer, sizeof *trailer) &&
         trailer->file_bytes == r->file_bytes;
}

/* The entries of the INDEX blocks, if they are all there and tell of a file without holes: each
 * block begins where an earlier one could end, and the totals are the trailer's. */
static tf_err_t index_read(tf_tape_reader_t *r, const tf_tape_trailer_t *trailer, uint8_t *payload,
                           found_t *found, bool *is_good) {
  uint64_t offset = trailer->index_offset, event_cnt = 0, last = sizeof r->file;
  *is_good = false;
  while (found->cnt < trailer->block_cnt) {
    tf_tape_block_header_t header;
    if (offset > r->file_bytes || !header_at(r, offset, &header) || header.kind != TF_TAPE_INDEX ||
        header.record_cnt > TF_TAPE_BLOCK_ENTRIES_MAX ||
        header.payload_bytes != header.record_cnt * sizeof(tf_tape_entry_t) ||
        read_at(r, payload, header.payload_bytes, offset + sizeof header) != header.payload_bytes ||
        tf_crc32c(0, payload, header.payload_bytes) != header.payload_crc)
      return TF_OK;
    for (uint32_t i = 0; i < header.record_cnt; i++) {
      tf_tape_entry_t entry;
      memcpy(&entry, payload + i * sizeof entry, sizeof entry);
      if (entry.offset < last || entry.offset >= trailer->index_offset) return TF_OK;
      last = entry.offset + sizeof header;
      if (entry.kind == TF_TAPE_EVENTS) {
        if (entry.record_cnt > TF_TAPE_BLOCK_EVENTS_MAX || entry.first_idx != event_cnt)
          return TF_OK;
        event_cnt += entry.record_cnt;
      }
      tf_err_t err = found_add(found, &entry);
      if (err) return err;
    }
    offset = block_end(offset, &header);
  }
  *is_good = event_cnt == trailer->event_cnt && found->cnt == trailer->block_cnt &&
             offset + sizeof *trailer == r->file_bytes;
  r->events_hash = trailer->events_hash;
  return TF_OK;
}

static tf_err_t blocks_find(tf_tape_reader_t *r) {
  tf_tape_trailer_t trailer;
  found_t           found   = {0};
  bool              is_good = false;
  tf_err_t          err     = TF_OK;
  r->events_hash            = TF_HASH_SEED;
  r->is_ended               = trailer_read(r, &trailer);
  if (r->is_ended) {
    uint8_t *payload = malloc(TF_TAPE_BLOCK_ENTRIES_MAX * sizeof(tf_tape_entry_t));
    if (!payload) return TF_ERR(E_CORE_NO_MEMORY, "%s: memory for its index", r->path);
    err = index_read(r, &trailer, payload, &found, &is_good);
    free(payload);
  }
  if (!err && !is_good) {
    found.cnt = 0;
    if (r->is_ended) note_loss(r, trailer.index_offset, 0, "the index is damaged");
    err = walk(r, &found);
  }
  r->blocks = found.entries;
  r->others = calloc(found.cnt + 1, sizeof *r->others);
  if (!r->others)
    return TF_ERR(E_CORE_NO_MEMORY, "%s: %llu blocks", r->path, (unsigned long long)found.cnt);
  for (uint64_t i = 0; i < found.cnt && !err; i++) {
    tf_tape_entry_t *entry = &found.entries[i];
    if (entry->kind == TF_TAPE_EVENTS && entry->record_cnt <= TF_TAPE_BLOCK_EVENTS_MAX)
      r->blocks[r->block_cnt++] = *entry;
    else
      r->others[r->other_cnt++] = *entry;
  }
  return err;
}

/* ---- cold: instruments and sizes -------------------------------------------------------------*/

static tf_err_t rows_add(tf_tape_reader_t *r, const tf_tape_entry_t *entry) {
  const char *why = why_not_opened(r, entry);
  if (!why && r->header.payload_bytes != r->header.record_cnt * sizeof(tf_tape_instrument_t))
    why = "a block's instruments are malformed";
  if (why) {
    note_loss(r, entry->offset, sizeof r->header + r->header.payload_bytes, why);
    return TF_OK;
  }
  uint32_t         cnt  = r->row_cnt + r->header.record_cnt;
  tf_instrument_t *rows = realloc(r->rows, cnt * sizeof *rows);
  if (!rows) return TF_ERR(E_CORE_NO_MEMORY, "%s: %u instruments", r->path, cnt);
  r->rows = rows;
  for (uint32_t i = 0; i < r->header.record_cnt; i++) {
    tf_tape_instrument_t from;
    memcpy(&from, r->payload + i * sizeof from, sizeof from);
    if (from.id != r->row_cnt) { /* ids are dense: rows before it are lost */
      note_loss(r, entry->offset, 0, "an instrument's id does not follow the one before");
      return TF_OK;
    }
    tf_instrument_t *row = &r->rows[r->row_cnt++];
    *row                 = (tf_instrument_t){.id         = from.id,
                                             .price_exp  = from.price_exp,
                                             .qty_exp    = from.qty_exp,
                                             .tick_size  = from.tick_size,
                                             .lot_size   = from.lot_size,
                                             .multiplier = from.multiplier,
                                             .is_inverse = from.is_inverse != 0};
    memcpy(row->name, from.name, sizeof row->name);
    memcpy(row->symbol, from.symbol, sizeof row->symbol);
    memcpy(row->quote_currency, from.quote_currency, sizeof row->quote_currency);
    /* relaxed: the row is published with the table's count */
    if (from.price_exp != INT8_MIN) tf_store_relaxed_u32(&row->metadata, TF_METADATA_FILE);
    row->name[sizeof row->name - 1]                     = 0;
    row->symbol[sizeof row->symbol - 1]                 = 0;
    row->quote_currency[sizeof row->quote_currency - 1] = 0;
  }
  return TF_OK;
}

static tf_err_t contents_read(tf_tape_reader_t *r) {
  uint32_t event_cap = 1;
  r->recv_ns_min     = UINT64_MAX;
  for (uint64_t i = 0; i < r->block_cnt; i++) {
    const tf_tape_entry_t *entry = &r->blocks[i];
    r->event_cnt += entry->record_cnt;
    if (entry->record_cnt > event_cap) event_cap = entry->record_cnt;
    if (entry->recv_ns_min < r->recv_ns_min) r->recv_ns_min = entry->recv_ns_min;
    if (entry->recv_ns_max > r->recv_ns_max) r->recv_ns_max = entry->recv_ns_max;
  }
  if (r->block_cnt == 0) r->recv_ns_min = 0;
  /* Of what tf_tape_block_encode can make of so many events, and of the names. */
  r->payload_cap = tf_tape_block_bytes_max(event_cap);
  for (uint64_t i = 0; i < r->other_cnt; i++) {
    size_t bytes = r->others[i].record_cnt * sizeof(tf_tape_instrument_t);
    if (bytes > r->payload_cap && bytes <= TF_TAPE_PAYLOAD_BYTES_MAX) r->payload_cap = bytes;
  }
  r->payload = malloc(r->payload_cap);
  if (!r->payload) return TF_ERR(E_CORE_NO_MEMORY, "%s: %zu bytes", r->path, r->payload_cap);
  tf_err_t err = tf_tape_block_start(&r->block, event_cap, 0);
  for (uint64_t i = 0; i < r->other_cnt && !err; i++)
    if (r->others[i].kind == TF_TAPE_INSTRUMENTS) err = rows_add(r, &r->others[i]);
  return err;
}

/* ---- lifetime --------------------------------------------------------------------------------*/

static tf_err_t file_header_check(const tf_tape_reader_t *r, size_t have) {
  const tf_tape_file_header_t *file        = &r->file;
  size_t                       magic_bytes = have < sizeof file->magic ? have : sizeof file->magic;
  if (have == 0) return TF_ERR(E_FILE_FORMAT, "%s: the file is empty, no tape", r->path);
  if (memcmp(file->magic, TF_TAPE_MAGIC, magic_bytes) != 0)
    return TF_ERR(E_FILE_FORMAT,
                  "%s: is no tickfuse tape; name another file, or `tickfuse tape "
                  "convert` it",
                  r->path);
  if (have < sizeof *file)
    return TF_ERR(E_FILE_DAMAGED, "%s: cut short inside its header, at byte %zu; it holds nothing",
                  r->path, have);
  if (file->crc != tf_tape_crc(file, sizeof *file))
    return TF_ERR(E_FILE_DAMAGED, "%s: the file header (bytes 0 to %zu) fails its checksum",
                  r->path, sizeof *file - 1);
  if (file->version != TF_TAPE_VERSION || file->header_bytes != sizeof *file ||
      file->event_version != TF_EVENT_VERSION || file->event_bytes != sizeof(tf_event_t))
    return TF_ERR(E_FILE_FORMAT,
                  "%s: tape version %u, event version %u; this tickfuse reads versions %d and %d",
                  r->path, file->version, file->event_version, TF_TAPE_VERSION, TF_EVENT_VERSION);
  return TF_OK;
}

static tf_err_t file_open(tf_tape_reader_t *r) {
  r->fd = open(r->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (r->fd < 0)
    return TF_ERR(E_FILE_OPEN, "%s: %s", r->path,
                  errno == ELOOP ? "is a symbolic link; name the file itself" : strerror(errno));
  struct stat st;
  if (fstat(r->fd, &st) != 0 || !S_ISREG(st.st_mode))
    return TF_ERR(E_FILE_OPEN, "%s: is no regular file", r->path);
  r->file_bytes = (uint64_t)st.st_size;
  return file_header_check(r, read_at(r, &r->file, sizeof r->file, 0));
}

tf_err_t tf_tape_reader_init(tf_tape_reader_t *r, const char *path) {
  *r           = (tf_tape_reader_t){.fd = -1, .path = path};
  tf_err_t err = file_open(r);
  if (!err) err = blocks_find(r);
  if (!err) err = contents_read(r);
  if (err) tf_tape_reader_fini(r);
  return err;
}

void tf_tape_reader_fini(tf_tape_reader_t *r) {
  if (r->path && r->fd >= 0) close(r->fd);
  tf_tape_block_stop(r->block);
  free(r->blocks);
  free(r->others);
  free(r->rows);
  free(r->payload);
  *r = (tf_tape_reader_t){.fd = -1};
}

tf_err_t tf_tape_reader_error(const tf_tape_reader_t *r) {
  const tf_tape_loss_t *first = &r->losses[0];
  if (r->loss_cnt == 0)
    return TF_ERR(E_FILE_DAMAGED, "%s: has no end: its writer was stopped; %llu events were found",
                  r->path, (unsigned long long)r->event_cnt);
  return TF_ERR(E_FILE_DAMAGED, "%s: byte %llu: %s; %llu bytes at %u places are lost%s", r->path,
                (unsigned long long)first->offset, first->what, (unsigned long long)r->lost_bytes,
                r->loss_cnt, r->is_ended ? "" : ", and it has no end");
}

bool tf_tape_reader_is_tape(const char *path) {
  int     fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  uint8_t magic[8];
  bool    is = fd >= 0 && pread(fd, magic, sizeof magic, 0) == sizeof magic &&
            memcmp(magic, TF_TAPE_MAGIC, sizeof magic) == 0;
  if (fd >= 0) close(fd);
  return is;
}
