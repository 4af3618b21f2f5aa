#include <inttypes.h>
#include <stdio.h>

#include "cli/session.h"
#include "cli/text.h"

static const char *const settings[] = {"BASETEN_FS_ENABLED", "B10FS_CACHE_DIR",
                                       "B10_CACHE_KIND",     "TORCHINDUCTOR_CACHE_DIR",
                                       "VLLM_CACHE_ROOT",    "XDG_CACHE_HOME",
                                       "SGLANG_CACHE_DIR",   "B10_LOCAL_PREFIXES",
                                       "B10_CACHE_TAGS",     "B10_ENVIRONMENT_KEY",
                                       "B10_GPU_PROBE",      "B10_LOAD_TIMEOUT_SECONDS",
                                       "B10_LOG_LEVEL",      NULL};

static void print_entry(const b10_cache_entry *entry)
{
    char time[TEXT_SIZE];
    printf("%c %10.1f  %-23s  ", entry->is_current_environment ? '*' : ' ',
           (double)entry->size_bytes / (1024.0 * 1024.0), text_time(entry->created_time, time));
    text_put(stdout, entry->environment_key);
    putchar('\n');
}

static void print_text(const struct session *session, const void *what)
{
    const b10_cache_list *list = what;
    char directory[B10_PATH_SIZE];
    char count[TEXT_SIZE];
    if (list->total_caches > 0)
        printf("  %10s  %-23s  %s\n", "MiB", "created", "environment key");
    for (size_t i = 0; i < list->total_caches; i++)
        print_entry(b10_cache_list_at(list, i));
    if (!list->b10fs_enabled) {
        puts("no caches: the shared volume is off (BASETEN_FS_ENABLED)");
        return;
    }
    if (b10_config_get(session->config, "B10FS_CACHE_DIR", directory, sizeof directory, NULL,
                       NULL) != B10_SUCCESS)
        directory[0] = '\0';
    printf("%s in ", text_count(list->total_caches, "cache", "caches", count));
    text_put(stdout, directory);
    fputs(list->current_cache_exists ? "; * is this environment's\n"
                                     : "; none for this environment\n",
          stdout);
}

static void add_entry(struct document *row, const b10_cache_entry *entry)
{
    document_text(row, "filename", entry->filename);
    document_text(row, "environment_key", entry->environment_key);
    document_count(row, "size_bytes", entry->size_bytes);
    document_time(row, "created_time", entry->created_time);
    document_flag(row, "is_current_environment", entry->is_current_environment);
}

/* The same shape always: without a list, no caches. */
static void add_list(struct document *document, const void *what)
{
    const b10_cache_list *list = what;
    document_text(document, "current_environment", list != NULL ? list->current_environment : NULL);
    document_flag(document, "current_cache_exists", list != NULL && list->current_cache_exists);
    document_flag(document, "b10fs_enabled", list != NULL && list->b10fs_enabled);
    document_count(document, "total_caches", list != NULL ? list->total_caches : 0);
    document_list(document, "caches");
    for (size_t i = 0; list != NULL && i < list->total_caches; i++)
        add_entry(document_row(document), b10_cache_list_at(list, i));
}

static enum exit_code run_list(struct session *session)
{
    b10_cache_list *list = NULL;
    b10_error error = B10_INIT(b10_error);
    OperationStatus status = b10_list(session->config, &session->callbacks, &list, &error);
    const struct answer answer = {.what = list, .add = add_list, .print = print_text};
    const enum exit_code code = session_answer(session, status, &error, &answer);
    b10_cache_list_free(list);
    return code;
}

const struct command command_list = {
    .name = "list",
    .summary = "list the stored caches, newest first",
    .about = "Lists the archives of the shared directory, newest first. No shared directory, or "
             "BASETEN_FS_ENABLED off, is an empty list.",
    .settings = settings,
    .run = run_list,
};
