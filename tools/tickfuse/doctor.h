/* What on a host costs latency: one finding a row, each with a grade, the value that was found and the
 * command that changes it. Checks read files under a root, so that a test may give them a host of
 * its own making; measurements are of this machine. Control plane: allocates nothing, logs nothing. */
#ifndef TICKFUSE_DOCTOR_H
#define TICKFUSE_DOCTOR_H

#include "tf/base.h"

#define DOCTOR_TEXT_BYTES (64u << 10) /* of a file that a check reads */

/* unknown: the host does not say. Not a fault: a virtual machine has no governor. */
typedef enum doctor_grade { DOCTOR_GOOD, DOCTOR_WARN, DOCTOR_BAD, DOCTOR_UNKNOWN } doctor_grade_t;

typedef struct doctor_finding {
  const char    *id; /* snake_case, stable */
  doctor_grade_t grade;
  char           value[96];   /* what was read or measured, unit included */
  char           says[192];   /* what it means for latency */
  char           remedy[192]; /* a command, or what to do; "" where nothing is to be done */
} doctor_finding_t;

typedef struct doctor_host {
  const char *root; /* "" for this machine; "/tmp/x" reads /tmp/x/proc/... */
} doctor_host_t;

typedef struct doctor_check {
  const char *id;
  void (*run)(const doctor_host_t *host, doctor_finding_t *finding);
} doctor_check_t;

extern const doctor_check_t doctor_checks[];
extern const uint32_t       doctor_check_cnt;
/* Of this machine only; the spin takes a second. */
extern const doctor_check_t doctor_measurements[];
extern const uint32_t       doctor_measurement_cnt;

/* The file's text without its last line end, cut at bytes. False if it cannot be read. */
bool doctor_read(const doctor_host_t *host, const char *path, char *text, size_t bytes);

/* Fills a finding; value and says are printf texts of their own. */
void doctor_say(doctor_finding_t *finding, doctor_grade_t grade, const char *says,
                const char *remedy);
TF_PRINTF(2, 3) void doctor_value(doctor_finding_t *finding, const char *format, ...);

#endif
