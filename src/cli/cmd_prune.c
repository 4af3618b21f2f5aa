#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
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
                                       "CLEANUP_LOCK_TIMEOUT_SECONDS",
                                       "LOCK_TIMEOUT_CAP_SECONDS",
                                       "B10_CACHE_TAGS",
                                       "B10_ENVIRONMENT_KEY",
                                       "B10_GPU_PROBE",
                                       "B10_SAVE_TIMEOUT_SECONDS",
                                       "B10_LOG_LEVEL",
                                       NULL};

/* ---- rules ---- */

struct unit {
    char letter;
    uint64_t factor;
};

static const struct unit sizes[] = {
    {'\0', 1}, {'K', 1ull << 10}, {'M', 1ull << 20}, {'G', 1ull << 30}, {'T', 1ull << 40}};
static const struct unit ages[] = {{'\0', 1}, {'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
static const struct unit plain[] = {{'\0', 1}};

/* Digits and at most one letter; not 0. NULL is 0: no such rule. */
static bool read_number(const char *text, const struct unit *units, size_t count, uint64_t *value)
{
    char *end = NULL;
    *value = 0;
    if (text == NULL)
        return true;
    if (strspn(text, "0123456789") == 0 || strlen(text) > 18)
        return false;
    const uint64_t number = strtoull(text, &end, 10);
    for (size_t i = 0; i < count; i++) {
        if (*end != units[i].letter || (*end != '\0' && end[1] != '\0'))
            continue;
        *value = number * units[i].factor;
        return number > 0 && *value / units[i].factor == number;
    }
    return false;
}

static bool refuse(b10_error *error, const char *option, const char *example)
{
    error->code = B10_REASON_CONFIG;
    snprintf(error->message, sizeof error->message, "%s needs a number above 0, such as %s", option,
             example);
    return false;
}

static bool read_rules(const struct options *options, b10_prune_rules *rules, b10_error *error)
{
    *rules = (b10_prune_rules)B10_INIT(b10_prune_rules);
    rules->dry_run = options->dry_run;
    rules->include_current = options->include_current;
    if (!read_number(options->max_size, sizes, sizeof sizes / sizeof sizes[0], &rules->max_bytes))
        return refuse(error, "--max-size", "20G");
    if (!read_number(options->max_age, ages, sizeof ages / sizeof ages[0], &rules->max_age_s))
        return refuse(error, "--max-age", "30d");
    if (!read_number(options->keep, plain, 1, &rules->keep))
        return refuse(error, "--keep", "10");
    return true;
}

/* ---- answers ---- */

static const char *outcome_name(uint32_t outcome)
{
    static const char *const names[] = {"kept", "would be removed", "removed", "busy", "failed"};
    return outcome < sizeof names / sizeof names[0] ? names[outcome] : "unknown";
}

static void print_text(const struct session *session, const void *what)
{
    const b10_prune_list *list = what;
    (void)session;
    char text[TEXT_SIZE];
    char size[TEXT_SIZE];
    for (size_t i = 0; i < list->total; i++) {
        const b10_pruned *one = b10_prune_list_at(list, i);
        printf("%-16s %10.1f  %-23s  %c ", outcome_name(one->outcome),
               (double)one->size_bytes / (1024.0 * 1024.0), text_time(one->created_time, text),
               one->is_current_environment ? '*' : ' ');
        text_put(stdout, one->environment_key);
        putchar('\n');
    }
    if (list->dry_run)
        printf("would remove %s of ", text_size(list->chosen_bytes, size));
    else
        printf("removed %s of ", text_size(list->removed_bytes, size));
    printf("%s\n", text_count(list->total, "cache", "caches", text));
}

static void add_list(struct document *document, const void *what)
{
    const b10_prune_list *list = what;
    document_flag(document, "dry_run", list != NULL && list->dry_run);
    document_count(document, "removed", list != NULL ? list->removed : 0);
    document_count(document, "removed_bytes", list != NULL ? list->removed_bytes : 0);
    document_count(document, "chosen_bytes", list != NULL ? list->chosen_bytes : 0);
    document_count(document, "total_caches", list != NULL ? list->total : 0);
    document_list(document, "caches");
    for (size_t i = 0; list != NULL && i < list->total; i++) {
        const b10_pruned *one = b10_prune_list_at(list, i);
        struct document *row = document_row(document);
        document_text(row, "filename", one->filename);
        document_text(row, "environment_key", one->environment_key);
        document_count(row, "size_bytes", one->size_bytes);
        document_time(row, "created_time", one->created_time);
        document_flag(row, "is_current_environment", one->is_current_environment);
        document_text(row, "outcome", outcome_name(one->outcome));
        document_text(row, "reason", b10_reason_name(one->reason));
    }
}

static bool has_failures(const b10_prune_list *list)
{
    for (size_t i = 0; list != NULL && i < list->total; i++)
        if (b10_prune_list_at(list, i)->outcome == B10_PRUNE_FAILED)
            return true;
    return false;
}

static enum exit_code run_prune(struct session *session)
{
    b10_prune_rules rules;
    b10_prune_list *list = NULL;
    b10_error error = B10_INIT(b10_error);
    OperationStatus status = B10_ERROR;
    if (read_rules(session->options, &rules, &error))
        status = b10_prune(session->config, &session->callbacks, &rules, &list, &error);
    if (has_failures(list))
        session->found = EXIT_CODE_FAILED;
    const struct answer answer = {.what = list,
                                  .add = add_list,
                                  .print = print_text,
                                  .quiet_hides = true};
    const enum exit_code code = session_answer(session, status, &error, &answer);
    b10_prune_list_free(list);
    return code;
}

const struct command command_prune = {
    .name = "prune",
    .summary = "remove old caches from the volume",
    .about =
        "Removes archives from the shared directory, the oldest first, until no rule is broken: "
        "those older than --max-age, those beyond the --keep newest, and as many as it takes "
        "for the rest to fit into --max-size. The archive of this environment stays unless "
        "--include-current is given. A cache that somebody saves is left (busy). Try it with "
        "--dry-run. Exit code 1 if one could not be removed.",
    .options = OPTION_PRUNE,
    .stops_cleanly = true,
    .settings = settings,
    .run = run_prune,
};
