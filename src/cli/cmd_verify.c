#include <inttypes.h>
#include <stdio.h>

#include "cli/facts_lines.h"
#include "cli/session.h"
#include "cli/text.h"

static const char *const settings[] = {"B10FS_CACHE_DIR",       "MAX_CACHE_SIZE_MB",
                                       "MAX_CACHE_SIZE_CAP_MB", "B10_LOAD_TIMEOUT_SECONDS",
                                       "B10_LOG_LEVEL",         NULL};

static void print_field(const char *name, const char *value)
{
    printf("  %-16s", name);
    text_put(stdout, value[0] != '\0' ? value : "unknown");
    putchar('\n');
}

static void print_text(const struct session *session, const void *what)
{
    const b10_verify_report *result = what;
    (void)session;
    char text[TEXT_SIZE];
    char size[TEXT_SIZE];
    fputs("intact: ", stdout);
    text_put(stdout, result->archive);
    putchar('\n');
    print_field("environment key", result->environment_key);
    printf("  %-16s%s in %s\n", "stored", text_size(result->archive_bytes, size),
           text_count(result->frames, "frame", "frames", text));
    printf("  %-16s%s, %s", "contents", text_count(result->files, "file", "files", text),
           text_size(result->content_bytes, size));
    printf(", %s", text_count(result->directories, "directory", "directories", text));
    printf(", %s\n", text_count(result->duplicates, "duplicate", "duplicates", text));
    printf("  %-16s%s\n", "host code", text_count(result->host_code_files, "file", "files", text));
    if (result->void_files > 0)
        printf("  %-16s%s changed while being saved; a load leaves them out\n", "void",
               text_count(result->void_files, "file", "files", text));
    print_field("roots", result->roots);
    printf("  %-16s%s by ", "created", text_time(result->created_time, text));
    text_put(stdout, result->creator);
    printf(", format %" PRIu32 "\n", result->format);
}

static void add_result(struct document *document, const void *what)
{
    const b10_verify_report *result = what;
    document_text(document, "archive", result->archive);
    document_text(document, "environment_key", result->environment_key);
    document_count(document, "format", result->format);
    document_text(document, "creator", result->creator);
    document_time(document, "created_time", result->created_time);
    document_count(document, "archive_bytes", result->archive_bytes);
    document_count(document, "content_bytes", result->content_bytes);
    document_count(document, "frames", result->frames);
    document_count(document, "files", result->files);
    document_count(document, "directories", result->directories);
    document_count(document, "duplicates", result->duplicates);
    document_count(document, "void_files", result->void_files);
    document_count(document, "host_code_files", result->host_code_files);
    document_text(document, "roots", result->roots);
    facts_lines_document(document, result->facts);
}

static enum exit_code run_verify(struct session *session)
{
    b10_verify_report result = B10_INIT(b10_verify_report);
    b10_error error = B10_INIT(b10_error);
    OperationStatus status = b10_verify(session->config, &session->callbacks,
                                        session->options->operand, &result, &error);
    const struct answer answer = {.what = &result,
                                  .add = add_result,
                                  .print = print_text,
                                  .quiet_hides = true};
    return session_answer(session, status, &error, &answer);
}

const struct command command_verify = {
    .name = "verify",
    .summary = "read one archive completely and check every rule of the format",
    .about = "Reads one archive completely and checks it as a load would, without writing "
             "anything. FILE|KEY is a path (it contains a '/' or names an existing file) or an "
             "environment key, looked up in the shared directory.",
    .operand = "FILE|KEY",
    .stops_cleanly = true,
    .absence_fails = true,
    .settings = settings,
    .run = run_verify,
};
