#include "cli/summary.h"

static const char *const settings[] = {"BASETEN_FS_ENABLED",
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
                                       "MIN_LOCAL_SPACE_MB",
                                       "B10_LOAD_MODE",
                                       "B10_CACHE_TAGS",
                                       "B10_CACHE_ROOTS",
                                       "B10_LOAD_TIMEOUT_SECONDS",
                                       "B10_THREADS",
                                       "B10_ENVIRONMENT_KEY",
                                       "B10_GPU_PROBE",
                                       "B10_LOG_LEVEL",
                                       NULL};

static enum exit_code run_load(struct session *session)
{
    b10_report report = B10_INIT(b10_report);
    b10_error error = B10_INIT(b10_error);
    OperationStatus status = b10_load(session->config, &session->callbacks, &report, &error);
    return summary_print(session, SUMMARY_LOAD, status, &report, &error);
}

const struct command command_load = {
    .name = "load",
    .summary = "restore the cache of this environment into the local directory",
    .about = "Restores the compile cache of this environment, all or nothing. Nothing that exists "
             "locally is overwritten; a local directory that already holds files is left as it is, "
             "or, with B10_LOAD_MODE merge, gets what it lacks. "
             "Where there is no archive for exactly this environment, the newest one is taken that "
             "differs only in an older CUDA version, or in the processor while it holds no code "
             "for one. Without any there is nothing to do: exit code 0, or 3 with --require-hit "
             "or --strict.",
    .options = OPTION_STRICT | OPTION_REQUIRE_HIT,
    .stops_cleanly = true,
    .settings = settings,
    .run = run_load,
};
