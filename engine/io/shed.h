/* What a listener does when the process has no descriptor left: one is kept in reserve, given up
 * for the moment that it takes to accept a connection and close it, so that the peer learns of it
 * and the backlog does not fill for ever. */
#ifndef ENGINE_IO_SHED_H
#define ENGINE_IO_SHED_H

/* Opens the reserve; -1 if even that is impossible. */
int tf_shed_open(void);
/* Accepts one pending connection of listen_fd and closes it. Returns the reserve anew. */
int tf_shed_one(int spare_fd, int listen_fd);
/* Closes the reserve; -1 is accepted. */
void tf_shed_fini(int spare_fd);

#endif
