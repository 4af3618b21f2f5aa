#include <inttypes.h>
#include <stdio.h>

#include "cli/session.h"
#include "cli/text.h"

static const char *const settings[] = {"BASETEN_FS_ENABLED",      "B10_CACHE_KIND",
                                       "TORCHINDUCTOR_CACHE_DIR", "VLLM_CACHE_ROOT",
                                       "XDG_CACHE_HOME",          "SGLANG_CACHE_DIR",
                                       "B10_LOCAL_PREFIXES",      "B10FS_CACHE_DIR",
                                       "B10_READ_DIRS",           "B10_CACHE_TAGS",
                                       "B10_CACHE_ROOTS",         "B10_LOAD_TIMEOUT_SECONDS",
                                       "B10_ENVIRONMENT_KEY",     "B10_GPU_PROBE",
                                       "B10_LOG_LEVEL",           NULL};

/* Files that follow each other in the list and lie in one directory. */
struct group {
    uint64_t first;
    uint64_t count;
    uint64_t bytes;
};

/* The next one; false at the end. They share the pointer to their directory. */
static bool next_group(const b10_diff_list *list, struct group *group)
{
    const uint64_t first = group->first + group->count;
    const b10_diff_file *file = b10_diff_list_at(list, first);
    if (file == NULL)
        return false;
    const char *directory = file->directory;
    *group = (struct group){.first = first};
    for (; file != NULL && file->directory == directory;
         file = b10_diff_list_at(list, first + group->count)) {
        group->count++;
        group->bytes += file->bytes;
    }
    return true;
}

/* ---- text ---- */

static void print_group(const b10_diff_list *list, const struct group *group)
{
    char count[TEXT_SIZE];
    char size[TEXT_SIZE];
    text_put(stdout, b10_diff_list_at(list, group->first)->directory);
    printf("  %s, %s\n", text_count(group->count, "file", "files", count),
           text_size(group->bytes, size));
    for (uint64_t i = 0; i < group->count; i++) {
        const b10_diff_file *file = b10_diff_list_at(list, group->first + i);
        printf("  %12" PRIu64 "  ", file->bytes);
        text_put(stdout, file->name);
        putchar('\n');
    }
}

static void print_total(const b10_diff_list *list)
{
    char count[TEXT_SIZE];
    char size[TEXT_SIZE];
    if (list->new_files == 0)
        printf("nothing new: all of %s", text_count(list->local_files, "file", "files", count));
    else
        printf("%s, %s, in %" PRIu64 " directories: not",
               text_count(list->new_files, "new file", "new files", count),
               text_size(list->new_bytes, size), list->new_directories);
    fputs(" in ", stdout);
    text_put(stdout, list->archive[0] != '\0' ? list->archive : "a stored cache: there is none");
    putchar('\n');
}

static void print_text(const struct session *session, const void *what)
{
    const b10_diff_list *list = what;
    (void)session;
    struct group group = {0};
    while (next_group(list, &group))
        print_group(list, &group);
    print_total(list);
}

/* ---- JSON ---- */

static void add_list(struct document *document, const void *what)
{
    const b10_diff_list nothing = B10_INIT(b10_diff_list);
    struct group group = {0};
    const b10_diff_list *known = what != NULL ? what : &nothing;
    document_text(document, "environment_key", known->environment_key);
    document_text(document, "archive", known->archive);
    document_count(document, "local_files", known->local_files);
    document_count(document, "local_bytes", known->local_bytes);
    document_count(document, "new_files", known->new_files);
    document_count(document, "new_bytes", known->new_bytes);
    document_count(document, "new_directories", known->new_directories);
    document_list(document, "directories");
    while (next_group(known, &group)) {
        struct document *row = document_row(document);
        document_message(row, "directory", b10_diff_list_at(known, group.first)->directory);
        document_count(row, "files", group.count);
        document_count(row, "bytes", group.bytes);
        document_list(row, "names");
        for (uint64_t i = 0; i < group.count; i++)
            document_item(row, b10_diff_list_at(known, group.first + i)->name);
    }
}

static enum exit_code run_diff(struct session *session)
{
    b10_diff_list *list = NULL;
    b10_error error = B10_INIT(b10_error);
    OperationStatus status = b10_diff(session->config, &session->callbacks, &list, &error);
    if (list != NULL && list->new_files > 0)
        session->found = EXIT_CODE_NEW;
    const struct answer answer = {.what = list,
                                  .add = add_list,
                                  .print = print_text,
                                  .quiet_hides = true};
    const enum exit_code code = session_answer(session, status, &error, &answer);
    b10_diff_list_free(list);
    return code;
}

const struct command command_diff = {
    .name = "diff",
    .summary = "what is here that the stored cache lacks: was it effective?",
    .about = "Compares the local cache with the stored one of this environment, by names: what a "
             "save in mode merge would add, by directory. Exit code 0 if there is nothing new, "
             "as after a warm start; 8 if there is. Without a stored cache everything is new.",
    .options = OPTION_STRICT,
    .stops_cleanly = true,
    .settings = settings,
    .run = run_diff,
};
