#include "model/onnx_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"

/* Wire types of Protocol Buffers: https://protobuf.dev/programming-guides/encoding */
enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_LENGTH = 2, WIRE_FIXED32 = 5 };

typedef struct scan {
  const char    *label;
  const uint8_t *start;
  uint64_t       field_cnt;
} scan_t;

static tf_err_t damaged(const scan_t *s, const uint8_t *at, const char *what) {
  return TF_ERR(E_MODEL_FORMAT, "%s: no ONNX file: %s at byte %zu", s->label, what,
                (size_t)(at - s->start));
}

/* Up to 10 bytes of 7 bits. NULL where there is none. */
static const uint8_t *read_varint(const uint8_t *at, const uint8_t *end, uint64_t *value) {
  *value = 0;
  for (uint32_t shift = 0; shift < 70 && at < end; shift += 7, at++) {
    if (shift < 64) *value |= (uint64_t)(*at & 0x7f) << shift;
    if (!(*at & 0x80)) return at + 1;
  }
  return NULL;
}

static tf_err_t scan_message(scan_t *s, const ProtobufCMessageDescriptor *message,
                             const uint8_t *at, const uint8_t *end, uint32_t depth) {
  if (depth > TF_ONNX_WIRE_DEPTH_MAX)
    return TF_ERR(E_MODEL_UNSUPPORTED,
                  "%s: messages nested deeper than %u; subgraphs (If, Loop, "
                  "Scan) are not supported",
                  s->label, TF_ONNX_WIRE_DEPTH_MAX);
  while (at < end) {
    uint64_t       key, length = 0;
    const uint8_t *next = read_varint(at, end, &key);
    if (!next || key >> 3 == 0 || key >> 3 > UINT32_MAX) return damaged(s, at, "no field key");
    uint32_t wire = (uint32_t)(key & 7);
    if (wire == WIRE_VARINT) {
      next = read_varint(next, end, &length);
      if (!next) return damaged(s, at, "no number");
      length = 0;
    } else if (wire == WIRE_FIXED64 || wire == WIRE_FIXED32) {
      length = wire == WIRE_FIXED64 ? 8 : 4;
    } else if (wire == WIRE_LENGTH) {
      next = read_varint(next, end, &length);
      if (!next) return damaged(s, at, "no length");
      if (++s->field_cnt > TF_ONNX_WIRE_FIELD_CNT_MAX)
        return TF_ERR(E_MODEL_UNSUPPORTED, "%s: more than %llu fields", s->label,
                      (unsigned long long)TF_ONNX_WIRE_FIELD_CNT_MAX);
    } else {
      return damaged(s, at, "an unknown wire type");
    }
    if (length > (uint64_t)(end - next)) return damaged(s, at, "a field longer than its message");
    if (wire == WIRE_LENGTH) {
      const ProtobufCFieldDescriptor *field =
          protobuf_c_message_descriptor_get_field(message, (unsigned)(key >> 3));
      if (field && field->type == PROTOBUF_C_TYPE_MESSAGE) {
        tf_err_t err = scan_message(s, field->descriptor, next, next + length, depth + 1);
        if (err) return err;
      }
    }
    at = next + length;
  }
  return TF_OK;
}

tf_err_t tf_onnx_wire_parse(const char *label, const uint8_t *bytes, size_t bytes_cnt,
                            Onnx__ModelProto **model, char *sha256_hex) {
  uint8_t digest[EVP_MAX_MD_SIZE];
  *model = NULL;
  if (bytes_cnt == 0) return TF_ERR(E_MODEL_FORMAT, "%s: empty", label);
  if (EVP_Digest(bytes, bytes_cnt, digest, NULL, EVP_sha256(), NULL) != 1)
    return TF_ERR(E_CORE_SYSTEM, "OpenSSL offers no SHA-256");
  for (int i = 0; i < 32; i++) snprintf(sha256_hex + 2 * i, 3, "%02x", (unsigned)digest[i]);
  scan_t   s   = {.label = label, .start = bytes};
  tf_err_t err = scan_message(&s, &onnx__model_proto__descriptor, bytes, bytes + bytes_cnt, 1);
  if (err) return err;
  *model = onnx__model_proto__unpack(NULL, bytes_cnt, bytes);
  if (!*model) return TF_ERR(E_MODEL_FORMAT, "%s: no ONNX file: its fields do not unpack", label);
  return TF_OK;
}

static tf_err_t read_whole(const char *path, int fd, uint8_t *bytes, size_t cnt) {
  for (size_t done = 0; done < cnt;) {
    ssize_t n = read(fd, bytes + done, cnt - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0)
      return TF_ERR(E_FILE_DAMAGED, "%s: %s", path, n < 0 ? strerror(errno) : "cut short");
    done += (size_t)n;
  }
  return TF_OK;
}

static tf_err_t read_open(const char *path, int fd, Onnx__ModelProto **model, char *sha256_hex) {
  struct stat info;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
    return TF_ERR(E_FILE_OPEN, "%s: not a regular file", path);
  if ((uint64_t)info.st_size > TF_ONNX_WIRE_FILE_BYTES_MAX)
    return TF_ERR(E_MODEL_FORMAT, "%s: %lld bytes, at most %llu are allowed", path,
                  (long long)info.st_size, (unsigned long long)TF_ONNX_WIRE_FILE_BYTES_MAX);
  size_t   cnt   = (size_t)info.st_size;
  uint8_t *bytes = malloc(cnt ? cnt : 1);
  if (!bytes) return TF_ERR(E_CORE_NO_MEMORY, "%s: %zu bytes", path, cnt);
  tf_err_t err = read_whole(path, fd, bytes, cnt);
  if (!err) err = tf_onnx_wire_parse(path, bytes, cnt, model, sha256_hex);
  free(bytes);
  return err;
}

tf_err_t tf_onnx_wire_read(const char *path, Onnx__ModelProto **model, char *sha256_hex) {
  *model = NULL;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return TF_ERR(E_FILE_OPEN, "%s: %s", path, strerror(errno));
  tf_err_t err = read_open(path, fd, model, sha256_hex);
  close(fd);
  return err;
}
