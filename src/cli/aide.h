/* A child process that does for `run` what touches disks and volumes; `run` itself only waits for its
 * word, and can leave it behind.
 *
 *     aide_start ──▶ (poll aide.fd, aide.log) ──▶ aide_read: true ──▶ aide.result ──▶ aide_start … of the next
 *                          └── aide_stop: it is asked to clean up and end; aide_leave: it is left
 *
 * One at a time. Its process group is its own: what is meant for the server's does not reach it. When
 * `run` dies it is asked to stop.
 * Threads: none may exist.
 */
#ifndef CLI_AIDE_H
#define CLI_AIDE_H

#include <stdint.h>
#include <sys/types.h>

#include "cli/relay.h"
#include "cli/session.h"

enum aide_work {
    AIDE_LOAD,
    AIDE_WAIT,   /* until the server is ready */
    AIDE_SETTLE, /* until its cache is quiet, and compare */
    AIDE_SAVE,
    AIDE_UNLOAD,
    AIDE_MARK
};

/* What the work needs to know. */
struct aide_order {
    enum aide_work work;
    bool cold;              /* settle: nothing was loaded */
    bool only_if_absent;    /* save: nothing is added to what is stored */
    unsigned limit_s;       /* save: at most, 0: as the settings say */
    char archive_token[33]; /* mark */
};

/* What it came to. */
struct aide_result {
    OperationStatus status;
    b10_error error;
    b10_report report;
    b10_serve_report serve;
};

struct aide {
    pid_t pid; /* 0: none works */
    int fd;    /* owned: its word */
    int log;   /* owned: its standard error */
    struct aide_order order;
    int64_t begun_ms;
    struct aide_result result;
    size_t got; /* bytes of its word so far */
    char word[sizeof(struct aide_result)];
};

#define AIDE_NONE                                                                                  \
    {                                                                                              \
        .fd = -1, .log = -1                                                                        \
    }

int64_t aide_now_ms(void);

/* `relay`: its ends are not kept open by one that hangs. `mask`: signals as they were before `run` took them. False: no process could be had. */
bool aide_start(struct aide *aide, const struct aide_order *order, const struct session *session,
                const struct relay *relay, const sigset_t *mask);

/* Reads its word; true when it has ended, in one way or another, and aide->result says what it came
 * to. */
bool aide_read(struct aide *aide);

/* Passes on what it logs: one that hangs must not hold our own standard error open. */
void aide_pass_log(const struct aide *aide);

void aide_stop(const struct aide *aide, int number);
void aide_leave(struct aide *aide); /* kills it and does not wait */

#endif
