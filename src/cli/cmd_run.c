#include <stdio.h>
#include <stdlib.h>

#include "cli/run_loop.h"

static enum exit_code run_run(struct session *session)
{
    struct run_record *record = calloc(1, sizeof *record);
    if (record == NULL) {
        fputs("b10-compile-cache: error: out of memory\n", stderr);
        return EXIT_CODE_FAILED;
    }
    const int code = run_loop(session, record);
    (void)run_report_write(session,
                           record); /* says so itself; the server's exit code matters more */
    free(record);
    return (enum exit_code)code;
}

const struct command command_run = {
    .name = "run",
    .summary = "load, start a server, save what it compiled, exit with its code",
    .about =
        "Loads the stored cache, starts COMMAND, saves when the server is ready and its cache "
        "quiet, and again after it has ended if more was compiled (at most 20 seconds). Meant to "
        "be "
        "the first process of a container: hands signals on to the server's process group, reaps "
        "orphans, passes the server's output through unchanged and exits with its code, or 128 "
        "plus "
        "the signal that ended it; 127 or 126 if it cannot be executed. Whatever about the cache "
        "fails, "
        "the server is started; with --require-hit a cold start is exit code 3 instead. A server "
        "that "
        "fails before it is ready, after something was loaded, is started once more without it "
        "(--no-retry-cold: is not); if that start becomes ready, the archive is marked as suspect. "
        "The kind is vllm and both modes are merge unless they are set.",
    .operand = "[--] COMMAND...",
    .options = OPTION_REQUIRE_HIT | OPTION_REPORT | OPTION_RETRY,
    .in_process = true,
    .takes_rest = true,
    .settings = command_server_settings,
    .run = run_run,
};
