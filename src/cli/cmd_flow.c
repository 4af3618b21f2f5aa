#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report_file.h"
#include "cli/summary.h"
#include "cli/text.h"

const char *const command_server_settings[] = {"BASETEN_FS_ENABLED",
                                               "B10_CACHE_KIND",
                                               "TORCHINDUCTOR_CACHE_DIR",
                                               "VLLM_CACHE_ROOT",
                                               "XDG_CACHE_HOME",
                                               "SGLANG_CACHE_DIR",
                                               "B10_LOCAL_PREFIXES",
                                               "B10FS_CACHE_DIR",
                                               "B10_READ_DIRS",
                                               "LOCAL_WORK_DIR",
                                               "MAX_CACHE_SIZE_MB",
                                               "MAX_CACHE_SIZE_CAP_MB",
                                               "MAX_CONCURRENT_SAVES",
                                               "MAX_CONCURRENT_SAVES_CAP",
                                               "CLEANUP_LOCK_TIMEOUT_SECONDS",
                                               "LOCK_TIMEOUT_CAP_SECONDS",
                                               "CLEANUP_INCOMPLETE_TIMEOUT_SECONDS",
                                               "INCOMPLETE_TIMEOUT_CAP_SECONDS",
                                               "MIN_LOCAL_SPACE_MB",
                                               "MIN_B10FS_SPACE_MB",
                                               "B10_LOAD_MODE",
                                               "B10_SAVE_MODE",
                                               "B10_CACHE_TAGS",
                                               "B10_CACHE_ROOTS",
                                               "B10_COMPRESSION_LEVEL",
                                               "B10_LOAD_TIMEOUT_SECONDS",
                                               "B10_SAVE_TIMEOUT_SECONDS",
                                               "B10_THREADS",
                                               "B10_ENVIRONMENT_KEY",
                                               "B10_GPU_PROBE",
                                               "B10_PYTHON_PREFIX",
                                               "B10_TRANSFER_VLLM_URL",
                                               "B10_TRANSFER_VLLM_API_KEY",
                                               "B10_TRANSFER_TIMEOUT_S",
                                               "B10_TRANSFER_INTERVAL_S",
                                               "B10_LOG_LEVEL",
                                               NULL};

/* What came of it. */
struct flow {
    b10_report load;
    b10_report save;
    b10_serve_report serve;
    b10_error error;
    OperationStatus status;
};

/* ---- text ---- */

static void print_sentence(const struct flow *flow)
{
    const b10_serve_report *serve = &flow->serve;
    char count[TEXT_SIZE];
    printf("done in %.1f s: %s%s", (double)serve->wall_ns / 1e9, serve->verdict,
           serve->verdict[0] != '\0' ? "; " : "");
    if (flow->status == B10_SUCCESS)
        printf("saved %s\n", text_count(flow->save.files, "file", "files", count));
    else
        printf("nothing to save (%s)\n", b10_reason_name(flow->error.code));
}

static void print_text(const struct session *session, const struct flow *flow)
{
    if (flow->status == B10_ERROR)
        session_explain(session, flow->status, &flow->error);
    else if (!session->options->quiet)
        print_sentence(flow);
}

/* ---- JSON ---- */

static const char *warmth_name(uint32_t warmth)
{
    switch ((b10_warmth)warmth) {
    case B10_WARMTH_WARM:
        return "warm";
    case B10_WARMTH_PARTLY:
        return "partly";
    case B10_WARMTH_COLD:
        return "cold";
    default:
        return NULL;
    }
}

/* One of the two operations; null if it was not begun. */
static void add_part(struct document *document, const char *name, uint32_t status,
                     const b10_report *report, const char *message)
{
    if (status == 0) {
        document_text(document, name, NULL);
        return;
    }
    struct document *part = document_object(document, name);
    document_text(part, "status", b10_status_name((OperationStatus)status));
    document_text(part, "reason", b10_reason_name(report->reason));
    document_message(part, "message", message);
    summary_add_report(part, report);
}

static void add_flow(struct document *document, const struct flow *flow)
{
    const b10_serve_report *serve = &flow->serve;
    document_text(document, "verdict", serve->verdict);
    document_text(document, "warmth", warmth_name(serve->warmth));
    document_flag(document, "ready", serve->ready);
    document_count(document, "http_status", serve->http_status);
    document_count(document, "tries", serve->tries);
    document_flag(document, "quiet", serve->quiet);
    document_count(document, "local_files", serve->local_files);
    document_count(document, "local_bytes", serve->local_bytes);
    document_count(document, "new_files", serve->new_files);
    document_count(document, "new_bytes", serve->new_bytes);
    document_count(document, "new_directories", serve->new_directories);
    document_seconds(document, "load_seconds", serve->load_ns);
    document_seconds(document, "wait_seconds", serve->wait_ns);
    document_seconds(document, "settle_seconds", serve->settle_ns);
    document_seconds(document, "save_seconds", serve->save_ns);
    document_seconds(document, "seconds", serve->wall_ns);
    add_part(document, "load", serve->load_status, &flow->load, serve->load_message);
    add_part(document, "save", serve->save_status, &flow->save, serve->save_message);
}

/* False: it could not be written. */
static bool tell_machines(const struct session *session, const struct flow *flow)
{
    const struct options *options = session->options;
    struct document *document = session_document(session, flow->status, &flow->error);
    add_flow(document, flow);
    char *line = document_line(document);
    bool ok = line != NULL;
    if (ok && options->json)
        puts(line);
    if (ok && options->report != NULL)
        ok = report_file_write(options->report, line);
    free(line);
    return ok;
}

/* ---- the whole ---- */

static enum exit_code tell(struct session *session, struct flow *flow)
{
    const struct options *options = session->options;
    const bool wants_hit = options->require_hit || options->strict;
    if (wants_hit && flow->serve.load_status == B10_DOES_NOT_EXIST)
        session->found = EXIT_CODE_ABSENT;
    if (!options->json)
        print_text(session, flow);
    const enum exit_code code = session_code(session, flow->status, &flow->error);
    if ((options->json || options->report != NULL) && !tell_machines(session, flow))
        return code == EXIT_CODE_DONE ? EXIT_CODE_FAILED : code;
    return code;
}

static enum exit_code run_flow(struct session *session)
{
    struct flow *flow = calloc(1, sizeof *flow);
    b10_error error = B10_INIT(b10_error);
    if (flow == NULL) {
        error.code = B10_REASON_NO_MEMORY;
        snprintf(error.message, sizeof error.message, "out of memory");
        session_explain(session, B10_ERROR, &error);
        return EXIT_CODE_FAILED;
    }
    flow->load = (b10_report)B10_INIT(b10_report);
    flow->save = (b10_report)B10_INIT(b10_report);
    flow->serve = (b10_serve_report)B10_INIT(b10_serve_report);
    flow->serve.load = &flow->load;
    flow->serve.save = &flow->save;
    flow->error = error;
    flow->status = b10_serve_flow(session->config, &session->callbacks, &flow->serve, &flow->error);
    progress_bar_clear(&session->bar);
    const enum exit_code code = tell(session, flow);
    free(flow);
    return code;
}

const struct command command_flow = {
    .name = "flow",
    .summary = "beside a server that starts (also without a COMMAND)",
    .about =
        "Meant to run beside a server that starts at the same moment. Loads the stored cache, "
        "waits until B10_TRANSFER_VLLM_URL answers with HTTP status 200, waits until the cache "
        "has been quiet for 5 seconds (at most 120), says whether the stored cache helped, and "
        "saves what was compiled beyond it. The kind is vllm and the modes are merge unless they "
        "are set: what the server has written already stays. A load that fails is said and the "
        "flow goes on; HTTP status 401 or 403 ends it. The log has a line for each phase; its "
        "level is B10_TRANSFER_CLI_LOGLEVEL (DEBUG, INFO, WARNING, ERROR), else B10_LOG_LEVEL. "
        "--json and --report FILE give the whole in one line; a FILE such as "
        "/dev/termination-log works.",
    .options = OPTION_STRICT | OPTION_REQUIRE_HIT | OPTION_REPORT,
    .stops_cleanly = true,
    .settings = command_server_settings,
    .run = run_flow,
};
