#include "file/journal_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"

/* Up to cap bytes at offset: as many as there are, or -1 with the error set. */
static ssize_t read_at(const tf_journal_reader_t *reader, void *target, size_t cap,
                       uint64_t offset) {
  size_t have = 0;
  while (have < cap) {
    ssize_t n = pread(reader->fd, (uint8_t *)target + have, cap - have, (off_t)(offset + have));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      TF_ERR(E_FILE_DAMAGED, "%s: byte %llu cannot be read: %s", reader->path,
             (unsigned long long)(offset + have), strerror(errno));
      return -1;
    }
    if (n == 0) break;
    have += (size_t)n;
  }
  return (ssize_t)have;
}

static tf_journal_block_header_t *header_of(tf_journal_reader_t *reader) {
  return (tf_journal_block_header_t *)(void *)reader->block;
}

/* Reads the block at offset into reader->block. 1: intact (the chain is not looked at); 0: not,
 * *kind says why; -1: error; -2: the file ends exactly here. */
static int block_read(tf_journal_reader_t *reader, uint64_t offset, uint8_t *kind) {
  tf_journal_block_header_t *header = header_of(reader);
  ssize_t                    n      = read_at(reader, header, TF_JOURNAL_HEADER_BYTES, offset);
  if (n < 0) return -1;
  if (n == 0) return -2;
  *kind = TF_JOURNAL_LOSS_TORN;
  if (n < TF_JOURNAL_HEADER_BYTES) return 0;
  *kind = TF_JOURNAL_LOSS_HEADER;
  if (!tf_journal_block_header_valid(header)) return 0;
  size_t   bytes   = tf_journal_payload_bytes(header);
  uint8_t *payload = reader->block + TF_JOURNAL_HEADER_BYTES;
  n                = read_at(reader, payload, bytes, offset + TF_JOURNAL_HEADER_BYTES);
  if (n < 0) return -1;
  *kind = TF_JOURNAL_LOSS_TORN;
  if ((size_t)n < bytes) return 0;
  *kind = TF_JOURNAL_LOSS_PAYLOAD;
  return tf_crc32c(0, payload, bytes) == header->payload_crc;
}

static uint64_t block_bytes(const tf_journal_reader_t *reader) {
  return TF_JOURNAL_HEADER_BYTES + tf_journal_payload_bytes(tf_journal_reader_header(reader));
}

/* The first intact block at or after offset, blocks lying at multiples of 64. 1: found, it stands in
 * reader->block; 0: none, *at is the end of the file; -1: error. */
static int intact_find(tf_journal_reader_t *reader, uint64_t offset, uint64_t *at) {
  uint8_t piece[64 * TF_JOURNAL_HEADER_BYTES] TF_ALIGNED(64);
  for (;;) {
    ssize_t n = read_at(reader, piece, sizeof piece, offset);
    if (n < 0) return -1;
    for (ssize_t i = 0; i + TF_JOURNAL_HEADER_BYTES <= n; i += TF_JOURNAL_HEADER_BYTES) {
      const tf_journal_block_header_t *header = (const void *)(piece + i);
      if (!tf_journal_block_header_valid(header)) continue;
      uint8_t kind;
      *at        = offset + (uint64_t)i;
      int intact = block_read(reader, *at, &kind);
      if (intact == 1 || intact == -1) return intact;
    }
    *at = offset + (uint64_t)n;
    if (n < (ssize_t)sizeof piece) return 0;
    offset += sizeof piece;
  }
}

static uint64_t first_decision_seq(const tf_journal_reader_t *reader) {
  const tf_journal_block_header_t *header = tf_journal_reader_header(reader);
  return header->kind == TF_JOURNAL_DECISIONS ? header->first_seq : 0;
}

static TF_COLD tf_journal_read_t lost(tf_journal_reader_t *reader, uint8_t kind) {
  reader->loss =
      (tf_journal_loss_t){.kind = kind, .offset = reader->offset, .seq_before = reader->last_seq};
  uint64_t at    = 0;
  int      found = intact_find(reader, reader->offset + TF_JOURNAL_HEADER_BYTES, &at);
  if (found < 0) return TF_JOURNAL_READ_ERROR;
  /* The search may have started beyond a file that ends inside a header. */
  struct stat st;
  if (!found && fstat(reader->fd, &st) == 0) at = (uint64_t)st.st_size;
  reader->loss.to_end    = !found;
  reader->loss.bytes     = at > reader->offset ? at - reader->offset : 0;
  reader->loss.seq_after = found ? first_decision_seq(reader) : 0;
  if (!found) { /* stay: a writer may yet finish it */
    bool known            = reader->lost_to_bytes == at;
    reader->lost_to_bytes = at;
    return known ? TF_JOURNAL_READ_END : TF_JOURNAL_READ_LOSS;
  }
  reader->offset      = at;
  reader->chain_known = false;
  return TF_JOURNAL_READ_LOSS;
}

static const tf_journal_key_t no_key;

/* A keyed file's chain is in its blocks, with the key at hand or not. */
static const tf_journal_key_t *chain_key(const tf_journal_reader_t *reader) {
  static const tf_journal_key_t unknown = {.bytes_cnt = 1};
  bool                          keyed   = reader->file.flags & TF_JOURNAL_FLAG_KEYED;
  return !keyed ? &no_key : reader->key ? reader->key : &unknown;
}

static bool block_follows(const tf_journal_reader_t       *reader,
                          const tf_journal_block_header_t *header) {
  uint8_t link[TF_JOURNAL_HASH_BYTES];
  bool    keyed = reader->file.flags & TF_JOURNAL_FLAG_KEYED;
  if (keyed && !reader->key) return true; /* not to be known */
  tf_journal_link(chain_key(reader), reader->chain, reader->block, block_bytes(reader), link);
  return memcmp(header->prev_hash, link, sizeof link) == 0;
}

tf_journal_read_t tf_journal_reader_next(tf_journal_reader_t *reader) {
  uint8_t kind  = 0;
  int     found = block_read(reader, reader->offset, &kind);
  if (found == -1) return TF_JOURNAL_READ_ERROR;
  if (found == -2) return TF_JOURNAL_READ_END;
  if (found == 0) return lost(reader, kind);
  const tf_journal_block_header_t *header  = tf_journal_reader_header(reader);
  bool                             follows = block_follows(reader, header);
  if (reader->chain_known && !follows && !reader->chain_broken_here) {
    reader->loss              = (tf_journal_loss_t){.kind       = TF_JOURNAL_LOSS_CHAIN,
                                                    .offset     = reader->offset,
                                                    .seq_before = reader->last_seq,
                                                    .seq_after  = first_decision_seq(reader)};
    reader->chain_broken_here = true;
    return TF_JOURNAL_READ_LOSS;
  }
  reader->chain_broken_here = false;
  reader->chain_known       = true;
  tf_journal_chain_next(chain_key(reader), reader->block, block_bytes(reader), reader->chain);
  reader->block_offset = reader->offset;
  reader->offset += block_bytes(reader);
  reader->last_epoch = header->epoch;
  if (header->kind == TF_JOURNAL_START) {
    const tf_journal_start_t *start = (const void *)(reader->block + TF_JOURNAL_HEADER_BYTES);
    if (start->durable_seq > reader->last_seq) reader->last_seq = start->durable_seq;
  }
  if (header->kind == TF_JOURNAL_DECISIONS) {
    reader->decision_cnt += header->record_cnt;
    reader->last_seq = tf_journal_reader_decisions(reader)[header->record_cnt - 1].decision_seq;
  }
  return TF_JOURNAL_READ_BLOCK;
}

tf_journal_read_t tf_journal_reader_seek(tf_journal_reader_t *reader, uint64_t offset) {
  uint64_t at    = offset;
  int      found = intact_find(reader, offset, &at);
  if (found < 0) return TF_JOURNAL_READ_ERROR;
  if (found == 0) return TF_JOURNAL_READ_END;
  reader->offset = reader->block_offset = at;
  reader->chain_known                   = false;
  reader->chain_broken_here             = false;
  return TF_JOURNAL_READ_BLOCK;
}

/* ---- cold ------------------------------------------------------------------------------------*/

static tf_err_t file_header_check(const tf_journal_reader_t *reader, ssize_t have) {
  const tf_journal_file_header_t *file = &reader->file;
  const char                     *path = reader->path;
  if (have == 0) return TF_ERR(E_FILE_FORMAT, "%s: the file is empty, no journal", path);
  size_t magic_bytes = have < 8 ? (size_t)have : 8;
  if (memcmp(file->magic, TF_JOURNAL_MAGIC, magic_bytes) != 0)
    return TF_ERR(E_FILE_FORMAT, "%s: is no tickfuse journal; name another file", path);
  if (have < TF_JOURNAL_HEADER_BYTES)
    return TF_ERR(E_FILE_DAMAGED, "%s: cut short inside its header, at byte %zd; it holds nothing",
                  path, have);
  if (file->crc != tf_journal_header_crc(file))
    return TF_ERR(E_FILE_DAMAGED, "%s: the file header (bytes 0 to 63) fails its checksum", path);
  if (file->version != TF_JOURNAL_VERSION)
    return TF_ERR(E_FILE_FORMAT, "%s: journal version %u; this tickfuse reads %d", path,
                  file->version, TF_JOURNAL_VERSION);
  if (file->header_bytes != TF_JOURNAL_HEADER_BYTES ||
      file->record_bytes != TF_JOURNAL_RECORD_BYTES ||
      file->decision_version != TF_DECISION_VERSION)
    return TF_ERR(E_FILE_FORMAT,
                  "%s: records of %u bytes, decision version %u; this tickfuse reads %d bytes, "
                  "version %d",
                  path, file->record_bytes, file->decision_version, TF_JOURNAL_RECORD_BYTES,
                  TF_DECISION_VERSION);
  return 0;
}

tf_err_t tf_journal_reader_init_fd(tf_journal_reader_t *reader, int fd, const char *path) {
  memset(reader, 0, offsetof(tf_journal_reader_t, block));
  reader->fd   = fd;
  reader->path = path;
  ssize_t have = read_at(reader, &reader->file, sizeof reader->file, 0);
  if (have < 0) return tf_error_code();
  tf_err_t err = file_header_check(reader, have);
  if (err) return err;
  reader->offset      = TF_JOURNAL_HEADER_BYTES;
  reader->chain_known = true;
  tf_journal_chain_begin(&no_key, &reader->file, reader->chain);
  return 0;
}

void tf_journal_reader_set_key(tf_journal_reader_t *reader, const tf_journal_key_t *key) {
  if (!(reader->file.flags & TF_JOURNAL_FLAG_KEYED) || key->bytes_cnt == 0) return;
  reader->key = key;
  tf_journal_chain_begin(key, &reader->file, reader->chain);
}

tf_err_t tf_journal_reader_init(tf_journal_reader_t *reader, const char *path) {
  int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0)
    return TF_ERR(E_FILE_OPEN, "%s: %s", path,
                  errno == ELOOP ? "is a symbolic link; name the file itself" : strerror(errno));
  struct stat st;
  if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
    close(fd);
    return TF_ERR(E_FILE_OPEN, "%s: is no regular file", path);
  }
  tf_err_t err    = tf_journal_reader_init_fd(reader, fd, path);
  reader->owns_fd = true;
  if (err) tf_journal_reader_fini(reader);
  return err;
}

void tf_journal_reader_fini(tf_journal_reader_t *reader) {
  if (reader->owns_fd) close(reader->fd);
  reader->owns_fd = false;
  reader->fd      = -1;
}

tf_err_t tf_journal_reader_error(const tf_journal_reader_t *reader) {
  static const char *const kinds[] = {"a write was not finished", "no valid block header",
                                      "records fail their checksum",
                                      "a block does not follow the one before it"};
  const tf_journal_loss_t *loss    = &reader->loss;
  return TF_ERR(E_FILE_DAMAGED,
                "%s: byte %llu: %s; %llu bytes lost %s, after decision %llu and before %llu (0: "
                "none)",
                reader->path, (unsigned long long)loss->offset, kinds[loss->kind],
                (unsigned long long)loss->bytes, loss->to_end ? "to the end" : "in the middle",
                (unsigned long long)loss->seq_before, (unsigned long long)loss->seq_after);
}
