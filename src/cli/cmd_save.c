#include "cli/summary.h"

static const char *const settings[] = {"BASETEN_FS_ENABLED",
                                       "B10_CACHE_KIND",
                                       "TORCHINDUCTOR_CACHE_DIR",
                                       "VLLM_CACHE_ROOT",
                                       "XDG_CACHE_HOME",
                                       "SGLANG_CACHE_DIR",
                                       "B10_LOCAL_PREFIXES",
                                       "B10FS_CACHE_DIR",
                                       "MAX_CACHE_SIZE_MB",
                                       "MAX_CACHE_SIZE_CAP_MB",
                                       "MAX_CONCURRENT_SAVES",
                                       "MAX_CONCURRENT_SAVES_CAP",
                                       "CLEANUP_LOCK_TIMEOUT_SECONDS",
                                       "LOCK_TIMEOUT_CAP_SECONDS",
                                       "CLEANUP_INCOMPLETE_TIMEOUT_SECONDS",
                                       "INCOMPLETE_TIMEOUT_CAP_SECONDS",
                                       "MIN_B10FS_SPACE_MB",
                                       "B10_SAVE_MODE",
                                       "B10_CACHE_TAGS",
                                       "B10_CACHE_ROOTS",
                                       "B10_COMPRESSION_LEVEL",
                                       "B10_SAVE_TIMEOUT_SECONDS",
                                       "B10_THREADS",
                                       "B10_ENVIRONMENT_KEY",
                                       "B10_GPU_PROBE",
                                       "B10_PYTHON_PREFIX",
                                       "B10_LOG_LEVEL",
                                       NULL};

static enum exit_code run_save(struct session *session)
{
    b10_report report = B10_INIT(b10_report);
    b10_error error = B10_INIT(b10_error);
    OperationStatus status = b10_save(session->config, &session->callbacks, &report, &error);
    return summary_print(session, SUMMARY_SAVE, status, &report, &error);
}

const struct command command_save = {
    .name = "save",
    .summary = "publish the local cache for this environment",
    .about =
        "Packs the local compile cache and publishes it under this environment's key. Other "
        "replicas see the old archive or the new one, never a part of it. A usable archive "
        "that exists is kept, unless B10_SAVE_MODE is replace, or merge: then what it lacks is "
        "added to it.",
    .options = OPTION_STRICT,
    .stops_cleanly = true,
    .settings = settings,
    .run = run_save,
};
