/* A program of somebody else's, in C and C++ alike: it knows what pkg-config says of the library, and nothing more. Prints
 * what its argument, a URL, gives out. */
#include <stdio.h>

#include <tickfuse_client.h>

int main(int argc, char **argv) {
  tf_client_options_t options = TF_CLIENT_OPTIONS;
  tf_client_message_t message;
  char                error[TF_CLIENT_ERROR_BYTES];
  options.resume_from = TF_CLIENT_OLDEST;
  if (argc != 2 || tf_client_version() >> 16 != TF_CLIENT_VERSION_MAJOR) return 2;
  tf_client_t *client = tf_client_open(argv[1], &options, error, sizeof error);
  if (client == NULL) {
    puts(error);
    return 1;
  }
  for (;;) switch (tf_client_next(client, &message)) {
    case TF_CLIENT_RECORD: {
      const tf_decision_t *d    = (const tf_decision_t *)message.record;
      const char          *name = tf_client_instrument_name(client, d->instrument_id);
      printf("%llu %s\n", (unsigned long long)message.seq, name ? name : "?");
      break;
    }
    case TF_CLIENT_LOST:
      printf("lost %llu %llu\n", (unsigned long long)message.lost_from,
             (unsigned long long)message.lost_to);
      break;
    case TF_CLIENT_IDLE: tf_client_wait(client, UINT64_MAX); break;
    case TF_CLIENT_END:
      printf("end: %s\n", tf_client_reason_text(message.reason));
      tf_client_close(client);
      return 0;
    default: break;
    }
}
