/* What `run` tells machines: one line at the end (docs/json.md).
 * Threads: one at a time.
 */
#ifndef CLI_RUN_REPORT_H
#define CLI_RUN_REPORT_H

#include "cli/aide.h"
#include "cli/refusal.h"

/* What happened, as it happens. Seconds: -1 where it did not come to that. */
struct run_record {
    struct aide_result load;
    struct aide_result settle;
    struct aide_result save;       /* while the server ran */
    struct aide_result final_save; /* after it had ended */
    bool loaded_something;
    bool settled;
    bool saved;       /* a save was tried */
    bool final_saved; /* likewise */
    bool ready;
    bool marked; /* the archive, as suspect */
    unsigned starts;
    uint64_t unloaded_files;
    char verdict[512];
    char refused[REFUSAL_REASON]; /* "": it was not */
    double start_seconds;         /* until the server was started */
    double load_seconds;
    double ready_seconds; /* from its last start */
    double settle_seconds;
    double save_seconds;
    double final_save_seconds;
    double seconds;
    int exit_code;
};

/* On stdout with --json, into the file of --report. False if it could not be written. */
bool run_report_write(const struct session *session, const struct run_record *record);

#endif
