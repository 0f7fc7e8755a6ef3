/* Plays a case on an open connection and judges what came back; and the table of verdicts. */
#ifndef TESTS_CONF_JUDGE_H
#define TESTS_CONF_JUDGE_H

#include "conf_side.h"

typedef enum conf_verdict {
  CONF_OK,
  CONF_NON_STRICT,
  CONF_INFORMATIONAL,
  CONF_FAILED
} conf_verdict_t;

const char *conf_verdict_name(conf_verdict_t verdict);

/* wait_ms: how long an answer may take; 0 where the endpoint has answered when send returns.
 * messages_max: of a bulk row with more. why: what was wrong. */
conf_verdict_t conf_play(conf_side_t *s, const conf_case_t *c, uint32_t messages_max, int wait_ms,
                         char why[256]);
/* A handshake row: taken or refused as it should be, and for the right reason. */
conf_verdict_t conf_judge_handshake(const conf_case_t *c, bool upgraded, const char *refusal,
                                    char why[256]);
/* A row whose transport ends: the name of the fault that the endpoint saw. */
conf_verdict_t conf_judge_fault(const conf_case_t *c, const char *fault, conf_verdict_t verdict,
                                char why[256]);

#define CONF_GROUPS_MAX 32

typedef struct conf_summary {
  char     groups[CONF_GROUPS_MAX][8];
  unsigned cases[CONF_GROUPS_MAX], verdicts[CONF_GROUPS_MAX][CONF_FAILED + 1];
  unsigned group_cnt;
} conf_summary_t;

void conf_count(conf_summary_t *rows, const conf_case_t *c, conf_verdict_t verdict);
/* Prints it; returns the rows that failed. */
unsigned conf_print(const conf_summary_t *rows, const char *what);

#endif
