#include <inttypes.h>
#include <stdio.h>

#include "cli/facts_lines.h"
#include "cli/session.h"
#include "cli/text.h"

static const char *const settings[] = {"BASETEN_FS_ENABLED",      "B10_CACHE_KIND",
                                       "TORCHINDUCTOR_CACHE_DIR", "VLLM_CACHE_ROOT",
                                       "XDG_CACHE_HOME",          "SGLANG_CACHE_DIR",
                                       "B10_LOCAL_PREFIXES",      "B10_READ_DIRS",
                                       "B10FS_CACHE_DIR",         "B10_CACHE_TAGS",
                                       "B10_CACHE_ROOTS",         "B10_ENVIRONMENT_KEY",
                                       "B10_GPU_PROBE",           "B10_LOAD_TIMEOUT_SECONDS",
                                       "B10_LOG_LEVEL",           NULL};

static void print_field(const char *name, const char *value)
{
    printf("%-18s", name);
    text_put(stdout, value[0] != '\0' ? value : "unknown");
    putchar('\n');
}

static void print_amount(const char *name, bool exists, uint64_t files, const char *separator,
                         uint64_t bytes)
{
    char count[TEXT_SIZE];
    char size[TEXT_SIZE];
    if (exists)
        printf("%-18s%s%s%s\n", name, text_count(files, "file", "files", count), separator,
               text_size(bytes, size));
    else
        printf("%-18s%s\n", name, "none");
}

static void print_text(const struct session *session, const void *what)
{
    const b10_cache_info *info = what;
    (void)session;
    char text[TEXT_SIZE];
    print_field("environment key", info->environment_key);
    print_field("detected by", info->detection);
    print_field("local directory", info->local_directory);
    print_amount("local cache", info->local_cache_exists, info->local_cache_files, ", ",
                 info->local_cache_bytes);
    print_field("shared volume", info->b10fs_enabled ? "enabled" : "off (BASETEN_FS_ENABLED)");
    print_field("shared directory", info->shared_directory);
    print_field("archive", info->archive);
    print_amount("stored cache", info->b10fs_cache_exists, info->b10fs_cache_files, " packed in ",
                 info->b10fs_cache_bytes);
    if (info->b10fs_cache_exists)
        print_field("created", text_time(info->b10fs_created_time, text));
}

static void add_info(struct document *document, const void *what)
{
    const b10_cache_info *info = what;
    document_text(document, "environment_key", info->environment_key);
    document_text(document, "detection", info->detection);
    document_flag(document, "b10fs_enabled", info->b10fs_enabled);
    document_flag(document, "local_cache_exists", info->local_cache_exists);
    document_text(document, "local_directory", info->local_directory);
    document_count(document, "local_cache_bytes", info->local_cache_bytes);
    document_count(document, "local_cache_files", info->local_cache_files);
    document_flag(document, "b10fs_cache_exists", info->b10fs_cache_exists);
    document_text(document, "shared_directory", info->shared_directory);
    document_text(document, "archive", info->archive);
    document_count(document, "b10fs_cache_bytes", info->b10fs_cache_bytes);
    document_count(document, "b10fs_cache_files", info->b10fs_cache_files);
    document_time(document, "b10fs_created_time", info->b10fs_created_time);
    facts_lines_document(document, info->facts);
    facts_lines_steps(document, info->detection_steps);
}

static enum exit_code run_info(struct session *session)
{
    b10_cache_info info = B10_INIT(b10_cache_info);
    b10_error error = B10_INIT(b10_error);
    OperationStatus status = b10_info(session->config, &session->callbacks, &info, &error);
    return session_answer(session, status, &error,
                          &(struct answer){.what = &info, .add = add_info, .print = print_text});
}

const struct command command_info = {
    .name = "info",
    .summary = "describe the local and the stored cache of this environment",
    .about = "Describes the local cache and the archive of this environment. Works with the shared "
             "volume absent or disabled.",
    .settings = settings,
    .run = run_info,
};
