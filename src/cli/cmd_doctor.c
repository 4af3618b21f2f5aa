#include <stdio.h>
#include <string.h>

#include "cli/session.h"
#include "cli/text.h"

static const char *const settings[] = {"BASETEN_FS_ENABLED",
                                       "B10FS_CACHE_DIR",
                                       "B10_CACHE_KIND",
                                       "TORCHINDUCTOR_CACHE_DIR",
                                       "VLLM_CACHE_ROOT",
                                       "XDG_CACHE_HOME",
                                       "SGLANG_CACHE_DIR",
                                       "B10_LOCAL_PREFIXES",
                                       "B10_READ_DIRS",
                                       "LOCAL_WORK_DIR",
                                       "MIN_LOCAL_SPACE_MB",
                                       "MIN_B10FS_SPACE_MB",
                                       "B10_SAVE_MODE",
                                       "B10_GPU_PROBE",
                                       "B10_SAVE_TIMEOUT_SECONDS",
                                       "B10_LOG_LEVEL",
                                       NULL};

static const char *verdict_name(uint32_t verdict)
{
    static const char *const names[] = {"OK", "WARN", "FAIL"};
    return verdict <= B10_VERDICT_FAIL ? names[verdict] : "UNKNOWN";
}

static void print_check(const b10_check *check)
{
    char measured[64] = "";
    if (check->value >= 0)
        snprintf(measured, sizeof measured, "%.*f %s", strcmp(check->unit, "ms") == 0 ? 2 : 0,
                 check->value, check->unit);
    printf("%-4s  %-24s  %14s  ", verdict_name(check->verdict), check->name, measured);
    text_put(stdout, check->message);
    putchar('\n');
}

static void print_summary(const b10_check_list *list)
{
    size_t failed = 0;
    char count[TEXT_SIZE];
    for (size_t i = 0; i < list->total; i++)
        failed += b10_check_list_at(list, i)->verdict == B10_VERDICT_FAIL;
    text_put(stdout, list->shared_directory);
    if (failed > 0)
        printf(": not fit, %s failed\n", text_count(failed, "check", "checks", count));
    else
        puts(list->load_only ? ": fit for loads only" : ": fit");
}

static void print_text(const struct session *session, const void *what)
{
    const b10_check_list *list = what;
    for (size_t i = 0; i < list->total; i++) {
        const b10_check *check = b10_check_list_at(list, i);
        if (!session->options->quiet || check->verdict != B10_VERDICT_OK)
            print_check(check);
    }
    print_summary(list);
}

static void add_check(struct document *row, const b10_check *check)
{
    document_text(row, "name", check->name);
    document_text(row, "verdict", verdict_name(check->verdict));
    document_number(row, "value", check->value);
    document_text(row, "unit", check->unit);
    document_message(row, "message", check->message);
}

static void add_list(struct document *document, const void *what)
{
    const b10_check_list *list = what;
    document_text(document, "verdict", list != NULL ? verdict_name(list->verdict) : NULL);
    document_flag(document, "b10fs_enabled", list != NULL && list->b10fs_enabled);
    document_flag(document, "load_only", list != NULL && list->load_only);
    document_text(document, "shared_directory", list != NULL ? list->shared_directory : NULL);
    document_list(document, "checks");
    for (size_t i = 0; list != NULL && i < list->total; i++)
        add_check(document_row(document), b10_check_list_at(list, i));
}

static enum exit_code run_doctor(struct session *session)
{
    b10_check_list *list = NULL;
    b10_error error = B10_INIT(b10_error);
    OperationStatus status = b10_doctor(session->config, &session->callbacks, &list, &error);
    if (list != NULL && list->verdict == B10_VERDICT_FAIL)
        session->found = EXIT_CODE_UNFIT;
    const struct answer answer = {.what = list, .add = add_list, .print = print_text};
    const enum exit_code code = session_answer(session, status, &error, &answer);
    b10_check_list_free(list);
    return code;
}

const struct command command_doctor = {
    .name = "doctor",
    .summary = "try whether volume and host are fit for a cache",
    .about = "Tries in the shared directory, with files of its own that it removes, every "
             "operation that a load or a save needs, and how long each takes; looks at the "
             "directories of B10_READ_DIRS, the local "
             "directory, free space, and for a C++ compiler. One line a check: OK; WARN: works, "
             "with less than it could have; FAIL: something will not work. Exit code 7 if a check "
             "failed. With --quiet only what is not OK.",
    .stops_cleanly = true,
    .settings = settings,
    .run = run_doctor,
};
