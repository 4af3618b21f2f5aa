/* `run` from the load to the exit code.
 *
 *     load ──▶ start ──▶ wait ──▶ settle ──▶ save ──▶ (until the server ends) ──▶ save again ──▶ exit code
 *               │  ▲        └── the server dies before it is ready, and something was loaded
 *               │  └── unload ◀──┘        once; when that start becomes ready: mark, settle, save
 *               └── with --require-hit and nothing loaded: exit code 3
 *
 * Everything but starting and watching the server is an aide's work (aide.h), one after the other, so
 * that no disk and no volume holds us. Whatever about the cache fails, the server is started.
 * Threads: none may exist.
 */
#ifndef CLI_RUN_LOOP_H
#define CLI_RUN_LOOP_H

#include "cli/run_report.h"
#include "cli/supervise.h"

enum {
    RUN_FINAL_SAVE_MS = 20 * 1000, /* after the server has ended, at most */
    RUN_GRACE_MS = 25 * 1000       /* after it was first asked to end, all in all */
};

/* The exit code; *record is filled. */
int run_loop(struct session *session, struct run_record *record);

#endif
