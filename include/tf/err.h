/* Error codes: E_<DOMAIN>_<NAME>, negative, stable, never reused. A domain owns a hundred; a new
 * code goes at the end of its domain. Operating errors only: programmer errors are TF_ASSERT, and
 * full / empty / not-warm are small enums of the hot functions. The text, place and context of the
 * last error of a thread are kept by engine/core/error.h. */
#ifndef TF_ERR_H
#define TF_ERR_H

#include "tf/base.h"

/* X(code, number, what it means) */
#define TF_ERRORS(X)                                                                               \
  X(E_CORE_NO_MEMORY, -101, "memory could not be had from the system")                             \
  X(E_CORE_ARENA_FULL, -102, "an arena sized from the config is full")                             \
  X(E_CORE_OVERFLOW, -103, "a size computed from outside input overflows")                         \
  X(E_CORE_ARGUMENT, -104, "an argument is outside its documented range")                          \
  X(E_CORE_SYSTEM, -105, "a system call failed")                                                   \
  X(E_CORE_THREAD, -106, "a thread could not be started or pinned")                                \
  X(E_CONFIG_FILE, -201, "the config file cannot be read")                                         \
  X(E_CONFIG_SYNTAX, -202, "the config is not the YAML that tickfuse accepts")                     \
  X(E_CONFIG_KEY, -203, "unknown or duplicate key")                                                \
  X(E_CONFIG_VALUE, -204, "a value has the wrong type or is out of range")                         \
  X(E_CONFIG_EXPR, -205, "a feature or rule expression is wrong")                                  \
  X(E_CONFIG_CONFLICT, -206, "two keys contradict each other")                                     \
  X(E_IO_UNAVAILABLE, -301, "the I/O backend is not available on this host")                       \
  X(E_IO_SYSTEM, -302, "a socket call failed")                                                     \
  X(E_IO_SEND_FULL, -303, "a connection's send buffer is full")                                    \
  X(E_IO_LIMIT, -304, "more connections than the loop was sized for")                              \
  X(E_WIRE_HTTP, -401, "malformed or refused HTTP")                                                \
  X(E_WIRE_WS_PROTOCOL, -402, "websocket protocol violation (close 1002)")                         \
  X(E_WIRE_WS_UTF8, -403, "websocket text is not UTF-8 (close 1007)")                              \
  X(E_WIRE_WS_LIMIT, -404, "websocket message over its limit (close 1009)")                        \
  X(E_WIRE_TLS, -405, "TLS failure")                                                               \
  X(E_WIRE_TLS_VERIFY, -406, "the peer's certificate does not verify")                             \
  X(E_WIRE_TLS_TRUNCATED, -407, "the TLS stream ended without close_notify")                       \
  X(E_WIRE_INFLATE, -408, "compressed data is damaged or over its limit")                          \
  X(E_FEED_DNS, -501, "the venue's name does not resolve")                                         \
  X(E_FEED_CONNECT, -502, "the venue cannot be reached")                                           \
  X(E_FEED_TIMEOUT, -503, "a phase of the connection took too long")                               \
  X(E_FEED_CLOSED, -504, "the venue closed the connection")                                        \
  X(E_FEED_REFUSED, -505, "the venue refused a subscription or request")                           \
  X(E_FEED_LIMIT, -506, "more instruments or streams than configured")                             \
  X(E_FEED_KEY, -507, "a key file cannot be used, or others may read it")                          \
  X(E_FILE_OPEN, -601, "a file cannot be opened")                                                  \
  X(E_FILE_FORMAT, -602, "not a file of the expected format or version")                           \
  X(E_FILE_DAMAGED, -603, "a file is damaged or cut short")                                        \
  X(E_FILE_WRITE, -604, "a file cannot be written")                                                \
  X(E_FILE_BUSY, -605, "a file or shared name is in use by another engine")                        \
  X(E_MODEL_FORMAT, -701, "not a model file that tickfuse reads")                                  \
  X(E_MODEL_UNSUPPORTED, -702, "a model uses an operation that is not supported")                  \
  X(E_MODEL_SHAPE, -703, "shapes inside a model contradict each other")                            \
  X(E_MODEL_WEIGHTS, -704, "a weight is NaN or infinite")                                          \
  X(E_MODEL_SCHEMA, -705, "a model wants features that the config does not compute")               \
  X(E_MODEL_CHECK, -706, "a model does not reproduce the known answers that its file holds")       \
  X(E_MODEL_VERSION, -707,                                                                         \
    "a model's version is not there, or not newer than the one that serves")                       \
  X(E_MODEL_PIN, -708, "a model file is not the one that was pinned")                              \
  X(E_MODEL_BUSY, -709, "a model is being loaded or swapped already")                              \
  X(E_MODEL_DIVERGED, -710,                                                                        \
    "a version beside the one that serves answers too little or too far off")                      \
  X(E_MODEL_CACHE_FULL, -711, "what is pinned or in use leaves no room for a model more")          \
  X(E_MODEL_CACHE_DAMAGED, -712, "a level of the model cache has not the model that it says")      \
  X(E_SINK_CONFIG, -801, "a sink cannot work as configured")                                       \
  X(E_SINK_IO, -802, "a sink failed to deliver")                                                   \
  X(E_SINK_FENCED, -803, "a sink's destination holds records of another engine")                   \
  X(E_SHM_OPEN, -901, "a shared-memory file cannot be mapped")                                     \
  X(E_SHM_LAYOUT, -902, "a shared-memory file has another layout or version")                      \
  X(E_BOOT_TOPOLOGY, -1001, "the stages cannot be placed as configured")                           \
  X(E_BOOT_INPUT, -1002, "a replay input is missing or its venue unknown")                         \
  X(E_BOOT_SNAPSHOT, -1003, "a snapshot does not fit this engine, or is too old")                  \
  X(E_BOOT_SNAPSHOT_NONE, -1004, "there is no snapshot of that name")                              \
  X(E_HTTP_LISTEN, -1101, "the HTTP listener cannot be opened")                                    \
  X(E_CONTROL_SOCKET, -1201, "the control socket cannot be made where the config says")            \
  X(E_CONTROL_DENIED, -1202, "the caller may not use the control socket")                          \
  X(E_CONTROL_REQUEST, -1203, "a request on the control socket is wrong")                          \
  X(E_CONTROL_TIMEOUT, -1204, "the lane did not take a command in time")                           \
  X(E_RUNTIME_LIBRARY, -1301, "a runtime's library cannot be loaded, or is of another version")    \
  X(E_RUNTIME_MODEL, -1302, "a runtime refuses a model, or the model is not what was declared")    \
  X(E_RUNTIME_SERVER, -1303, "a model server answers otherwise than its protocol says")            \
  X(E_RUNTIME_MISSING, -1304, "this build has no such runtime")                                    \
  X(E_GPU_DRIVER, -1401, "there is no GPU driver, or one too old for this worker")                 \
  X(E_GPU_NO_DEVICE, -1402, "there is no such GPU, or none that this process may see")             \
  X(E_GPU_MEMORY, -1403, "a GPU has not the memory that a model wants")                            \
  X(E_GPU_DEVICE, -1404, "a GPU failed, and this process cannot use it any more")                  \
  X(E_GPU_COPY, -1405, "what a GPU holds is not what was copied to it")                            \
  X(E_GPU_HANG, -1406, "a GPU's kernel does not go on, or does not end")                           \
  X(E_SOURCE_CONFIG, -1501, "a source of events cannot work as configured")                        \
  X(E_SOURCE_IO, -1502, "a source of events cannot be read")                                       \
  X(E_GROUP_STORE, -1601, "a group's shared state cannot be read or written")                      \
  X(E_GROUP_LEASE, -1602, "a partition belongs to another engine")                                 \
  X(E_BROKER_CONFIG, -1701, "a broker cannot be reached as configured")                            \
  X(E_BROKER_IO, -1702, "a broker breaks off, or says what it may not")

typedef int tf_err_t; /* 0 or one of tf_err_codes_t */

enum tf_err_codes {
  TF_OK = 0,
#define TF_ERR_ENUM_(code, number, text) code = number,
  TF_ERRORS(TF_ERR_ENUM_)
#undef TF_ERR_ENUM_
};

#endif
