#include "cli/summary.h"

static const char *const settings[] = {
    "B10_CACHE_KIND", "TORCHINDUCTOR_CACHE_DIR", "VLLM_CACHE_ROOT",
    "XDG_CACHE_HOME", "SGLANG_CACHE_DIR",        "B10_LOCAL_PREFIXES",
    "LOCAL_WORK_DIR", "B10_LOG_LEVEL",           NULL};

static enum exit_code run_clear(struct session *session)
{
    b10_report report = B10_INIT(b10_report);
    b10_error error = B10_INIT(b10_error);
    OperationStatus status = b10_clear(session->config, &session->callbacks, &report, &error);
    return summary_print(session, SUMMARY_CLEAR, status, &report, &error);
}

const struct command command_clear = {
    .name = "clear",
    .summary = "remove the contents of the local cache directory",
    .about = "Removes the contents of the local cache directory. The shared volume is neither "
             "needed nor touched. Refuses /, a temporary directory itself and a home directory.",
    .stops_cleanly = true,
    .settings = settings,
    .run = run_clear,
};
